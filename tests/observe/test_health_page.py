"""The health page in a browser: what a person sees, and that nothing in it runs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import held_inside, new_environ

from threadguard.testing.server import serve

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
TOKEN = "t0ken"
DOCS = Path(__file__).resolve().parents[2] / "docs"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium: make setup-servers installs it")


def seen_by_chromium(url, profile):
    """The document as the browser holds it after it has run whatever it runs."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync",
               "--user-data-dir=%s" % profile, "--dump-dom", url]
    done = subprocess.run(command, timeout=120, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def renamed(app):
    """A server whose name tries to be a script."""
    def proxy(environ, start_response):
        environ["SERVER_SOFTWARE"] = "<script>document.title='broken'</script>"
        return app(environ, start_response)
    return proxy


def test_a_browser_shows_the_verdict_and_the_overlap(guarded, gate, tmp_path):
    """Status, counts and both sides of the overlap are on the page, and no script of anybody's runs."""
    guard = guarded(gate, policy="log", health_path="/-/tg", health_token=TOKEN)
    with held_inside(guard, gate, "/first"):
        with held_inside(guard, gate, new_environ(PATH_INFO="/<script>document.title='broken'</script>")):
            gate.open.set()
    with serve(renamed(guard)) as server:
        page = seen_by_chromium(server.url.replace("//", "//operator:%s@" % TOKEN) + "/-/tg?details", tmp_path)
    assert "<title>threadguard: fail</title>" in page
    assert "<h1>Threaded: requests run at the same time</h1>" in page
    assert "<b>TG301</b></a> two requests were inside the application at once" in page
    assert "GET /first" in page and "/&lt;script&gt;document.title" in page
    assert '<dt>overlaps</dt><dd class="bad">1</dd>' in page


def test_a_browser_without_the_token_sees_the_status(guarded, tmp_path):
    """And nothing else."""
    guard = guarded(lambda environ, start: [], server_threads=1, health_path="/-/tg", health_token=TOKEN)
    with serve(guard) as server:
        page = seen_by_chromium(server.url + "/-/tg", tmp_path)
    assert "<h1>Single-threaded</h1>" in page and "<dl" not in page


def test_every_state_of_the_page_fits_a_phone_and_has_a_dark_mode(tmp_path):
    """The script that makes the documentation's picture takes each state wide, narrow, light and dark."""
    pytest.importorskip("selenium", reason="selenium is not installed")
    pytest.importorskip("waitress", reason="waitress is not installed")
    if shutil.which("chromedriver") is None:
        pytest.skip("needs ChromeDriver: make setup-servers installs it")
    done = subprocess.run([sys.executable, str(DOCS / "screenshots.py"), str(tmp_path)], timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout  # it fails itself where a page is wider than the window
    pictures = {path.stem: path.read_bytes() for path in tmp_path.glob("*.png")}
    assert len(pictures) == 4 * len(["pass", "serialize", "refuse", "log"] * 2 + ["declared", "unknown"])
    of_operators = [picture for name, picture in pictures.items() if "stranger" not in name]
    assert len(set(of_operators)) == len(of_operators), "two looks or two states are the same"
    assert pictures["refuse-stranger-light"] == pictures["log-stranger-light"], "a stranger is told the status alone"
