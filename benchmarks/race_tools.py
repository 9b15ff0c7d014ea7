"""The same applications under ``race`` and under tools that explore interleavings: found or not, and how long it took.

    python race_tools.py                 the table, in Markdown: every application under every tool, each in a process
    python race_tools.py TOOL APPLICATION    one of them: prints found, nothing found or an error, and the seconds

It needs Python 3.12, frontrun==0.7, interleave-test, mercurial, and this package. The applications are those of
tests/testing/race_apps.py, and Mercurial's hgweb over the two repositories of examples/demo_hgweb, whose configuration
the variable DEMO_HGWEB_CONFIG names. All tools are given the same two requests and the same right answers.
"""

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Set, Tuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "testing"), str(ROOT / "examples" / "demo_hgweb")]
LIMIT = 120
"""Seconds that a tool has for one application."""
HGWEB = "hgweb"
_PATHS = {HGWEB: ("/orleans/shortlog/tip?revcount=10", "/kyoto/shortlog/tip?revcount=10")}


def application(name: str) -> Any:
    """The application called *name*."""
    if name == HGWEB:
        from site_hgweb import application as hgweb
        return hgweb
    import race_apps
    return {**race_apps.RACY, **race_apps.RIGHT}[name]


def answer(app: Any, path: str) -> Any:
    """What *app* answers."""
    from threadguard.testing.sending import SentRequest

    sent = SentRequest(path)
    sent.environ["wsgi.multithread"] = True
    sent.run(app)
    return sent._status, tuple(sent._headers), b"".join(sent._chunks), str(sent._raised)


def right_answers(app: Any, a: str, b: str) -> Set[Tuple[Any, Any]]:
    """What both get in either order, after they have run before."""
    right = set()
    for number in range(8):
        pair = [(path, answer(app, path)) for path in ([a, b] if number % 4 < 2 else [b, a])]
        if number > 1:
            found = dict(pair)
            right.add((found[a], found[b]))
    return right


def by_race(app: Any, a: str, b: str) -> bool:
    """threadguard's `race`."""
    from threadguard.testing import race
    return bool(race(app, a, b, points=20 if a in _PATHS[HGWEB] else 200).status == 1)


def by_frontrun(app: Any, a: str, b: str, **options: Any) -> bool:
    """frontrun's `explore`."""
    import frontrun
    right = right_answers(app, a, b)
    packages = ["mercurial*"] if a in _PATHS[HGWEB] else None
    result = frontrun.explore(
        setup=dict, workers=[lambda got: got.update(a=answer(app, a)), lambda got: got.update(b=answer(app, b))],
        invariant=lambda got: (got.get("a"), got.get("b")) in right, total_timeout=LIMIT - 20, timeout_per_run=30.0,
        trace_packages=packages, **options)
    if result.property_holds is None:
        raise LookupError("inconclusive")
    return not result.property_holds


def by_frontrun_random(app: Any, a: str, b: str) -> bool:
    """frontrun's `explore` with random schedules."""
    return by_frontrun(app, a, b, strategy="random")


def by_interleave_test(app: Any, a: str, b: str) -> bool:
    """interleave-test's `explore`. It knows the locks that are made inside its run, so the module is loaded there."""
    import interleave_test
    right = right_answers(app, a, b)

    def model() -> None:
        fresh = app
        if a not in _PATHS[HGWEB]:
            fresh = getattr(importlib.reload(sys.modules[app.__module__]), app.__name__)
        got: Dict[str, Any] = {}
        threads = [interleave_test.spawn(lambda: got.update(a=answer(fresh, a))),
                   interleave_test.spawn(lambda: got.update(b=answer(fresh, b)))]
        for thread in threads:
            thread.join()
        assert (got.get("a"), got.get("b")) in right

    include = [str(Path(sys.modules[app.__module__].__file__ or "").parent)]
    if a in _PATHS[HGWEB]:
        import mercurial
        include.append(str(Path(mercurial.__file__).parent))
    result = interleave_test.explore(model, iterations=300, seed=1, granularity="line", include=include, timeout=60,
                                     raise_on_failure=False)
    if not result.ok and result.failure.kind == "hang":
        raise TimeoutError("it hangs")
    return not result.ok


TOOLS: Dict[str, Callable[[Any, str, str], bool]] = {
    "race": by_race, "frontrun": by_frontrun, "frontrun random": by_frontrun_random,
    "interleave-test": by_interleave_test}


def one(tool: str, name: str) -> str:
    """What *tool* says of application *name*."""
    if tool.startswith("frontrun"):
        importlib.import_module("frontrun")  # it puts its own locks in place of those that applications make later
    app, (a, b) = application(name), _PATHS.get(name, ("/a", "/b"))
    began = time.monotonic()
    try:
        found = TOOLS[tool](app, a, b)
    except BaseException as error:  # noqa: B902  a tool that fails is a result
        known = {LookupError: "inconclusive", TimeoutError: "hangs"}
        return "%s, %.1f s" % (known.get(type(error), "%r" % error), time.monotonic() - began)
    return "%s, %.1f s" % ("found" if found else "nothing found", time.monotonic() - began)


def in_a_process(tool: str, name: str) -> str:
    """The same, in a process that is ended after `LIMIT`."""
    try:
        command = [sys.executable, "-W", "ignore", __file__, tool, name]
        if tool.startswith("frontrun"):  # explore() works under its own command alone, which loads a library before
            command.insert(0, str(Path(sys.executable).with_name("frontrun")))
        done = subprocess.run(command, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=LIMIT, universal_newlines=True)
    except subprocess.TimeoutExpired:
        return "no end in %d s" % LIMIT
    return (done.stdout.strip().splitlines() or ["exit status %d" % done.returncode])[-1]


def main(words: List[str]) -> None:
    """Print one result, or the table."""
    if len(words) == 2:
        print(one(words[0], words[1]), flush=True)
        os._exit(0)  # a tool may have left threads behind
    import race_apps
    print("| application | has a race | %s |" % " | ".join(TOOLS))
    print("|---|---|%s" % ("---|" * len(TOOLS)))
    for name in [*race_apps.RACY, *race_apps.RIGHT, *([HGWEB] if "DEMO_HGWEB_CONFIG" in os.environ else [])]:
        cells = ["`%s`" % name, "no" if name in race_apps.RIGHT else "yes"]
        print("| %s |" % " | ".join(cells + [in_a_process(tool, name) for tool in TOOLS]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
