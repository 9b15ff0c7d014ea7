"""Where the files of a container's image come from: COPY, ADD and bind mounts, as far as they name plain paths.

A command of an image names paths of the image. `Image.locate` gives it those of this machine.
"""

import json
import os
import re
from dataclasses import dataclass, field, replace
from typing import Callable, Iterator, List, Mapping, Optional, Tuple

from threadguard.preflight import source
from threadguard.preflight.model import Command

_DEFAULT_FILE = "gunicorn.conf.py"  # the one file that a known server reads from its working directory unasked
_OPTION = re.compile(r"(--?[\w-]+=|-[A-Za-z]|(?:file|config):(?://)?)?(/.*)", re.DOTALL)


@dataclass
class Copy:
    """One COPY or mount: where to, and from where."""

    target: str
    """An absolute path, of a file or of a directory."""
    sources: Tuple[str, ...]
    """Paths of this machine, or of the image *origin*."""
    origin: "Optional[Image]" = None
    is_foreign: bool = False
    """It comes from an image that nothing is known of."""


@dataclass
class Image:
    """The files of an image, begun with those of the stage that it is built from."""

    directory: str = "."
    """The build context: it stands for a working directory that nothing is copied to."""
    workdir: str = "/"
    copies: List[Copy] = field(default_factory=list)
    is_foreign: bool = False
    """It was built somewhere else: what nothing here was put into it for, it may have all the same."""

    def derive(self) -> "Image":
        """A stage that is built from this one."""
        return replace(self, copies=list(self.copies))

    def enter(self, directory: str) -> None:
        """Obey a WORKDIR."""
        self.workdir = os.path.normpath(os.path.join(self.workdir, directory))

    def copy(self, rest: str, stages: "Mapping[str, Image]") -> None:
        """Obey a COPY or ADD with the arguments *rest*; *stages* are those before this one, by name and number."""
        flags, rest = re.match(r"((?:\s*--\S+)*)\s*(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
        words = _words(rest)
        other = re.search(r"--from=(\S+)", flags)
        if len(words) < 2:
            return
        target = os.path.normpath(os.path.join(self.workdir, words[-1]))
        if other:
            origin = stages.get(other.group(1).lower())
            self.copies.append(Copy(target, tuple(os.path.join("/", each) for each in words[:-1]), origin,
                                    origin is None))
        else:
            sources = (os.path.normpath(word.lstrip("/") or ".") for word in words[:-1])
            self.copies.append(Copy(target, tuple(source.join(self.directory, each) for each in sources)))

    def run(self, rest: str) -> None:
        """Obey a RUN with the arguments *rest*: one that names the file may have written it."""
        if _DEFAULT_FILE in rest:
            self.copies.append(Copy(os.path.join(self.workdir, _DEFAULT_FILE), (), is_foreign=True))

    def find(self, path: str, exists: Callable[[str], bool] = os.path.exists) -> Optional[str]:
        """What stands at *path* of the image, as a path of this machine; None where that is not known."""
        for copy in reversed(self.copies):
            for candidate in () if copy.is_foreign else _candidates(path, copy):
                found = copy.origin.find(candidate, exists) if copy.origin is not None else candidate
                if found is not None and exists(found):
                    return found
        return None

    def locate(self, command: Command) -> Command:
        """*command*, whose paths are those of the image, with paths of this machine."""
        default = self.find(os.path.join(command.directory, _DEFAULT_FILE), os.path.isfile)
        is_found = default is not None and os.path.basename(default) == _DEFAULT_FILE
        home = os.path.dirname(default or "") or "." if is_found else self._home(command.directory)
        is_elsewhere = not is_found and (default is not None or self._may_have_more(command.directory, home))
        words = [self._here(word, command.directory, home or self.directory) for word in command.words[1:]]
        return replace(command, words=(command.words[0], *words), directory=home or self.directory,
                       is_elsewhere=is_elsewhere)

    def _home(self, path: str) -> Optional[str]:
        """What stands for the directory *path* of the image."""
        found = self.find(path, os.path.isdir)
        rest = os.path.relpath(path, self.workdir)
        if found is None and not rest.startswith(".."):
            return os.path.normpath(source.join(self.directory, rest))
        return found

    def _may_have_more(self, path: str, home: Optional[str]) -> bool:
        """Whether the directory *path* of the image may have files that *home* has not, or the other way round.

        A COPY that finds nothing shows that another directory is the build context.
        """
        above = [copy for copy in self.copies
                 if _holds(copy.target, path) or copy.target == os.path.join(path, _DEFAULT_FILE)]
        if home is None or self.is_foreign and not above or any(copy.is_foreign for copy in above):
            return True
        here = [each for copy in self.copies if copy.origin is None and not copy.is_foreign for each in copy.sources]
        return any(_is_plain(each) and not os.path.exists(each) for each in here) or (
            bool(here) and os.path.exists(os.path.join(home, _DEFAULT_FILE)))

    def _here(self, word: str, directory: str, home: str) -> str:
        """*word* with the path that it is, or that it ends with, seen from *home*, which stands for *directory*.

        A path that nothing was copied to gets a mark: it is no file of this machine.
        """
        match = _OPTION.match(word)
        if not match:
            found = None if word.startswith("-") else self.find(os.path.normpath(os.path.join(directory, word)),
                                                                os.path.isfile)
            return word if found is None else os.path.relpath(found, home)
        path = os.path.normpath(match.group(2))
        found = self.find(path)
        if found is None and self.workdir != "/" and _holds(self.workdir, path):
            found = source.join(self.directory, os.path.relpath(path, self.workdir))
        if found is None:
            return (match.group(1) or "") + "(in the image)" + path
        return (match.group(1) or "") + os.path.relpath(found, home)


def _words(rest: str) -> List[str]:
    """The arguments of COPY, which are JSON's if they can be."""
    try:
        words = json.loads(rest)
    except (ValueError, RecursionError):
        words = None
    return list(map(str, words)) if isinstance(words, list) else rest.split()


def _holds(folder: str, path: str) -> bool:
    """Whether *path* is *folder*, or below it."""
    folder = folder.rstrip("/")
    return path == folder or path.startswith(folder + "/")


def _is_plain(path: str) -> bool:
    return re.search(r"[$*?\[]", path) is None


def _candidates(path: str, copy: Copy) -> Iterator[str]:
    """What *copy* may have put at *path*."""
    if not _holds(copy.target, path):
        return
    rest = path[len(copy.target.rstrip("/")) + 1:]
    for each in copy.sources:
        if not rest or os.path.basename(each) == rest and not (copy.origin is None and os.path.isdir(each)):
            yield each
        else:
            yield os.path.normpath(os.path.join(each, rest))
