"""What the targets of the Makefile run, each session in an environment of its own under .venv.

    make test ARGS="-k fork -x"      is      .venv/nox/bin/nox -s test -- -k fork -x

An environment is made once, and anew when its Python or what it is made from has changed; ``nox --install-only -s ...``
makes it and runs nothing. A Python that is not here is named, and its sessions are skipped.
"""

import hashlib
import logging
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import nox

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".venv"
PYTHON = os.environ.get("PYTHON", "python3")
LIVE_PYTHON = os.environ.get("LIVE_PYTHON") or ("/usr/bin/python3" if Path("/usr/bin/python3").exists() else PYTHON)
"""mod_wsgi and Unit run a Python that the system's www-data can read."""
PYTHONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]
CORE_ONLY = ["pypy3.11", "3.13t", "3.14t"]
"""Pythons that have not all of the servers: they run the tests of the guard's core."""
PASSED = [0, 5]
"""Exit statuses of pytest where a test's servers may be missing: 5 says that there was no test to run."""
SHARED_OUT = ["-n", "4", "--dist", "loadfile"]
"""The unit tests wait for servers and processes for half of their time: two cores run four workers."""

nox.needs_version = ">=2024.10.9"
nox.options.envdir = str(ENVIRONMENTS)
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["test"]
# A release without a wheel for an old Python would be compiled: the last one that has a wheel does.
os.environ.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PIP_PREFER_BINARY="1")


# -- Pythons and environments


def find(*versions):
    """The first Python of *versions* that is here, or the first version where there is none: nox names it then.

    Those in /opt are of make setup-pythons, and copies that Apache's user may read (make setup-servers). pyenv's are
    taken from their own folders: its shims on PATH run only what is switched on.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    for version in versions:
        program = version if version.startswith("pypy") else "python" + version
        on_path = shutil.which(program)
        found = [*Path("/opt").glob("threadguard-live/*/bin/" + program), *Path("/opt").glob("python-*/bin/" + program),
                 *sorted(pyenv.glob("versions/*/bin/" + program)),
                 *([on_path] if on_path and "shims" not in on_path else [])]
        if found:
            return str(found[0])
    return versions[0]


def session(function=None, versions=(), **options):
    """As `nox.session`, on PYTHON; with *versions* one for each, named after it: test-3.8."""
    if function is None:
        return lambda function: session(function, versions, **options)
    for version in versions:
        nox.session(function, name="%s-%s" % (function.__name__, version), python=find(version), **options)
    return function if versions else nox.session(function, **{"python": PYTHON, **options})


def checksum(*paths):
    """Of the content of files and folders."""
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.suffix != ".pyc" and file.is_file():
                found.update(str(file).encode() + file.read_bytes())
    return found.hexdigest()


def emptied(session, name):
    """A folder of this name in the session's environment, with nothing in it or not there."""
    folder = Path(session.virtualenv.location, name)
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def copy_of_the_package(session):
    """What a build of the package reads, as it stands in this checkout: no build/ of another day gets in."""
    copy = emptied(session, "source")
    shutil.copytree(HERE / "threadguard", copy / "threadguard", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "MANIFEST.in", "LICENSE", "README.md", "CHANGELOG.md"):
        shutil.copy(HERE / name, copy)
    return copy


def install(session, *arguments):
    """Let pip install *arguments*, unless that was done: it takes seconds to find nothing to do.

    ".", or ".[extra]", is the checkout: a copy of it is built, and installed again whenever the code has changed.
    "--editable=.[extra]" is the code itself.
    """
    environment = Path(session.virtualenv.location)
    made, installed = environment / ".made", environment / ".installed"
    is_built = any(argument.startswith(".") for argument in arguments)
    read = [argument for argument in arguments if argument.endswith(".txt")]
    read += ["setup.cfg"] * any(argument.rpartition("=")[2].startswith(".") for argument in arguments)
    key = " ".join([*arguments, checksum(*(HERE / file for file in read))])
    code = checksum(HERE / "threadguard", HERE / "setup.cfg")
    if not made.exists() or made.read_text() != key:
        if made.exists():
            session.virtualenv.reuse_existing = False
            session.virtualenv.create()
        copy = str(copy_of_the_package(session)) if is_built else ""
        session.install(*(copy + one[1:] if one.startswith(".") else one for one in arguments))
        made.write_text(key)
    elif is_built and installed.read_text() != code:
        session.install("--no-deps", "--force-reinstall", str(copy_of_the_package(session)))
    installed.write_text(code)


