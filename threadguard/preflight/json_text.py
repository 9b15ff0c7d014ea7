"""JSON with the lines of its keys, as far as a look at the text tells them."""

import bisect
import json
import re
from typing import Any, Dict, List, Match, Optional

from threadguard.preflight.model import Unreadable
from threadguard.preflight.source import Source


def parse(text: Source) -> Any:
    """The value of *text*. Raises `Unreadable` for what is no JSON."""
    try:
        return json.loads(text.text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is no JSON: %s" % error, text.path, getattr(error, "lineno", None)) from None


def without_comments(text: Source) -> Source:
    """*text* with blanks in the place of ``//`` and ``/* */`` comments, for servers that allow them."""
    return text._replace(text=_STRING_OR_COMMENT.sub(_blank, text.text))


# The end of each may be missing, so that a hostile file is not searched anew from each beginning.
_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"?|//[^\n]*|/\*(?:.*?\*/|.*)', re.DOTALL)


def _blank(found: Match[str]) -> str:
    return found.group() if found.group().startswith('"') else re.sub(r"[^\n]", " ", found.group())


class Lines:
    """Where the keys of *text* stand."""

    def __init__(self, text: Source) -> None:
        self._lines: Dict[str, List[int]] = {}
        for number, line in enumerate(text.lines, 1):
            for key in re.findall(r'"([^"\\]*)"\s*:', line):
                self._lines.setdefault(key, []).append(number)

    def find(self, key: str, after: Optional[int] = 0) -> Optional[int]:
        """The first line of *key* that is not before the line *after*, or None."""
        lines = self._lines.get(key, [])
        place = bisect.bisect_left(lines, after or 0)
        return lines[place] if place < len(lines) else None
