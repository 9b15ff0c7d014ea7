"""The pictures, as SVG: a refusal in a terminal, from its real run, and the flow of what is found out."""

import textwrap
from html import escape
from typing import Dict, List, Sequence, Tuple

from real_runs import file_of

_WIDE, _LINE, _COLUMN = 104, 20, 8.0
_SPACE = "\N{NO-BREAK SPACE}"  # viewers take others away at the start of a line
_TERMINAL = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %(width)d %(height)d" role="img"
 aria-label="%(title)s">
<rect width="100%%" height="100%%" rx="8" fill="#1f2328"/>
<g fill="#3d444d"><circle cx="20" cy="18" r="6"/><circle cx="40" cy="18" r="6"/><circle cx="60" cy="18" r="6"/></g>
<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13">
%(lines)s
</g>
</svg>
"""
_COLOURS: Sequence[Tuple[str, str]] = (
    ("$", "#f0f6fc"), ("threadguard.", "#ff7b72"), ("TG", "#ff7b72"), ("  because", "#d1d7e0"), ("  remedy", "#7ee787"))


def _colour(line: str) -> str:
    return next((colour for start, colour in _COLOURS if line.startswith(start)), "#9198a1")


def terminal(text: str, title: str) -> str:
    """*text* as it looks in a terminal."""
    shown: List[Tuple[str, str]] = []
    for line in text.splitlines():
        indent = " " * (11 if line.startswith("  ") else 0)
        shown += [(part, _colour(line)) for part in textwrap.wrap(line, _WIDE, subsequent_indent=indent) or [""]]
    lines = ['<text x="20" y="%d" fill="%s">%s</text>' % (
        50 + number * _LINE, colour, escape(part).replace(" ", _SPACE))
             for number, (part, colour) in enumerate(shown)]
    return _TERMINAL % {"width": 40 + _WIDE * _COLUMN, "height": 50 + len(shown) * _LINE, "title": escape(title),
                        "lines": "\n".join(lines)}


_BOXES = {
    "servers": (10, 10, "the server's settings", "one reader for each server"),
    "structure": (10, 80, "the first request", "its pool, threads, greenlets"),
    "ledger": (10, 150, "who is inside", "an overlap is proof"),
    "findings": (290, 80, "findings", "code, evidence, remedy"),
    "verdict": (510, 80, "verdict", "what was seen decides first"),
    "policy": (730, 80, "policy", "refuse, serialize, log"),
}
_ARROWS = (("servers", "findings"), ("structure", "findings"), ("ledger", "findings"), ("findings", "verdict"),
           ("verdict", "policy"))
_FLOW = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 210" role="img" aria-label="%(title)s">
<defs><marker id="end" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path d="M 0 0 L 10 5 L 0 10 z" fill="#59636e"/></marker></defs>
<g font-family="system-ui, sans-serif" text-anchor="middle">
%(parts)s
</g>
</svg>
"""


def flow() -> str:
    """How what is found becomes what is done."""
    parts = []
    for start, end in _ARROWS:
        (x, y), (right, down) = _BOXES[start][:2], _BOXES[end][:2]
        parts.append('<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#59636e" stroke-width="1.5"'
                     ' marker-end="url(#end)"/>' % (x + 180, y + 25, right, down + 25))
    for x, y, title, below in _BOXES.values():
        parts.append('<rect x="%d" y="%d" width="180" height="50" rx="6" fill="#f6f8fa" stroke="#59636e"/>' % (x, y))
        parts.append('<text x="%d" y="%d" font-size="14" font-weight="600" fill="#1f2328">%s</text>' % (
            x + 90, y + 21, escape(title)))
        parts.append('<text x="%d" y="%d" font-size="11" fill="#59636e">%s</text>' % (x + 90, y + 39, escape(below)))
    return _FLOW % {"title": "from what is found to what is done", "parts": "\n".join(parts)}


def pictures() -> Dict[str, str]:
    """Every picture, by its path below docs/."""
    run = file_of("waitress").read_text(encoding="utf-8")
    return {"pictures/refusal.svg": terminal(run, "waitress with four threads refuses to start"),
            "pictures/flow.svg": flow()}
