"""Apache decides what its configuration means where it is installed; elsewhere a reader says what it cannot tell."""

import pytest
from real_servers import APACHE, lacks_apache

from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN
from threadguard.check import check_command, check_file, execute
from threadguard.check.model import Options

BASE = "ServerName site\nErrorLog error.log\n" + "".join(
    "LoadModule %s_module %s/mod_%s.so\n" % (name, APACHE, name)
    for name in ("mpm_event", "authz_core", "macro", "wsgi"))
MOUNT = "WSGIScriptAlias / /srv/site.wsgi process-group=site\n"
VERSION = "<IfVersion %s 2.4>\nWSGIDaemonProcess site processes=2 \\\n    threads=%d\n</IfVersion>\n"
MACRO = """<Macro SITE $name $threads>
<VirtualHost *:80>
WSGIDaemonProcess $name threads=$threads
WSGIScriptAlias /$name /srv/site.wsgi process-group=$name
</VirtualHost>
</Macro>
"""
BEGIN = BASE.count("\n") + 1


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Writes the whole configuration of a server, of its last lines and more files, and checks it."""
    monkeypatch.chdir(tmp_path)

    def checked(text, execute=True, say=lambda text: None, words=(), **files):
        for name, content in {"site": BASE + text, **files}.items():
            (tmp_path / (name + ".conf")).write_text(content)
        options = Options(execute=execute, say=say)
        return check_command(words, {}, options) if words else check_file("site.conf", options)
    return checked


def capacities(checked):
    """Code and line of each finding."""
    return [(finding.code, finding.line) for finding in checked.findings]


@pytest.fixture
def apache():
    """Skips a test where there is no Apache."""
    reason = lacks_apache()
    if reason:
        pytest.skip(reason)


CASES = (
    pytest.param(VERSION % (">=", 1) + VERSION % ("<", 4) + MOUNT, [("TG100", BEGIN + 1)], id="IfVersion"),
    pytest.param(VERSION % (">=", 4) + VERSION % ("<", 1) + MOUNT, [("TG101", BEGIN + 1)], id="IfVersion, threaded"),
    pytest.param(MACRO + "Use SITE a 1\n", [("TG100", BEGIN + 2)], id="a macro"),
    pytest.param(MACRO + "Use SITE a 1\nUse SITE b 4\n", [("TG100", BEGIN + 2), ("TG101", BEGIN + 2)], id="two of it"),
    pytest.param("<IfDirective WSGIDaemonProcess>\nWSGIDaemonProcess site threads=1\n</IfDirective>\n" + MOUNT,
                 [("TG100", BEGIN + 1)], id="IfDirective"),
)


@pytest.mark.parametrize("text, expected", CASES)
def test_apache_decides_where_it_is_installed(text, expected, check, apache):
    """Also what files alone do not tell; the line is that of the directive's beginning."""
    said = []
    assert capacities(check(text, say=said.append)) == expected
    assert said == [
        "apache2 -t says what counts in site.conf, and loads the modules that it names, as --exec asks"]


@pytest.mark.parametrize("text", [case.values[0] for case in CASES], ids=[case.id for case in CASES])
def test_without_it_nothing_is_guessed(text, check, monkeypatch):
    """Neither without --exec, nor where there is no Apache: it cannot be told, and nothing was started."""
    said = []
    assert check(text, execute=False, say=said.append).status == UNKNOWN
    monkeypatch.setattr(execute, "_PROGRAMS", ())
    assert check(text, say=said.append).status == UNKNOWN
    assert said == []


def test_what_apache_refuses_is_read(check, apache):
    """A module that is not here, or a part of a configuration: the reader tells what it can."""
    text = "WSGIDaemonProcess site threads=4\n" + MOUNT + "NoSuchDirective on\n"
    assert capacities(check(text)) == [("TG101", BEGIN)]


def test_the_commands_words_are_apaches(check, apache):
    """-D decides <IfDefine>, and -d is where included files are."""
    text = "<IfDefine MANY>\nInclude many.conf\n</IfDefine>\n<IfDefine !MANY>\n" + VERSION % (">=", 1) + "</IfDefine>\n"
    many, root = "WSGIDaemonProcess site threads=4\n", ["-d", "."]
    assert check(text + MOUNT, words=["apache2", "-f", "site.conf", *root], many=many).status == SINGLE_THREADED
    checked = check(text + MOUNT, words=["apache2", "-f", "site.conf", "-D", "MANY", *root], many=many)
    assert checked.status == THREADED
    assert [finding.file for finding in checked.findings] == ["many.conf"]


def test_debians_variables_are_read_as_its_apachectl_reads_them(check, apache, tmp_path):
    """Of the file envvars beside the configuration."""
    (tmp_path / "envvars").write_text("export THREADS=1\n")
    text = "<IfVersion >= 2.4>\nWSGIDaemonProcess site threads=${THREADS}\n</IfVersion>\n" + MOUNT
    assert check(text).status == SINGLE_THREADED
