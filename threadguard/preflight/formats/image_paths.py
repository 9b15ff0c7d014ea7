"""Where the files of a container's image come from: COPY and ADD of a Dockerfile, as far as they name plain paths."""

import os
from typing import List, NamedTuple, Optional, Tuple


class Copy(NamedTuple):
    """One COPY: where to, and from where in the build context."""

    target: str
    sources: Tuple[str, ...]


def copy_of(rest: str, workdir: str) -> Optional[Copy]:
    """What the arguments *rest* of a COPY or ADD copy; None for files of another image."""
    words = [word for word in rest.split() if not word.startswith("--")]
    if "--from=" in rest or len(words) < 2 or rest.lstrip().startswith("["):
        return None
    target = os.path.join(workdir, words[-1])
    return Copy(target if target.endswith("/") else os.path.normpath(target), tuple(words[:-1]))


def in_context(path: str, workdir: str, copies: List[Copy], directory: str) -> str:
    """*path* of the image as a path of the build context *directory*, which also stands for the working directory.

    A path of the image that nothing was copied to gets a mark: it is no file of this machine.
    """
    if not path.startswith("/"):
        return path
    for copy in reversed(copies):
        for source in copy.sources:
            found = _source_of(path, copy, source, directory)
            if found is not None:
                return found
    prefix = workdir.rstrip("/") + "/"
    if prefix != "/" and path.startswith(prefix):
        return path[len(prefix):]
    return "(in the image)" + path


def _source_of(path: str, copy: Copy, source: str, directory: str) -> Optional[str]:
    source = os.path.normpath(source.lstrip("/") or ".")
    folder = copy.target.rstrip("/")
    if path == copy.target and not os.path.isdir(os.path.join(directory, source)):
        return source
    if not path.startswith(folder + "/"):
        return None
    rest = path[len(folder) + 1:]
    if os.path.basename(source) == rest:
        return source
    inside = os.path.normpath(os.path.join(source, rest))
    return inside if os.path.exists(os.path.join(directory, inside)) else None