def run_pytest(session, *arguments, env=None, success_codes=(0,)):
    """Run pytest. The last line of make test is its result: nothing of nox follows."""
    passed = session.run("python", "-m", "pytest", *arguments, env=env, success_codes=success_codes)
    if passed and session.name == "test":
        logging.getLogger("nox").setLevel(logging.ERROR)


# -- unit tests


@session(versions=PYTHONS)
@session
def test(session):
    """The unit tests, in four processes; in one with arguments."""
    install(session, "--editable=.[test]")
    if not session.posargs:
        session.log("all unit tests: about three minutes on two cores")
    # The commands of the documentation are run on one Python alone.
    left_out = ["--deselect=tests/test_docs.py", "--deselect=tests/observe/test_wiring.py"] * (session.name != "test")
    run_pytest(session, *(session.posargs or [*SHARED_OUT, *left_out]))


@session(versions=CORE_ONLY)
def core(session):
    """The guard's core: requests inside, requests that wait, and what is read of other threads.

    Not test_properties where there is no GIL: what another thread drops lives there until its own thread runs again
    (PEP 703, biased reference counting), and its model knows nothing of that.
    """
    install(session, "--editable=.", "-r", "tests/requirements-core.txt")
    tests = ["tests/guard", "tests/process", "tests/testing/test_together.py"]
    if session.name.endswith("t"):
        tests.append("--ignore=tests/guard/test_properties.py")
    # An extension that was not made for a Python without the GIL would turn it on.
    run_pytest(session, "-q", *(session.posargs or tests), env={"PYTHON_GIL": "0"}, success_codes=PASSED)


@session
def no_miss(session):
    """100,000 rounds of two threads let go together, under each policy."""
    install(session, "--editable=.[test]")
    run_pytest(session, "-q", "tests/guard/test_no_miss.py", *session.posargs, env={"ROUNDS": "100000"})


@session
def interrupted(session):
    """An exception strikes at each bytecode of the guard's own frames; the unit tests strike at some."""
    install(session, "--editable=.[test]")
    run_pytest(session, "-q", "tests/guard/test_interrupted.py", *session.posargs, env={"EVERY_OPCODE": "1"})


@session
def coverage(session):
    """Which lines and branches the unit tests reach, in child processes too."""
    install(session, "--editable=.[test]", "coverage>=7.10")
    settings = "--rcfile=tests/coverage.ini"
    session.run("coverage", "erase", settings)
    session.run("coverage", "run", settings, "-m", "pytest", *(session.posargs or SHARED_OUT))
    session.run("coverage", "combine", "-q", settings)
    session.run("coverage", "report", settings)


@session
@nox.parametrize("version", ["7.0", "8", "7.2"])
def pytest(session, version):
    """The tests of the pytest plugin on its oldest pytest and on the last one for Python 3.8, some on Debian 12's.

    pytest 7.0 warns of the finder of an editable install, which makes an error here: so it is a copy. Debian 12 has a
    pluggy beside its pytest 7.2 that is too old for pytest-run-parallel, but not for this plugin.
    """
    files = ["tests/testing/test_fixture.py"]
    if version == "7.2":
        install(session, "pytest==7.2.*", "pluggy==1.0.*", "hypothesis", "Werkzeug", "WebTest", "pytest-xdist", ".")
    else:
        install(session, "pytest==%s.*" % version, "-r", "tests/requirements-plugin.txt", ".")
        files += ["tests/testing/test_%s.py" % name for name in ("plugin", "plugin_docs", "testserver")]
    run_pytest(session, "-q", "-n", "2", *files, *session.posargs)


@session
def suites(session):
    """The test suites of other projects, plain and with their applications behind a guard that refuses."""
    install(session, "-r", "tests/suites/requirements.txt", ".")
    session.run("python", "tests/suites/run.py", *session.posargs)


@session
def agents(session):
    """Agents and middlewares around the guard and within it, on real servers; and what configures a log."""
    install(session, "-r", "tests/agents/requirements.txt", "--editable=.")
    run_pytest(session, "-q", *(session.posargs or ["-n", "2", "tests/agents", "tests/report/test_heard.py"]))


