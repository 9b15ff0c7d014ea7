"""JSON with the lines of its keys, as far as a look at the text tells them."""

import bisect
import json
import re
from typing import Any, Dict, List, Optional

from threadguard.preflight.model import Unreadable
from threadguard.preflight.source import Source


def parse(text: Source) -> Any:
    """The value of *text*. Raises `Unreadable` for what is no JSON."""
    try:
        return json.loads(text.text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is no JSON: %s" % error, text.path, getattr(error, "lineno", None)) from None


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
