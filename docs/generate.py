"""The pages that are made from the code: one for each server, one for each code, their tables, and what was measured of
`wsgi.multithread`.

`conf.py` calls it before each build: a page cannot differ from the code that it describes.
"""

import re
from pathlib import Path
from typing import Dict, Iterable, List, Sequence, Tuple

from deployments import DEPLOYMENTS, Deployment
from real_runs import file_of, shown_command
from real_runs_rows import NOT_RUN, RUNS, Run

from threadguard.codes import CODES, Code
from threadguard.servers import SERVERS, Server
from threadguard.cli import explain

HERE = Path(__file__).resolve().parent
_WHEN = {"startup": "At startup", "request": "On the first request"}
_LANGUAGES = {".py": "python", ".ini": "ini", ".json": "json", ".conf": "apache"}
_GROUPS = {"1": "Configured", "2": "Seen or declared on a request", "3": "Overlaps", "4": "Not known",
           "9": "Wrong use"}
_PLACES = {"{port}": "8080", "{dir}": "/srv/site"}


def slug(name: str) -> str:
    """*name* as that of a page."""
    return re.sub("[^a-z0-9]+", "-", name.lower().replace("'s", "")).strip("-")


def link_codes(text: str, folder: str = "") -> str:
    """*text* with its codes as links to their pages."""
    return re.sub(r"\b(TG\d\d\d)\b", r"[\1](%s\1.md)" % folder, text)


# -- servers


