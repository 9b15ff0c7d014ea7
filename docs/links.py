"""Each link of the built pages leads to a page that is there, and to a place in it: a dead one ends the build."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

_SERVED = ("search.html", "genindex.html", "py-modindex.html")
"""What Sphinx writes last, or not at all: links to these are the theme's."""


class Page(HTMLParser):
    """The links of a page, and the places in it that a link may lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: List[str] = []
        self.places: Set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, Optional[str]]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.links.append(value)
            elif name == "id" and value:
                self.places.add(value)


def dead(html: Path) -> List[str]:
    """A line for each dead link of the pages below *html*."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(html.rglob("*.html"))}
    return ["%s: %s" % (path.relative_to(html), link) for path, page in pages.items() for link in page.links
            if not _leads_somewhere(path, link, pages)]


def _leads_somewhere(path: Path, link: str, pages: Dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or parts.path.endswith(_SERVED):
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target not in pages:
        return target.is_file()
    return unquote(parts.fragment) in pages[target].places


def check(app: Sphinx, exception: Optional[Exception]) -> None:
    """Fail the build of HTML if a link is dead; say where the pages are."""
    if exception is not None or app.builder.name != "html":
        return
    html = Path(app.outdir).resolve()
    found = dead(html)
    if found:
        raise SphinxError("dead links:\n" + "\n".join(found))
    print("the documentation is in %s" % (html / "index.html"))
