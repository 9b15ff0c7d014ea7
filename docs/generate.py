"""The pages that are made from the code: one for each server, one for each code, and their tables.

`conf.py` calls it before each build: a page cannot differ from the code that it describes.
"""

import re
from pathlib import Path
from typing import Dict, Iterable, List

from real_runs import file_of
from real_runs_rows import NOT_RUN, RUNS

from threadguard.codes import CODES, Code
from threadguard.servers import SERVERS, Server
from threadguard.subcommands.explain import explain

HERE = Path(__file__).resolve().parent
_WHEN = {"startup": "At startup", "request": "On the first request"}
_LANGUAGES = {".py": "python", ".ini": "ini", ".json": "json"}
_GROUPS = {"1": "Configured", "2": "Seen or declared on a request", "3": "Overlaps", "4": "Not known",
           "9": "Wrong use"}


def slug(name: str) -> str:
    """*name* as that of a page."""
    return re.sub("[^a-z0-9]+", "-", name.lower().replace("'s", "")).strip("-")


def link_codes(text: str, folder: str = "") -> str:
    """*text* with its codes as links to their pages."""
    return re.sub(r"\b(TG\d\d\d)\b", r"[\1](%s\1.md)" % folder, text)


def server_page(server: Server) -> str:
    """What is read of *server*, how it refuses, and the remedy."""
    parts = ["# %s" % server.NAME, "## What is read", _reads(server)]
    parts += ["## Single-threaded, and scaled with processes", _block(server.REMEDY, "text")]
    parts += ["## With threads"] + (_run(server.NAME) if server.NAME in RUNS else [NOT_RUN[server.NAME]])
    return "\n\n".join(parts) + "\n"


def _reads(server: Server) -> str:
    lines = ["- %s: %s." % (_WHEN[when], what) for what, when in server.READS]
    return "\n".join(lines) if lines else "Nothing of its own: the rules that need no server's name judge it."


def _run(name: str) -> List[str]:
    run, text = RUNS[name], file_of(name).read_text(encoding="utf-8")
    parts = ["A real run, with the application guarded by `ThreadGuard(site)` and the policy `refuse`:"]
    if run.shown:
        parts += ["`%s`:" % run.shown, _block(
            run.files[run.shown].replace("{port}", "8080").replace("{dir}", "/srv/site"),
            _LANGUAGES[Path(run.shown).suffix])]
    parts.append(_block(text, "text"))
    codes = sorted(set(re.findall(r"TG\d\d\d", text)))
    return parts + ["What the codes mean: %s." % link_codes(", ".join(codes), "../codes/")]


def _block(text: str, language: str) -> str:
    return "```%s\n%s\n```" % (language, text.rstrip("\n"))


def server_index() -> str:
    """The table of all servers."""
    lines = ["# Servers", "", "What is run beside these is judged by rules that need no server's name.", "",
             "| server | at startup | on the first request | single-threaded |", "|---|---|---|---|"]
    for server in SERVERS:
        cells = ["[%s](%s.md)" % (server.NAME, slug(server.NAME))]
        cells += ["; ".join(what for what, when in server.READS if when == wanted) or "–" for wanted in _WHEN]
        lines.append("| %s |" % " | ".join(cell.replace("|", "\\|") for cell in cells + [server.REMEDY]))
    return "\n".join(lines) + "\n\n" + _toctree(slug(server.NAME) for server in SERVERS)


def code_page(code: Code) -> str:
    """What `threadguard explain` says of *code*."""
    _, *paragraphs = explain(code).split("\n\n")
    shown = [_block(text, "text") if "\n  " in text else text for text in paragraphs]
    return "\n\n".join(["# %s: %s" % (code.code, code.title)] + shown) + "\n"


def code_index() -> str:
    """The table of all codes, group by group."""
    lines = ["# Codes", "",
             "A code is never used again for something else. `threadguard explain TG101` tells the same.", ""]
    for digit, title in _GROUPS.items():
        lines += ["## %sxx: %s" % (digit, title), "", "| code | |", "|---|---|"]
        lines += ["| [%s](%s.md) | %s |" % (code.code, code.code, code.title) for code in CODES.values()
                  if code.code[2] == digit] + [""]
    return "\n".join(lines) + "\n" + _toctree(CODES)


def _toctree(names: Iterable[str]) -> str:
    return "```{toctree}\n:hidden:\n\n%s\n```\n" % "\n".join(names)


def pages() -> Dict[str, str]:
    """Every page that is made, by its path below docs/."""
    made = {"servers/%s.md" % slug(server.NAME): server_page(server) for server in SERVERS}
    made.update({"codes/%s.md" % code.code: code_page(code) for code in CODES.values()})
    return {**made, "servers/index.md": server_index(), "codes/index.md": code_index()}


def main() -> None:
    """Write the pages and pictures, and take away what is no longer made."""
    import pictures

    made = {**pages(), **pictures.pictures()}
    for folder in ("servers", "codes", "pictures"):
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
