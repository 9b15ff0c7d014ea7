"""docs/kallithea.md, read so that what it shows can be run."""

import re
from pathlib import Path
from typing import Dict, List, Tuple

PAGE = (Path(__file__).parents[2] / "docs" / "kallithea.md").read_text("utf-8")


def block(language: str, word: str) -> str:
    """The one fenced block of *language* in the page that has *word* in it."""
    found: List[str] = [text for text in re.findall(r"(?ms)^```%s\n(.*?)^```$" % language, PAGE) if word in text]
    assert len(found) == 1, "%d blocks of %s with %r" % (len(found), language, word)
    return found[0]


def blocks() -> List[Tuple[str, str]]:
    """Language and text of every fenced block that is no console."""
    return [found for found in re.findall(r"(?ms)^```([a-z]+)\n(.*?)^```$", PAGE) if found[0] != "console"]


def headings() -> List[str]:
    """The sections."""
    return re.findall(r"(?m)^## (.*)$", PAGE)


def commands(heading: str) -> List[str]:
    """The commands (``$ …``) of the section below *heading*."""
    section = re.search(r"(?ms)^## %s$(.*?)(^## |\Z)" % re.escape(heading), PAGE)
    assert section, heading
    lines: List[str] = re.findall(r"(?m)^\$ (.*)$", section.group(1))
    return lines


def printed(heading: str) -> List[str]:
    """The lines that the commands of the section below *heading* are said to print."""
    section = re.search(r"(?ms)^## %s$(.*?)(^## |\Z)" % re.escape(heading), PAGE)
    assert section, heading
    consoles: List[str] = re.findall(r"(?ms)^```console\n(.*?)^```$", section.group(1))
    return [line for text in consoles for line in text.splitlines() if not line.startswith("$ ")]


def moved(text: str, places: Dict[str, str]) -> str:
    """*text* with each place of the page replaced by the one where the tests have it; the longest first."""
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    return text
