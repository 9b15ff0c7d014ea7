"""The pictures, as SVG: a refusal in a terminal, from its real run; two requests that mix; what each policy does; and
the way from what is found to what is done.

Each is drawn on a dark card of its own, so it reads the same on a light page and on a dark one, and narrow enough for a
phone.
"""

import textwrap
from html import escape
from typing import Dict, List, Sequence, Tuple

from real_runs import file_of

CARD, LINE, DIM, TEXT = "#1f2328", "#59636e", "#9198a1", "#f0f6fc"
RED, GREEN, BLUE, ORANGE = "#ff7b72", "#7ee787", "#79c0ff", "#ffa657"
_CARD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %(width)d %(height)d" role="img"
 aria-label="%(title)s">
<defs><marker id="end" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path d="M 0 0 L 10 5 L 0 10 z" fill="%(dim)s"/></marker></defs>
<rect width="100%%" height="100%%" rx="8" fill="%(card)s"/>
<g font-family="%(font)s" font-size="13">
%(parts)s
</g>
</svg>
"""
_WIDTH = 530  # readable at the 370 pixels that a phone has for it
_SANS, _MONO = "system-ui, sans-serif", "ui-monospace, Menlo, Consolas, monospace"


def _card(width: float, height: float, title: str, parts: Sequence[str], font: str = _SANS) -> str:
    return _CARD % {"width": width, "height": height, "title": escape(title), "parts": "\n".join(parts), "font": font,
                    "card": CARD, "dim": DIM}


def _text(x: float, y: float, text: str, colour: str = TEXT, more: str = "") -> str:
    return '<text x="%g" y="%g" fill="%s" %s>%s</text>' % (x, y, colour, more, escape(text))


def _bar(x: float, y: float, width: float, colour: str, text: str = "", more: str = "") -> str:
    """A stretch of time, with what happens in it."""
    parts = ['<rect x="%g" y="%g" width="%g" height="30" rx="5" fill="%s" %s/>' % (x, y, width, colour, more)]
    if text:
        parts.append(_text(x + width / 2, y + 20, text, CARD, 'text-anchor="middle" font-weight="600"'))
    return "\n".join(parts)


def _arrow(x: float, y: float, right: float, down: float) -> str:
    return '<line x1="%g" y1="%g" x2="%g" y2="%g" stroke="%s" stroke-width="1.5" marker-end="url(#end)"/>' % (
        x, y, right, down, DIM)


# -- a terminal

_WIDE, _STEP = 62, 20
_SPACE = "\N{NO-BREAK SPACE}"  # viewers take others away at the start of a line
_COLOURS: Sequence[Tuple[str, str]] = (
    ("$", TEXT), ("threadguard.", RED), ("TG", RED), ("  because", "#d1d7e0"), ("  remedy", GREEN))


def terminal(text: str, title: str) -> str:
    """*text* as it looks in a terminal."""
    shown: List[Tuple[str, str]] = []
    for line in text.splitlines():
        indent = " " * (11 if line.startswith("  ") else 0)
        colour = next((colour for start, colour in _COLOURS if line.startswith(start)), DIM)
        shown += [(part, colour) for part in textwrap.wrap(line, _WIDE, subsequent_indent=indent) or [""]]
    parts = ['<circle cx="%d" cy="18" r="6" fill="#3d444d"/>' % x for x in (20, 40, 60)]
    parts += [_text(20, 50 + number * _STEP, part.replace(" ", _SPACE), colour)
              for number, (part, colour) in enumerate(shown)]
    return _card(_WIDTH, 50 + len(shown) * _STEP, title, parts, _MONO)


# -- two requests that mix


def mixing() -> str:
    """Two requests of hgweb inside one process: the later one's encoding is used for the rest of the earlier's page."""
    parts = [
        _text(20, 34, "Thread 1", TEXT, 'font-weight="600"'), _text(20, 52, "asks for orleans", DIM),
        _bar(165, 22, 150, BLUE, "page in iso-8859-1"), _bar(319, 22, 135, RED, "the rest in euc-jp"),
        _text(20, 114, "one variable", TEXT, 'font-weight="600"'),
        _text(20, 132, "encoding.encoding", DIM, 'font-size="12"'),
        _bar(165, 102, 150, "#2d4a66", "", 'stroke="%s"' % BLUE),
        _text(240, 122, "iso-8859-1", BLUE, 'text-anchor="middle"'),
        _bar(319, 102, 191, "#5a3a1e", "", 'stroke="%s"' % ORANGE),
        _text(414, 122, "euc-jp", ORANGE, 'text-anchor="middle"'),
        _text(20, 194, "Thread 2", TEXT, 'font-weight="600"'), _text(20, 212, "asks for kyoto", DIM),
        _bar(319, 182, 191, ORANGE, "page in euc-jp"),
        _arrow(175, 54, 175, 100), _text(185, 82, "sets it", DIM), _arrow(329, 180, 329, 134),
        _text(339, 164, "sets it", DIM), _arrow(386, 100, 386, 54), _text(396, 82, "reads it", RED),
        _arrow(165, 246, 510, 246), _text(337, 266, "time", DIM, 'text-anchor="middle"'),
    ]
    return _card(_WIDTH, 280, "two requests in one process share one variable: the page of the first ends in the"
                              " encoding of the second", parts)


# -- how a race is proved


def race() -> str:
    """Request A is paused before one of its lines, all of B runs, and A goes on."""
    parts = [
        _text(20, 34, "Request A", TEXT, 'font-weight="600"'), _text(20, 52, "/ann", DIM),
        _bar(108, 22, 145, BLUE, "its first k - 1 lines"), _bar(362, 22, 148, RED, "the rest: hello /bob"),
        _text(307, 34, "paused", DIM, 'text-anchor="middle"'),
        _text(307, 50, "before line k", DIM, 'text-anchor="middle"'),
        _text(20, 124, "Request B", TEXT, 'font-weight="600"'), _text(20, 142, "/bob", DIM),
        _bar(257, 112, 100, ORANGE, "all of it"),
        _arrow(250, 54, 263, 108), _arrow(351, 110, 365, 56),
        _text(307, 178, "then again with line k + 1", DIM, 'text-anchor="middle"'),
    ]
    return _card(_WIDTH, 196, "request A is paused before one of its lines, all of request B runs, and A goes on: its"
                              " answer is not the one that it gets alone", parts)


# -- what a policy does


def policies() -> str:
    """What becomes of a second request that comes while a first one is inside, under each policy."""
    parts = [_text(100, 30, "first request", DIM), _text(210, 30, "a second one comes", DIM),
             '<line x1="210" y1="40" x2="210" y2="336" stroke="%s" stroke-dasharray="4 4"/>' % LINE]
    for number, (name, draw) in enumerate((("refuse", _refused), ("serialize", _serialized), ("log", _logged))):
        y = 46 + number * 100
        parts += [_text(20, y + 42, name, TEXT, 'font-weight="600" font-size="15"'),
                  _bar(100, y, 180, GREEN if name != "log" else ORANGE, "inside"), *draw(y + 38)]
        if number:
            parts.append('<line x1="20" y1="%g" x2="500" y2="%g" stroke="#3d444d"/>' % (y - 14, y - 14))
    title = "under refuse the second request gets 503, under serialize it waits, under log both run"
    return _card(_WIDTH, 350, title, parts)


def _refused(y: float) -> List[str]:
    return [_bar(210, y, 54, RED, "503"), _text(276, y + 20, "at once, and does not enter", DIM)]


def _serialized(y: float) -> List[str]:
    return [_bar(210, y, 70, "#3d444d", "", 'stroke="%s" stroke-dasharray="4 3"' % DIM),
            _text(245, y + 20, "waits", TEXT, 'text-anchor="middle"'), _bar(284, y, 120, GREEN, "inside"),
            _text(414, y + 20, "one at a time", DIM)]


def _logged(y: float) -> List[str]:
    return [_bar(210, y, 120, ORANGE, "inside"), _text(342, y + 20, "both run; the log says so", DIM)]


# -- from what is found to what is done

_BOXES = {
    "servers": (20, 20, "the server's settings", "one reader for each server"),
    "structure": (20, 90, "the first request", "its pool, threads, greenlets"),
    "ledger": (20, 160, "requests inside", "an overlap is proof"),
    "findings": (310, 20, "findings", "code, evidence, remedy"),
    "verdict": (310, 90, "verdict", "what was seen decides first"),
    "policy": (310, 160, "policy", "refuse, serialize, log"),
}
_ARROWS = ((210, 45, 310, 40), (210, 115, 310, 48), (210, 185, 310, 56), (405, 70, 405, 90), (405, 140, 405, 160))


def flow() -> str:
    """How what is found becomes what is done."""
    parts = [_arrow(*ends) for ends in _ARROWS]
    for x, y, title, below in _BOXES.values():
        parts.append('<rect x="%d" y="%d" width="190" height="50" rx="6" fill="#2a2f36" stroke="%s"/>' % (x, y, LINE))
        parts.append(_text(x + 95, y + 21, title, TEXT, 'font-size="14" font-weight="600" text-anchor="middle"'))
        parts.append(_text(x + 95, y + 39, below, DIM, 'font-size="12" text-anchor="middle"'))
    return _card(_WIDTH, 230, "from what is found to what is done", parts)


def pictures() -> Dict[str, str]:
    """Every picture, by its path below docs/."""
    run = file_of("waitress").read_text(encoding="utf-8")
    return {"pictures/refusal.svg": terminal(run, "waitress with four threads refuses to start"),
            "pictures/mixing.svg": mixing(), "pictures/policies.svg": policies(), "pictures/flow.svg": flow(),
            "pictures/race.svg": race()}
