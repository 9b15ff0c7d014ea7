"""What the documentation says is true: every block of code, every command, every table."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import generate
import pytest
import real_runs
from deployments import DEPLOYMENTS
from programs import Program, free_ports, program
from real_runs_rows import NOT_RUN as NO_RUNS
from real_runs_rows import RUNS
from real_servers import BIN, DEADLINE, environment, run

from threadguard.codes import CODES
from threadguard.observe import metrics
from threadguard.options import OPTIONS
from threadguard.servers import SERVERS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = ["../README.md"] + sorted(str(path.relative_to(DOCS)) for folder in (DOCS, DOCS / "guides")
                                  for path in folder.glob("*.md"))
ELSEWHERE = {
    "kallithea.md": "tests/kallithea/test_documentation.py::test_every_block_of_the_page_is_run",
    "pytest.md": "tests/testing/test_plugin_docs.py::test_every_file_is_tried",
    "wiring.md": "tests/observe/test_wiring.py::test_the_page_has_no_block_that_is_not_tested_here",
    "sections.md": "tests/test_sections_page.py::test_every_file_of_the_page_is_tried",
    "adding-a-server.md": "tests/test_adding_a_server.py::test_every_block_of_the_page_is_added",
}
"""Pages that need more than this file has, and the test that fails if one of their blocks is run by nobody."""
NOT_RUN = {
    "make demo": ".ci/run",
    "make test-kallithea": ".ci/run",
    "pip install .": "tests/test_docs.py::test_the_install_command_works_in_a_checkout",
    "python examples/fleet/fleet.py": "tests/fleet/test_fleet.py::test_a_misconfigured_instance_loses_no_request",
}
"""Commands that are not run here, and the step of CI's or the test that runs them."""
NEEDS = {"guides/turbogears.md": "tg", "guides/hgweb.md": "mercurial", "guides/flask.md": "flask",
         "guides/django.md": "django", "guides/pyramid.md": "pyramid", "metrics.md": "opentelemetry.sdk"}
"""What a page is about, where the tests' environment may lack it."""
PRELUDE = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]

