"""What is promised of the package as it is built and installed."""

import configparser
import importlib
import importlib.metadata
import os
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import types

import pytest
from packaging.requirements import Requirement

import threadguard

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOOK = """
import sys, threading
before = set(sys.modules)
import threadguard
print(threading.active_count(), *set(sys.modules).difference(before))
"""


@pytest.fixture(scope="module")
def metadata():
    """The metadata of the installed threadguard."""
    return importlib.metadata.distribution("threadguard")


@pytest.fixture(scope="module")
def settings():
    """What setup.cfg says."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(str(ROOT / "setup.cfg"), encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def loaded():
    """How many threads run in a new interpreter that imports threadguard, and which modules that loaded."""
    output = subprocess.run([sys.executable, "-c", LOOK], cwd=str(ROOT), check=True, timeout=120,
                            stdout=subprocess.PIPE, universal_newlines=True).stdout
    threads, *modules = output.split()
    return int(threads), set(modules)


def test_the_installed_version_is_the_one_in_the_code(metadata):
    """The version is written down once, in the package."""
    assert metadata.version == threadguard.__version__


def test_types_are_shipped(settings):
    """py.typed lies in the package and is part of what is built."""
    assert (pathlib.Path(threadguard.__file__).parent / "py.typed").is_file()
    assert settings["options.package_data"]["threadguard"].split() == ["py.typed"]


def test_no_pyproject_toml_stands_in_the_way_of_old_tools():
    """pip below 24 with setuptools below 58, as Kallithea's environment has, builds from setup.cfg."""
    assert not (ROOT / "pyproject.toml").exists()


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "LICENSE"])
def test_the_texts_that_go_with_the_package_are_there(name):
    """The sdist and the project's page need them."""
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def links(text):
    """What the links of a Markdown text lead to."""
    return re.findall(r"\]\(([^)]*)\)", text)


def test_every_link_of_the_readme_leads_to_a_file_of_the_repository():
    """Where it is shown there, they are relative."""
    found = links((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found and [link for link in found if not (ROOT / link).is_file()] == []


def test_every_link_of_the_long_description_leads_to_a_page_of_the_documentation(monkeypatch, settings):
    """On the index nothing of the repository is beside it. The project's addresses are such pages too."""
    given = {}
    monkeypatch.setitem(sys.modules, "setuptools", types.SimpleNamespace(setup=lambda **words: given.update(words)))
    home = runpy.run_path(str(ROOT / "setup.py"))["DOCUMENTATION"]
    urls = [line.partition("=")[2].strip() for line in settings["metadata"]["project_urls"].split("\n") if line]
    found = links(given["long_description"])
    assert found and (ROOT / "README.md").read_text(encoding="utf-8").partition("\n")[0] in given["long_description"]
    for link in found + urls:
        assert link.startswith(home), link
        page = link[len(home):].replace(".html", ".md") or "index.md"
        assert (ROOT / "docs" / page).is_file(), link


def test_the_changelog_has_a_section_for_what_is_unreleased():
    """Keep a Changelog: the newest section comes first."""
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"


@pytest.mark.parametrize("version", ["1.8.0", "1.8.7"])
def test_it_installs_beside_the_webob_that_kallithea_pins(metadata, version):
    """Kallithea 0.7 asks for WebOb>=1.8,<1.9."""
    required = {requirement.name: requirement for requirement in map(Requirement, metadata.requires)}
    assert version in required["WebOb"].specifier


def test_webob_is_the_only_package_that_comes_along(metadata):
    """Everything else is an extra."""
    plain = [Requirement(text) for text in metadata.requires if "extra ==" not in text]
    assert [requirement.name for requirement in plain] == ["WebOb"]


def test_every_entry_point_can_be_loaded(metadata):
    """What setup.cfg names exists."""
    assert all(callable(entry.load()) or entry.group == "pytest11" for entry in metadata.entry_points)


def test_importing_it_imports_no_other_package(loaded):
    """The cost of an import is bounded, and an optional package stays optional."""
    others = {"webob", "werkzeug", "pytest", "paste", "prometheus_client", "opentelemetry", "gevent", "greenlet"}
    assert loaded[1] & others == set()


def test_importing_it_leaves_for_later_what_takes_long(loaded):
    """Dataclasses, the log and the readers of servers are loaded with the first guard that is built."""
    later = {"dataclasses", "inspect", "logging", "threadguard.model", "threadguard.servers.readers"}
    assert loaded[1] & later == set()


def test_every_public_name_is_there_when_it_is_asked_for():
    """Those that come later too; any other is an error, as in every module."""
    assert all(getattr(threadguard, name).__name__ == name for name in threadguard.__all__)
    with pytest.raises(AttributeError, match="module 'threadguard' has no attribute 'Verdikt'"):
        threadguard.Verdikt


@pytest.mark.parametrize("old, new", [
    ("group", "guard.group"), ("metrics_sharing", "observe.metrics_sharing"), ("preflight", "check"),
    ("probe", "observe.probe")])
def test_a_module_that_has_moved_is_found_by_its_old_name(old, new):
    """An import that worked keeps working, and it is the same module: what a program sets there counts."""
    module = importlib.import_module("threadguard." + new)
    assert importlib.import_module("threadguard." + old) is getattr(threadguard, old) is module
    assert module.__spec__.name == module.__name__ == "threadguard." + new


def test_importing_it_starts_no_thread(loaded):
    """Importing threadguard starts nothing."""
    assert loaded[0] == 1


@pytest.fixture(scope="module")
def targets():
    """Those of the Makefile."""
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_step_of_ci_is_a_target_of_the_makefile(targets):
    """.ci/run does nothing that a developer can't."""
    lists = re.findall(r"(?:making|steps)\+?=\(([^)]*)\)", (ROOT / ".ci/run").read_text(encoding="utf-8"))
    steps = [step for words in lists for step in words.split()[::2]]
    assert len(lists) == 4 and "test" in steps
    assert set(steps) <= targets


def test_every_job_of_the_workflow_runs_targets_of_the_makefile(targets):
    """Those that each job names, by itself or in its matrix."""
    yaml = pytest.importorskip("yaml", reason="needs the package PyYAML")
    for job in yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"].values():
        matrix = job["strategy"]["matrix"]
        named = set(matrix.get("target", [one["target"] for one in matrix.get("include", ())]))
        for step in job["steps"]:
            named.update(re.findall(r"\bmake ([a-z-]+)", step.get("run", "")))
        assert named and named <= targets


def test_a_target_of_several_sessions_runs_them_all():
    """Of several -s nox takes the last one: each target gives it one, with all names."""
    if shutil.which("make") is None:
        pytest.skip("needs make")
    variables = {name: value for name, value in os.environ.items() if "MAKE" not in name}  # make test runs this
    done = subprocess.run(["make", "-n", "test-pythons", "PYTHONS=3.8 3.14"], cwd=str(ROOT), env=variables, check=True,
                          timeout=60, stdout=subprocess.PIPE, universal_newlines=True)
    assert done.stdout.splitlines()[-1].split()[1:] == ["-s", '"test-3.8"', '"test-3.14"']


def test_every_session_that_a_target_names_is_one():
    """Where noxfile.py has no such session nox says so only when the target is run."""
    makefile, noxfile = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "noxfile.py"))
    named = re.findall(r"\$\(call nox,([a-z_]+)", makefile)
    assert len(named) > 15 and set(named) <= set(re.findall(r"^def (\w+)\(session", noxfile, re.MULTILINE))
