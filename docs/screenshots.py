"""Screenshots of the health page in each of its states, light, dark and narrow, by headless Chromium.

    python docs/screenshots.py [DIRECTORY [FILE.html ...]]

Without a directory it makes the one picture of docs/health.md anew; with files it pictures these instead, as make docs
has built them. A page that is wider than its window is an error. Needs Debian's chromium and chromium-driver, and
waitress and selenium beside threadguard.
"""

import base64
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List
from wsgiref.util import setup_testing_defaults

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "examples" / "fleet"))

from programs import Program, free_ports, get  # noqa: E402
from selenium import webdriver  # noqa: E402

import threadguard  # noqa: E402

PATHS = "%%s:%s" % Path(threadguard.__file__).parents[1]
PATH, TOKEN = "/-/threadguard", "change-me"
SITE = '''import threading

import waitress

from threadguard import ThreadGuard

together = threading.Barrier(2)


def journal(user):
    """Wait for the other request, as a slow push would by chance."""
    together.wait(20)


def site(environ, start_response):
    if environ["PATH_INFO"].startswith("/push"):
        journal(environ["PATH_INFO"].rpartition("/")[2])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def serve(port, threads, **options):
    """The guard looks at the first request only, as with a server that it does not know."""
    guard = ThreadGuard(site, health_path="/-/threadguard", health_token="change-me", watch_pool_start=False, **options)
    waitress.serve(guard, listen="127.0.0.1:%d" % port, threads=threads, _quiet=True)
'''
SERVED = {"pass": "threads=1", "serialize": "threads=4, policy='serialize'", "refuse": "threads=4",
          "log": "threads=4, policy='log'"}
"""State: how its server is started."""
FLAGS: Dict[str, Dict[str, Any]] = {"declared": {"wsgi.multithread": False}, "unknown": {}}
"""State: the environ of a server that shows nothing else."""
LOOKS = {"light": (1000, "light"), "dark": (1000, "dark"), "narrow": (390, "light"), "narrow-dark": (390, "dark")}
"""Look: the width in pixels of CSS, and the colour scheme that the browser prefers."""


@contextmanager
def served(directory: Path, options: str) -> Iterator[int]:
    """A site of waitress' that has had some requests; its port."""
    [port] = free_ports(1)
    program = "import site_pictured; site_pictured.serve(%d, %s)" % (port, options)
    with Program("site", [sys.executable, "-c", program], directory, PYTHONPATH=PATHS % directory) as site:
        site.until(lambda: get(port, PATH))
        for _ in range(3):
            get(port, "/")
        if "log" in options:
            with ThreadPoolExecutor(2) as clients:
                list(clients.map(lambda user: get(port, "/push/" + user, timeout=30), ("ann", "ben")))
        yield port


def told(changes: Dict[str, Any]) -> str:
    """The page of a guard in this process, to which nothing but *changes* of the environ says what the server is."""
    guard = threadguard.ThreadGuard(lambda environ, start_response: [], policy="log", health_path=PATH,
                                    health_token=TOKEN, group="site %d" % len(changes))
    environ: Dict[str, Any] = {}
    setup_testing_defaults(environ)
    del environ["wsgi.multithread"]
    environ.update(changes, PATH_INFO=PATH, HTTP_ACCEPT="text/html", HTTP_AUTHORIZATION="Bearer " + TOKEN)
    return b"".join(guard(environ, lambda status, headers, exc_info=None: lambda data: None)).decode("utf-8")


@contextmanager
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync"):
        options.add_argument(flag)
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


def pictures(driver: Any, url: str, looks: List[str], unfolded: bool = False) -> Iterator[bytes]:
    """The page at *url* as a PNG, whole, in each of *looks*."""
    for look in looks:
        width, scheme = LOOKS[look]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": 200, "deviceScaleFactor": 1, "mobile": width < 600})
        driver.get(url)
        if unfolded:
            driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width, (url, look)
        taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        yield base64.b64decode(taken["data"])


def each_state(directory: Path) -> Iterator[Any]:
    """Name and address of every state of the page."""
    (directory / "site_pictured.py").write_text(SITE)
    for state, options in SERVED.items():
        with served(directory, options) as port:
            yield state + "-stranger", "http://127.0.0.1:%d%s" % (port, PATH)
            yield state, "http://operator:%s@127.0.0.1:%d%s?details" % (TOKEN, port, PATH)
    for state, changes in FLAGS.items():
        (directory / (state + ".html")).write_text(told(changes), encoding="utf-8")
        yield state, (directory / (state + ".html")).as_uri()


def main(arguments: List[str]) -> None:
    """Every state, or every page that is named, in every look; or the one picture of the documentation."""
    files = [Path(name).resolve() for name in arguments[1:]]
    with tempfile.TemporaryDirectory() as name, browser() as driver:
        states = ((path.stem, path.as_uri()) for path in files) if files else each_state(Path(name))
        for state, url in states:
            if arguments:
                for look, picture in zip(LOOKS, pictures(driver, url, list(LOOKS), unfolded=state == "log")):
                    (Path(arguments[0]) / ("%s-%s.png" % (state, look))).write_bytes(picture)
            elif state == "log":
                [picture] = pictures(driver, url, ["light"])
                (HERE / "static" / "health.png").write_bytes(picture)


if __name__ == "__main__":
    main(sys.argv[1:])