def server_page(server: Server) -> str:
    """What to copy, how a refusal looks, what is read of *server*."""
    parts = ["# %s" % server.NAME, _lead(server), "## With one thread"]
    for deployment in DEPLOYMENTS[server.NAME]:
        parts += _deployment(deployment)
    parts += ["In short: %s." % link_codes(server.REMEDY), "## How a refusal looks"]
    parts += _refusal(server.NAME) if server.NAME in RUNS else [NOT_RUN[server.NAME]]
    parts += ["## How it is read", _reads(server)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _lead(server: Server) -> str:
    where = "`mysite` is your module, and its `application` the guarded one: see [the start](../start.md)."
    if server.NAME == "Flask":
        where = "`site_flask` is your module: see [the guide](../guides/flask.md)."
    return "How to run %s so that each process serves one request at a time. %s" % (server.NAME, where)


def _deployment(deployment: Deployment) -> List[str]:
    parts = ["### " + deployment.title] + _shown_file(deployment.run)
    command = shown_command(deployment.run)
    if command and not command.startswith(("apache2", "unitd")):  # Debian starts those two by itself
        parts.append(_block("$ " + command, "console"))
    return parts + [deployment.note]


def _shown_file(run: Run) -> List[str]:
    if not run.shown:
        return []
    text = run.files[run.shown]
    for place, stands in _PLACES.items():
        text = text.replace(place, stands)
    return ["`%s`:" % run.shown, _block(text, _LANGUAGES[Path(run.shown).suffix])]


def _reads(server: Server) -> str:
    lines = ["- %s: %s." % (_WHEN[when], what) for what, when in server.READS]
    read = "\n".join(lines) if lines else "Nothing of its own: the signs that need no server's name tell."
    return "%s\n\nRequests run on: %s ([why that may matter](../thread.md))." % (read, server.RUNS_ON)


def _refusal(name: str) -> List[str]:
    text = file_of(name).read_text(encoding="utf-8")
    parts = ["With threads, under the policy `refuse`. The traceback, or what else the server logs before it, is left"
             " out:"]
    codes = sorted(set(re.findall(r"TG\d\d\d", text)))
    return parts + _shown_file(RUNS[name]) + [
        _block(text, "console"), "The code: %s." % ", ".join(
            "%s, %s" % (link_codes(code, "../codes/"), CODES[code].title) for code in codes)]


def _block(text: str, language: str) -> str:
    return "```%s\n%s\n```" % (language, text.rstrip("\n"))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head)] + [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| %s |" % " | ".join(line) for line in lines)


def server_index() -> str:
    """The table of all servers: how each is run with one thread."""
    rows = [["[%s](%s.md)" % (server.NAME, slug(server.NAME)), _ways(server.NAME)] for server in SERVERS]
    return "\n\n".join([
        "# Servers", "How each server is run with one request at a time in each process. Its page has the command and"
        " the configuration to copy, and shows how a refusal looks. A server that is not here is judged all the same:"
        " see [how](../how.md).", table(["server", "with one thread"], rows),
        _toctree(slug(server.NAME) for server in SERVERS)])


def _ways(name: str) -> str:
    [server] = [server for server in SERVERS if server.NAME == name]
    return server.REMEDY


# -- codes


def code_page(code: Code) -> str:
    """What `threadguard explain` says of *code*, its remedies as a table of the servers."""
    _, *paragraphs = explain(code).split("\n\n")
    parts = ["# %s: %s" % (code.code, code.title)]
    for text in paragraphs:
        heading, _, rest = text.partition(": ")
        if text.startswith("How to mend it:\n"):
            parts += ["## How to mend it", _remedies()]
        elif heading in ("Why it matters", "How to mend it"):
            parts += ["## " + heading, " ".join(rest.split())]
        else:
            parts.append(" ".join(text.split()))
    return "\n\n".join(parts) + "\n"


def _remedies() -> str:
    return table(["server", "remedy"], (["[%s](../servers/%s.md)" % (server.NAME, slug(server.NAME)), server.REMEDY]
                                        for server in SERVERS))


def code_index() -> str:
    """The table of all codes, group by group."""
    lines = ["# Codes", "",
             "Every finding has a code, in its first line. `threadguard explain TG101` tells the same as its page. A"
             " code is never used again for something else.", ""]
    for digit, title in _GROUPS.items():
        rows = [["[%s](%s.md)" % (code.code, code.code), code.title] for code in CODES.values()
                if code.code[2] == digit]
        lines += ["## %sxx: %s" % (digit, title), "", table(["code", "means"], rows), ""]
    return "\n".join(lines) + "\n" + _toctree(CODES)


# -- what was measured of wsgi.multithread


def measured() -> List[Tuple[str, bool, bool]]:
    """Each configuration that was measured: its name, `wsgi.multithread`, and whether two requests were inside."""
    lines = (HERE / "configurations.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [(name, flag == "True", inside == "more") for name, flag, inside in (line.split("\t") for line in lines)]


def flag_page() -> str:
    """The page of configurations, those first in which the flag is wrong."""
    rows = measured()
    groups = (
        ("It says False, and requests overlap", lambda flag, more: more and not flag),
        ("It says True, and requests never overlap", lambda flag, more: flag and not more),
        ("It is right: several at once", lambda flag, more: flag and more),
        ("It is right: one at a time", lambda flag, more: not flag and not more),
    )
    wrong = sum(flag != more for _, flag, more in rows)
    parts = ["# `wsgi.multithread`, measured", (
        "%d configurations of real servers were started, each with eight requests at once, and the application counted"
        " how many were inside one process together. `wsgi.multithread` is wrong in %d of them. `make test-live` does"
        " it again, and writes the file that this page is made from (`docs/configurations.tsv`; CPython 3.11)." % (
            len(rows), wrong))]
    for title, belongs in groups:
        names = [name for name, flag, more in rows if belongs(flag, more)]
        parts += ["## %s (%d)" % (title, len(names)), "\n".join("- " + _literal(name) for name in names)]
    return "\n\n".join(parts) + "\n"


def _literal(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", text)


def _toctree(names: Iterable[str]) -> str:
    return "```{toctree}\n:hidden:\n\n%s\n```\n" % "\n".join(names)


def pages() -> Dict[str, str]:
    """Every page that is made, by its path below docs/."""
    made = {"servers/%s.md" % slug(server.NAME): server_page(server) for server in SERVERS}
    made.update({"codes/%s.md" % code.code: code_page(code) for code in CODES.values()})
    return {**made, "servers/index.md": server_index(), "codes/index.md": code_index(), "measured/flag.md": flag_page()}


def main() -> None:
    """Write the pages and pictures, and take away what is no longer made."""
    import pictures

    made = {**pages(), **pictures.pictures()}
    for folder in ("servers", "codes", "pictures", "measured"):
        (HERE / folder).mkdir(exist_ok=True)
        for path in (HERE / folder).iterdir():
            if "%s/%s" % (folder, path.name) not in made:
                path.unlink()
    for name, text in made.items():
        path = HERE / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