@session
def cases(session):
    """The cases that lie beside the checkout; some of them want an old or a new Python, where one is here."""
    install(session, "asgiref", "ddtrace", "eventlet", "fastwsgi", "Flask-SocketIO", "gevent", "gunicorn", "netius",
            "newrelic", "PyYAML", "requests", "setuptools<82", "simple-websocket", "waitress",
            ".[paste,prometheus]")
    path = [session.bin, *(str(ENVIRONMENTS / name / "bin") for name in ("test-3-8", "test-3-14")), os.environ["PATH"]]
    with tempfile.TemporaryDirectory() as readable:  # also by the user that Apache's Python is
        os.chmod(readable, 0o755)
        for package in ("threadguard", "webob"):
            found = next(Path(session.virtualenv.location).glob("lib/python3*/site-packages/" + package))
            shutil.copytree(found, Path(readable, package))
        session.run("python", ".ci/cases.py", *session.posargs,
                    env={"PATH": os.pathsep.join(path), "GUARD_PATH": readable})


# -- real servers


def old_servers(session):
    """An environment for the live tests, with servers of earlier versions."""
    os.environ["PIP_NO_CACHE_DIR"] = "1"  # uWSGI and mod_wsgi are linked to the Python that compiles them
    install(session, "-r", "tests/live/requirements-%s.txt" % session.name.rpartition("-")[2], ".")


def live(session):
    """Tests against real servers, each really started."""
    os.environ["PIP_NO_CACHE_DIR"] = "1"
    install(session, "-r", "tests/live/requirements.txt", ".")
    location = session.virtualenv.location
    others = {"THREADGUARD_LIVE_" + age.upper(): "%s-%s/bin/python" % (location, age) for age in AGES}
    run_pytest(session, *(session.posargs or ["tests/live"]), env=others, success_codes=PASSED)


AGES = ["old", "older", "first"]
for _name, _python in [("live", LIVE_PYTHON), *(("live-" + version, find(version)) for version in ("3.8", "3.14"))]:
    for _age in AGES:
        nox.session(old_servers, name="%s-%s" % (_name, _age), python=_python)
    nox.session(live, name=_name, python=_python, requires=["%s-%s" % (_name, age) for age in AGES])


@session(python=os.environ.get("THREADGUARD_KALLITHEA_PYTHON") or LIVE_PYTHON)
def kallithea(session):
    """Kallithea 0.7.0 itself, installed, started and pushed to.

    threadguard is installed afresh each time, as a user of Kallithea would: with pip below 24 and setuptools below 58.
    """
    can = session.run_install("python", "-c", "import sys; print((3, 9) <= sys.version_info < (3, 12))", silent=True)
    if can != "True\n":
        session.skip("Kallithea 0.7 needs a Python from 3.9 to 3.11: set THREADGUARD_KALLITHEA_PYTHON")
    session.env["PIP_CONSTRAINT"] = str(HERE / "tests/kallithea/constraints.txt")
    session.install("-U", "pip", "setuptools", "wheel")
    session.install("-r", "tests/kallithea/requirements.txt")
    copy = str(copy_of_the_package(session))
    session.install("--no-deps", "--no-build-isolation", "Kallithea==0.7.0")
    session.install("--no-deps", "--no-build-isolation", "--force-reinstall", copy)
    session.install("--no-build-isolation", copy + "[paste]")
    run_pytest(session, "tests/kallithea", *session.posargs, success_codes=PASSED)


# -- what is shown, written and measured


@session
def demo(session):
    """The damage, and the guard, on Mercurial's hgweb."""
    install(session, "-r", "examples/demo_hgweb/requirements.txt", ".")
    session.run("python", "examples/demo_hgweb/demo.py", *session.posargs)


@session
def fleet(session):
    """Two guarded instances behind HAProxy, watched by Prometheus: one is misconfigured."""
    install(session, "gunicorn", "waitress", ".[prometheus]")
    session.run("python", "examples/fleet/fleet.py", *session.posargs)


@session
def dashboard(session):
    """The Grafana dashboard, held to the schema that Grafana publishes, by TypeScript."""
    install(session, "--editable=.[test]")
    session.run_install("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix",
                        str(ENVIRONMENTS / "grafana"), "@grafana/schema@13", "typescript@7", external=True)
    run_pytest(session, "-q", "tests/observe/test_metrics_live.py", "-k", "dashboard")


@session
def bench(session):
    """What the guard costs."""
    has_gil = session.run_install("python", "-c", "import sys; print('t' not in sys.abiflags)", silent=True) == "True\n"
    install(session, "-r", "benchmarks/requirements%s.txt" % ("" if has_gil else "-free-threaded"), ".")
    session.run("python", "benchmarks/run.py", *session.posargs)


