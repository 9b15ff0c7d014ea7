"""Two Mercurial repositories, made by ``hg`` itself, whose text is in different encodings."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Tuple

CHANGES = 40


@dataclass(frozen=True)
class Repository:
    """A repository: its name, the ``[web] encoding`` of its pages, and what its change messages say."""

    name: str
    encoding: str
    words: str

    @property
    def messages(self) -> Tuple[str, ...]:
        """The first line of each change."""
        return tuple("%s #%02d" % (self.words, number) for number in range(CHANGES))


REPOSITORIES = (
    Repository("orleans", "iso-8859-1", "corrigé: à-côté, garçon, français"),
    Repository("kyoto", "euc-jp", "修正: 文字化け、日本語の説明"),
)


def environment() -> Dict[str, str]:
    """The environment in which Mercurial reads no configuration of the user's, and takes text as UTF-8."""
    return dict(os.environ, HGRCPATH=os.devnull, HGENCODING="utf-8", HGPLAIN="1")


def hg(*arguments: str, text: str = "") -> None:
    """Run the ``hg`` of this virtual environment."""
    program = str(Path(sys.executable).with_name("hg"))
    subprocess.run([program, *arguments], input=text.encode(), env=environment(), check=True, timeout=120,
                   stdout=subprocess.DEVNULL)


def make(root: Path) -> Path:
    """Make `REPOSITORIES` below *root*; returns the hgweb configuration that serves them."""
    for repository in REPOSITORIES:
        path = root / repository.name
        hg("init", str(path))
        hg("--repository", str(path), "import", "--quiet", "-", text="".join(map(_patch, repository.messages)))
        (path / ".hg" / "hgrc").write_text("[web]\nencoding = %s\n" % repository.encoding)
    config = root / "hgweb.config"
    config.write_text("[paths]\n" + "".join("%s = %s\n" % (one.name, root / one.name) for one in REPOSITORIES))
    return config


def _patch(message: str) -> str:
    """A change that adds one file, in the form of ``hg export``."""
    name = "file%s.txt" % message[-2:]
    return ("# HG changeset patch\n# User demo <demo@example.com>\n# Date 0 0\n%s\n\n"
            "diff --git a/%s b/%s\nnew file mode 100644\n--- /dev/null\n+++ b/%s\n@@ -0,0 +1,1 @@\n+%s\n" % (
                message, name, name, name, message))
