"""The only place that formats: findings as text, requests without their secrets, overlaps with both sides."""

from typing import Any, Dict, Iterable, Optional, Tuple

from threadguard.process.contexts import Place
from threadguard.model import Finding

_LONGEST = 200


def text_of(finding: Finding) -> str:
    """*finding* in the one form in which findings are printed."""
    return template_of(finding.code) % arguments_of(finding)


def template_of(code: str) -> str:
    """What the texts of all findings of *code* have in common, for `arguments_of` each."""
    return "%s" + code + " %s"


def arguments_of(finding: Finding) -> Tuple[str, str]:
    """Where *finding* stands, if in a file, and what it says."""
    where = ""
    if finding.file is not None:
        where = finding.file + ":" + ("%d:" % finding.line if finding.line is not None else "") + " "
    lines = [finding.sentence]
    if finding.evidence:
        lines.append("  because: " + finding.evidence)
    if finding.remedy:
        lines.append("  remedy:  " + finding.remedy)
    return where, "\n".join(lines)


def text_of_all(findings: Iterable[Finding]) -> str:
    """All *findings*, one after the other."""
    return "\n".join(text_of(finding) for finding in findings)


def escaped(text: str) -> str:
    """*text* from outside, safe in a log: a WSGI string decoded, control characters escaped, cut to 200 characters."""
    try:
        text = text.encode("latin-1").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        pass  # not a WSGI string: it is shown as it is
    return one_line(text)


def one_line(text: str) -> str:
    """*text* with what is not printable escaped, cut to 200 characters."""
    rest = len(text) - _LONGEST
    return visible(text[:_LONGEST], "") + ("… (%d more)" % rest if rest > 0 else "")


def visible(text: str, kept: str = "\n") -> str:
    """*text* with what is not printable escaped, which a file could hide from a terminal with; *kept* stays."""
    return "".join(character if character.isprintable() or character in kept
                   else character.encode("unicode_escape").decode("ascii") for character in text)


def request_line(environ: Any) -> str:
    """Method and path of a request: no query string, no header. A section's name."""
    if not isinstance(environ, dict):
        name = getattr(environ, "name", None)
        return "a request that has just left" if name is None else "section %r" % one_line(str(name))
    path = "%s%s" % (environ.get("SCRIPT_NAME") or "", environ.get("PATH_INFO") or "")
    return "%s %s" % (escaped(str(environ.get("REQUEST_METHOD", "?"))), escaped(path or "/"))


def side(name: str, environ: Optional[Dict[str, Any]], place: Place) -> str:
    """One side of an overlap: the request, its context and its stack."""
    stack = "".join(place.stack).rstrip("\n").replace("\n", "\n    ")
    context = one_line(place.context)  # an application may name its threads after what they serve
    return "%s: %s, in %s\n    %s" % (name, request_line(environ), context, stack)