@session
def docs(session):
    """The documentation as HTML, in .venv/docs/html; warnings are errors, and so is an option whose dashes are one."""
    install(session, "--editable=.[docs]")
    html = Path(session.virtualenv.location, "html")
    session.run("python", "-m", "sphinx", "-q", "-W", "-b", "html", "docs", str(html))
    dashed = re.compile("[–—](workers|threads|processes)")
    pages = [page for page in html.rglob("*.html") if dashed.search(page.read_text(encoding="utf-8"))]
    if pages:
        session.error("two dashes have become one in %s" % ", ".join(map(str, pages)))


@session
def lint(session):
    """flake8."""
    install(session, "flake8==7.*")
    session.run("python", "-m", "flake8", *session.posargs)


@session
def types(session):
    """mypy --strict; and mypy and pyright, both strict, on a user's program against the installed package."""
    install(session, ".[paste,prometheus,opentelemetry]", "mypy<3", "basedpyright<2", "pytest>=7")
    session.run("python", "-m", "mypy")
    with session.chdir("tests/typed"):
        session.run("python", "-m", "mypy", "--config-file=", "--strict", "user.py")
        session.run("basedpyright", "--pythonpath", str(Path(session.bin, "python")), "--project", ".")


# -- sdist and wheel


@session
def sdist(session):
    """Build the sdist of all that is in this checkout; unpacked elsewhere it has every file, and its tests pass.

    Those that read the files of the repository, and the guard's, unless others are asked for.
    """
    install(session, ".[test]", "build>=1", "twine")
    away = emptied(session, "away")
    known = subprocess.check_output(["git", "ls-files", "-z"], universal_newlines=True).split("\0")
    files = {name for name in known if name and (HERE / name).exists()}
    for name in files:
        (away / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / name, away / "source" / name)
    session.run("python", "-m", "build", "--sdist", "--outdir", str(away), str(away / "source"), silent=True)
    for archive in away.glob("*.tar.gz"):
        session.run("twine", "check", "--strict", str(archive))
        with tarfile.open(archive) as opened:
            opened.extractall(away / "unpacked")
        root = next((away / "unpacked").iterdir())
        lacking = {name for name in files if not (root / name).exists() and not name.startswith((".git", ".pre-"))}
        if lacking:
            session.error("not in the sdist (see MANIFEST.in): " + ", ".join(sorted(lacking)))
        tests = ["tests/guard/test_middleware.py", *("tests/test_%s.py" % name for name in (
            "packaging", "api", "adding_a_server", "paste", "wsgi"))]
        with session.chdir(root):
            run_pytest(session, "-q", *(session.posargs or tests), env={"PYTHONPATH": str(root)})


@session
def wheel(session):
    """Build sdist and wheel from a copy, and let their checkers read them; `wheel_use` installs them."""
    install(session, "build>=1", "twine", "check-wheel-contents")
    dist = ENVIRONMENTS / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist), str(copy_of_the_package(session)), silent=True)
    session.run("twine", "check", "--strict", *map(str, dist.glob("*")))
    session.run("check-wheel-contents", *map(str, dist.glob("*.whl")))


@nox.session(requires=["wheel"], reuse_venv=False)
@nox.parametrize("python, tools, pattern", [
    nox.param(PYTHON, [], "*.whl", id="wheel"),
    nox.param(find("3.14", "3.13", "3.12"), ["pip", "setuptools"], "*.tar.gz", id="newest-tools"),
    # As in Kallithea's own environment: Python 3.12 no longer runs such a setuptools.
    nox.param(find("3.8", "3.9", "3.10", "3.11"), ["pip<24", "setuptools<58", "wheel", "WebOb<1.9"], "*.tar.gz",
              id="old-tools")])
def wheel_use(session, tools, pattern):
    """Install what was built, with these tools, and use it as a user without a checkout would."""
    if tools:
        session.install("-U", *tools)
    session.install(*(["--no-build-isolation"] if tools else []), *map(str, (ENVIRONMENTS / "dist").glob(pattern)))
    session.install("PasteDeploy")
    away = emptied(session, "away")
    away.mkdir()
    with session.chdir(away):
        session.run("python", "-I", str(HERE / ".ci/wheel_check.py"))
