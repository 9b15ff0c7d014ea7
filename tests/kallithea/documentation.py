"""docs/kallithea.md, read so that what it shows can be run."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "kallithea.md").read_text("utf-8")


def block(language, word):
    """The one fenced block of *language* in the page that has *word* in it."""
    found = [text for text in re.findall(r"(?ms)^```%s\n(.*?)^```$" % language, PAGE) if word in text]
    assert len(found) == 1, "%d blocks of %s with %r" % (len(found), language, word)
    return found[0]


def blocks():
    """Language and text of every fenced block that is no console."""
    return [found for found in re.findall(r"(?ms)^```([a-z]+)\n(.*?)^```$", PAGE) if found[0] != "console"]


def headings():
    """The sections."""
    return re.findall(r"(?m)^## (.*)$", PAGE)


def section(heading):
    """What stands below *heading*."""
    return re.search(r"(?ms)^## %s$(.*?)(^## |\Z)" % re.escape(heading), PAGE).group(1)


def commands(heading):
    """The commands (``$ …``) of the section below *heading*."""
    return re.findall(r"(?m)^\$ (.*)$", section(heading))


def printed(heading):
    """The lines that the commands of the section below *heading* are said to print."""
    consoles = re.findall(r"(?ms)^```console\n(.*?)^```$", section(heading))
    return [line for text in consoles for line in text.splitlines() if not line.startswith("$ ")]


def moved(text, places):
    """*text* with each place of the page replaced by the one where the tests have it; the longest first."""
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    return text
