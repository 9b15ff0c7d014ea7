"""The page of the documentation about the plugin: its files are written, and its suites run, as they stand there."""

import re

import pytest
from plugin_rig import ROOT

pytest_plugins = ["pytester", "plugin_rig"]

PAGE = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```([a-z]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = {text.split("\n")[0][2:-3]: text for language, text in BLOCKS if language == "python"}
COMMANDS = [text.split("\n") for language, text in BLOCKS if language == "console"]
SUITES = sorted(name for name in FILES if name.startswith("test_") and name != "test_fails")


@pytest.fixture
def page(suite):
    """A directory with the files of the page."""
    suite.pytester.makepyfile(**FILES)
    return suite


def test_every_file_is_tried():
    """A block that has lost its name would be tried by nobody."""
    assert "notebook" in FILES and "test_fails" in FILES and len(SUITES) == 3 and len(COMMANDS) == 2


@pytest.mark.parametrize("name", SUITES)
def test_its_suites_pass(page, name):
    """Each suite of the page passes, without an error at its end."""
    result = page.run(name + ".py")
    result.assert_outcomes(passed=FILES[name].count("def test_"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda lines: lines[0])
def test_its_commands_print_what_it_says(page, command):
    """Each command prints the lines that stand below it."""
    result = page.run(*command[0].split()[2:])
    for line in filter(None, command[1:]):
        result.stdout.fnmatch_lines(["*%s*" % line])