"""


class Block(NamedTuple):
    """A fenced block: its language, and its lines."""

    language: str
    text: str

    @property
    def file(self):
        """The name in its first line, where it is to be saved as a file."""
        found = re.match(r"# ([a-z_]+\.(?:py|ini))\n", self.text)
        return found.group(1) if found else None


def blocks(page):
    """The fenced blocks of *page*."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [Block(*found) for found in re.findall(r"^```([a-z]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def commands(text):
    """The commands of a console block, each with the lines that it is said to print; a "…" is what is left out."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(command, [line.strip() for line in lines.splitlines() if line.strip() not in ("", "…")])
            for command, _, lines in (part.partition("\n") for part in parts)]


@pytest.fixture
def directory(tmp_path_factory):
    """Where a page's files are, with an application for ini files that name one, and the site of the README."""
    directory = tmp_path_factory.mktemp("d")
    (directory / "mysite.py").write_text(PRELUDE + "from threadguard import ThreadGuard\napp = ThreadGuard(app)\n")
    (directory / "site_factory.py").write_text(PRELUDE + "def make(global_conf):\n    return app\n")
    return directory


def skip_unless_there(page):
    """Skip where the page's subject is not installed."""
    if page in NEEDS:
        pytest.importorskip(NEEDS[page], reason="%s is not installed" % NEEDS[page])


def lay_out(page, directory, port):
    """Save the files of *page*; the port 8000 of the documentation becomes *port*."""
    for block in blocks(page):
        if block.file:
            (directory / block.file).write_text(block.text.replace(":8000", ":%d" % port))


VARIABLES = {"PYTHONUNBUFFERED": "1", "HGPLAIN": "1", "PIP_NO_INDEX": "1"}
"""pip finds nothing but what is installed."""


def pages_with(language):
    """The pages that are run here and have a block of *language*."""
    return [page for page in PAGES if page not in ELSEWHERE and any(block.language == language
                                                                    for block in blocks(page))]


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_blocks_run(page, directory):
    """Each by itself, in a new interpreter; one that is a file is loaded as that file."""
    skip_unless_there(page)
    lay_out(page, directory, 8000)
    if page == "guides/hgweb.md":
        assert run([str(BIN / "hg"), "init", "repository"], directory)[0] == 0
    for block in blocks(page):
        if block.language == "python" and block.file != "manage.py":
            text = "import %s" % block.file[:-3] if block.file else PRELUDE + block.text
            status, output = run([sys.executable, "-c", text], directory)
            assert status == 0, "%s\n%s" % (block.text, output)


@pytest.mark.parametrize("page", [page for page in pages_with("ini") if page != "../README.md"])
def test_ini_blocks_load(page, directory):
    """PasteDeploy loads the application, with its filter."""
    deploy = pytest.importorskip("paste.deploy", reason="PasteDeploy is not installed")
    skip_unless_there(page)
    lay_out(page, directory, 8000)
    for block in blocks(page):
        if block.language == "ini":
            parser = configparser.ConfigParser(interpolation=None)
            parser.read_string(block.text)
            assert "app:main" in parser and block.file, "an ini block is a whole file, with its name"
            code = "from paste.deploy import loadapp; app = loadapp('config:%s', relative_to='.'); print(type(app))"
            status, output = run([sys.executable, "-c", code % block.file], directory)
            assert (status, "ThreadGuard" in output) == (0, True), output
    assert deploy


class Console:
    """Runs the commands of one block, one after the other, as somebody at a terminal with a second window would."""

    def __init__(self, directory, port):
        self.directory, self.port = directory, port
        self.serving = None

    def type(self, command, printed):
        """Run *command* and compare what it prints with *printed*."""
        command = command.replace(":8000", ":%d" % self.port).replace("--port 8000", "--port %d" % self.port)
        words = shlex.split(command)
        program = next(word for word in words if "=" not in word or word.startswith("-"))
        serves = program == "pserve" or str(self.port) in command and program not in ("curl", "threadguard")
        output = self._serve(command) if serves else self._run(command)
        for line in printed:
            assert line in output, "%s\ndoes not print\n%s\nbut\n%s" % (command, line, output)

    def _run(self, command):
        status, output = run(["sh", "-c", command], self.directory, **VARIABLES)
        deadline = time.monotonic() + DEADLINE
        while status == 3 and " threadguard probe " in command and time.monotonic() < deadline:
            status, output = run(["sh", "-c", command], self.directory, **VARIABLES)  # one process got hardly any
        failed = status != 0 and not command.startswith(("threadguard check", "threadguard race"))
        assert not failed, "%s: exit status %d\n%s" % (command, status, output)
        return output

    def _serve(self, command):
        """Start a server: until it serves, or has ended by itself."""
        self.stop()
        words = ["sh", "-c", self._exec(command)]
        self.serving = Program("console", words, self.directory, **{**environment(), **VARIABLES}).__enter__()
        deadline, pause = time.monotonic() + DEADLINE, threading.Event()
        while self.serving.process.poll() is None and not self._is_open():
            assert time.monotonic() < deadline, "%s\nneither serves nor ends\n%s" % (command, self.serving.output())
            pause.wait(0.05)
        return self.serving.output()

    @staticmethod
    def _exec(command):
        """*command* in the place of its shell, so that the server's pid is known; variables stay before it."""
        return re.sub(r"^((?:[A-Z_]+=\S+ )*)", r"exec env \1", command)

    def _is_open(self):
        import socket

        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        """End the server that was started last."""
        if self.serving is not None:
            self.serving.__exit__()
            self.serving.log.unlink()
            self.serving = None


@pytest.mark.skipif(not program("curl"), reason="curl is not installed: apt-get install curl")
@pytest.mark.skipif(not (BIN / "threadguard").exists(), reason="threadguard is not installed in this environment")
@pytest.mark.parametrize("page", pages_with("console"))
def test_commands_print_what_the_page_says(page, directory):
    """They are run in the order of the page, in a directory that holds its files; servers on a port of their own."""
    skip_unless_there(page)
    [port] = free_ports(1)
    lay_out(page, directory, port)
    console = Console(directory, port)
    try:
        for block in blocks(page):
            if block.language == "console":
                for command, printed in commands(block.text):
                    if command not in NOT_RUN:
                        console.type(command, printed)
                console.stop()
    finally:
        console.stop()


def test_the_readme_s_ini_file_is_the_one_that_kallithea_is_started_with():
    """The page about Kallithea has the same lines, and those are tried on Kallithea itself."""
    [lines] = [block.text for block in blocks("../README.md") if block.language == "ini"]
    assert lines in [block.text for block in blocks("kallithea.md")]


def test_the_install_command_works_in_a_checkout(tmp_path):
    """In a copy, since pip builds in the place that it is given; the import is that of what was installed."""
    checkout, target = tmp_path / "checkout", tmp_path / "installed"
    shutil.copytree(str(ROOT / "threadguard"), str(checkout / "threadguard"))
    for name in ("setup.py", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(str(ROOT / name), str(checkout))
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), "."],
                   cwd=str(checkout), check=True, timeout=DEADLINE)
    code = "import threadguard; print(threadguard.__file__)"
    output = subprocess.run([sys.executable, "-c", code], cwd=str(tmp_path), check=True, timeout=DEADLINE,
                            env={**os.environ, "PYTHONPATH": str(target)}, stdout=subprocess.PIPE).stdout
    assert str(target) in output.decode()


def test_the_readme_s_table_has_the_lines_of_the_guides():
    """What it says to write for each framework is in a file of that framework's guide, which is run."""
    table = re.findall(r"(?m)^\| [^|]*\| `(.*ThreadGuard\(.*)` \|$", (ROOT / "README.md").read_text(encoding="utf-8"))
    guides = {line for page in ("index.md", "guides/flask.md", "guides/django.md")
              for block in blocks(page) for line in block.text.splitlines()}
    assert len(table) == 3 and set(table) <= guides


def test_every_block_is_of_a_language_that_is_tested():
    """Anything else would be a way around the tests, and so would one that is marked by nothing but four spaces."""
    found = {block.language for page in PAGES if page not in ELSEWHERE for block in blocks(page)}
    assert found <= {"python", "ini", "console"}
    for page in PAGES:
        outside = re.sub(r"(?ms)^```.*?^```$", "", (DOCS / page).read_text(encoding="utf-8"))
        assert not re.search(r"(?m)^(?: {4}|\t)", outside) and "```" not in outside, page


@pytest.mark.parametrize("what, where", [*ELSEWHERE.items(), *NOT_RUN.items()])
def test_what_is_not_run_here_is_run_by_the_test_that_is_named(what, where):
    """That test, or that step of CI's, is there; the command is still on a page, and the test's file knows the page."""
    path, _, test = where.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    names = r"^def %s\(" % test if test else r"^    %s \d+$" % what.partition(" ")[2]
    assert re.search(names, text, re.MULTILINE), "%s is not in %s" % (names, path)
    pages = [page for page in PAGES for block in blocks(page)
             if block.language == "console" and what in [command for command, _ in commands(block.text)]]
    assert what in text if what in PAGES else pages


def test_every_target_of_make_that_a_page_names_is_one():
    """In the pages, the README and CONTRIBUTING."""
    texts = [(DOCS / page).read_text(encoding="utf-8") for page in [*PAGES, "../CONTRIBUTING.md"]]
    named = set(re.findall(r"(?m)(?:`|^\$ )make ([a-z-]+)", "\n".join(texts)))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


# -- tables, against the code


@pytest.fixture(scope="module")
def made():
    """The pages that are made from the code."""
    return generate.pages()


def test_every_server_has_a_page_and_a_row(made):
    """With its remedy, in its own syntax, in both."""
    index = made["servers/index.md"]
    rows = [line for line in index.splitlines() if line.startswith("| [")]
    assert len(rows) == len(SERVERS)
    for server, row in zip(SERVERS, rows):
        page = made["servers/" + re.search(r"\]\((.*?)\)", row).group(1)]
        assert server.REMEDY in page and server.REMEDY.replace("|", "\\|") in row
        assert page.index("## With one thread") < page.index("## How a refusal looks") < page.index("## How it is read")
        assert all(what in page for what, _ in server.READS) and server.RUNS_ON in page


def test_every_server_was_run_or_says_why_not(made):
    """The text of its run is kept; what is run is known."""
    names = {server.NAME for server in SERVERS}
    assert set(RUNS) | set(NO_RUNS) == names and not set(RUNS) & set(NO_RUNS)
    assert {real_runs.file_of(name).name for name in RUNS} == {path.name for path in (DOCS / "real_runs").glob("*.txt")}


def test_every_code_has_a_page_and_a_row(made):
    """With its meaning."""
    for code in CODES.values():
        text = " ".join(made["codes/%s.md" % code.code].split())
        assert code.title in text and " ".join(code.meaning.split()) in text
        assert "[%s](%s.md)" % (code.code, code.code) in made["codes/index.md"]


def test_the_table_of_options_is_complete():
    """Each option, and no other."""
    text = (DOCS / "options.md").read_text(encoding="utf-8").partition("| option |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in text.splitlines()[2:]]
    assert {name for cell in cells for name in re.findall("`(.*?)`", cell)} == set(OPTIONS)


@pytest.mark.parametrize("page, command", [("check.md", "check"), ("health.md", "probe")], ids=["check", "probe"])
def test_the_table_of_a_command_s_options_is_complete(page, command):
    """Each option and no other, with the defaults that are numbers."""
    text = (DOCS / page).read_text(encoding="utf-8").partition("| option |")[2].partition("\n\n")[0]
    told = [option for line in text.splitlines()[2:] for option in re.findall("`(--.*?)`", line.split("|")[1])]
    status, output = run([sys.executable, "-m", "threadguard", command, "--help"], ROOT)
    known = set(re.findall(r"(?m)^  (?:-q, )?(--[a-z-]+)", output))
    assert (status, sorted(told)) == (0, sorted(known))
    for name, default in re.findall(r"(?m)^\| `(--[a-z-]+)` \| ([\d.]+) \|", text):
        assert re.search(r"(?s)\n  %s .*?default:\s+%s\b" % (name, default), output)


def test_the_table_of_metrics_is_complete():
    """Each instrument by both its names."""
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    for each in metrics.INSTRUMENTS:
        name = each.prometheus_name + ("_total" if each.kind == "counter" else "")
        assert "| `%s` | `%s` |" % (each.name, name) in text


def test_every_code_that_a_page_names_exists():
    """In the pages, and in what real servers printed."""
    paths = [DOCS / page for page in PAGES] + list((DOCS / "real_runs").glob("*.txt"))
    named = set(re.findall(r"\bTG\d{3}\b", "".join(path.read_text(encoding="utf-8") for path in paths)))
    assert named <= set(CODES)


def test_the_pages_name_no_directory_of_a_machine():
    """What is captured from real servers is cleaned."""
    for path in [DOCS / page for page in PAGES] + list((DOCS / "real_runs").glob("*.txt")):
        assert not re.search(r"(?<![\w.])/(?:tmp|root|home|work)/", path.read_text(encoding="utf-8")), path.name


def deployments():
    """Each way to run a server with one thread that a page shows, by what is shown."""
    return [pytest.param(each, id="%s, %s" % (server, each.title)) for server, ways in DEPLOYMENTS.items()
            for each in ways]


@pytest.mark.parametrize("deployment", deployments())
def test_what_a_server_s_page_shows_to_copy_is_single_threaded(deployment, made, monkeypatch):
    """Started as it stands there, it answers, and nothing is found, but that `serialize` is in force where it is asked
    for. What cannot be started here is a configuration of the live tests."""
    if deployment.tried_by:
        monkeypatch.syspath_prepend(str(ROOT / "tests/live"))
        import rows

        assert deployment.tried_by in {row.id for row in rows.ROWS if not row.threaded}
        return
    lacking = real_runs.missing(deployment.run)
    if lacking:
        pytest.skip("%s is not installed" % lacking)
    seen = real_runs.see_run(deployment.run)
    wrong = set(re.findall(r"TG\d{3}", seen)) - {"TG100", "TG200"}
    serialized = {"TG305"} if "serialize" in deployment.run.command else set()
    assert "(every request is answered 200)" in seen and wrong == serialized, seen


def test_every_server_has_a_deployment_to_copy(made):
    """And there is none of a server that is not known."""
    assert list(DEPLOYMENTS) and set(DEPLOYMENTS) == {server.NAME for server in SERVERS}


def test_what_is_said_of_the_flag_is_what_was_measured(made):
    """The figures of README and rule.md are those of docs/configurations.tsv."""
    rows = generate.measured()
    too_few = sum(more and not flag for _, flag, more in rows)
    too_many = sum(flag and not more for _, flag, more in rows)
    assert len(rows) == len({name for name, _, _ in rows}) >= 250
    readme, rule = (" ".join((DOCS / page).read_text(encoding="utf-8").split()) for page in ("../README.md", "rule.md"))
    assert "is wrong in %d of %d " % (too_few + too_many, len(rows)) in readme
    assert "Of %d configurations of real servers that were measured it is wrong in %d: %d say False and let requests" \
           " overlap, %d say True and never do" % (len(rows), too_few + too_many, too_few, too_many) in rule


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the texts were captured on Python 3.11")
@pytest.mark.parametrize("server", list(RUNS))
def test_a_server_still_prints_what_its_page_shows(server, made):
    """The run is made again. python docs/real_runs.py writes the new text, if it is the better one."""
    lacking = real_runs.missing(real_runs.RUNS[server])
    if lacking:
        pytest.skip("%s is not installed" % lacking)
    assert real_runs.see(server) == real_runs.file_of(server).read_text(encoding="utf-8")


def test_sphinx_builds_without_a_warning(tmp_path):
    """As make docs does."""
    for module in ("sphinx", "myst_parser", "furo", "sphinx_copybutton"):
        pytest.importorskip(module, reason="%s is not installed: make docs has it" % module)
    copy = tmp_path / "docs"
    shutil.copytree(str(DOCS), str(copy), ignore=shutil.ignore_patterns("servers", "codes", "pictures", "measured",
                                                                        "__pycache__"))
    for name in ("CHANGELOG.md", "SECURITY.md"):
        shutil.copy(str(ROOT / name), str(tmp_path))
    status, output = run([sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(copy), str(tmp_path / "html")],
                         tmp_path)
    assert (status, output) == (0, "the documentation is in %s\n" % (tmp_path / "html" / "index.html"))


def test_a_dead_link_ends_the_build(tmp_path):
    """To a page that is not there, and to a place that is not in it."""
    pytest.importorskip("sphinx", reason="Sphinx is not installed: make docs has it")
    (tmp_path / "a.html").write_text('<p id="here"><a href="b.html#there">1</a> <a href="c.html">2</a>'
                                     '<a href="#here">3</a> <a href="https://example.com/">4</a>')
    (tmp_path / "b.html").write_text('<a href="a.html#here">1</a>')
    import links

    assert links.dead(tmp_path) == ["a.html: b.html#there", "a.html: c.html"]
