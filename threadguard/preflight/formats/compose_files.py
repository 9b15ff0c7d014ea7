"""The files that make one compose project: a file, its override, those that it includes and that services extend.

``docker compose`` reads the first override file that lies beside a file of a default name (compose-go, cli/options.go
`DefaultOverrideFileNames`), though nobody names it.
"""

import os
import re
from typing import Any, Dict, Iterator, List, Tuple

from threadguard.preflight import source, yaml_text
from threadguard.preflight.model import CannotTell, Unreadable, at_most
from threadguard.preflight.source import Source

Layer = Tuple[Any, Source]
"""A node of a service, and the file that it stands in."""

_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDES = ("compose.override.yml", "compose.override.yaml", "docker-compose.override.yml",
              "docker-compose.override.yaml")
_MOST_LAYERS = 20
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:|github\.com/|oci:")


def is_remote(place: str) -> bool:
    """Whether *place*, of a build's context or an included file, is a repository or an archive somewhere else."""
    return _REMOTE.match(place) is not None


def files(text: Source) -> List[Source]:
    """*text*, and the override that is read with it."""
    beside = (source.join(text.directory, name) for name in _OVERRIDES if text.name in _NAMES)
    return [text] + [source.read(path) for path in beside if os.path.exists(path)][:1]


def services(project: List[Source]) -> List[Tuple[Any, List[Layer]]]:
    """The services of a project: the node of its name, and its layers, of which the later has the last word."""
    found: Dict[str, Tuple[Any, List[Layer]]] = {}
    for text in project:
        for name, node in yaml_text.pairs(yaml_text.child(yaml_text.compose(text), "services")):
            found.setdefault(str(name.value), (name, []))[1].append((node, text))
    return list(at_most(list(found.values()), "services"))


def included(project: List[Source]) -> Iterator[Source]:
    """The files that ``include`` names. Raises `CannotTell` for one that is elsewhere, and `Unreadable`."""
    for text in project:
        for item in yaml_text.sequence(yaml_text.child(yaml_text.compose(text), "include")):
            named = item if yaml_text.text(item) is not None else yaml_text.child(item, "path")
            for node in yaml_text.sequence(named):
                path = yaml_text.text(node) or ""
                if is_remote(path):
                    raise CannotTell("it includes %s, which is not here" % path, file=text.path,
                                     line=node.start_mark.line + 1)
                yield source.read(source.join(text.directory, path))


def extended(layer: Layer, seen: int = 0) -> Iterator[Layer]:
    """*layer* with those that it extends before it."""
    service, text = layer
    extends = yaml_text.child(service, "extends")
    name = yaml_text.text(extends) or yaml_text.text(yaml_text.child(extends, "service"))
    if seen > _MOST_LAYERS:
        raise Unreadable("its services extend each other in a circle", text.path)
    if name is not None:
        path = yaml_text.text(yaml_text.child(extends, "file"))
        other = text if path is None else source.read(source.join(text.directory, path))
        base = yaml_text.child(yaml_text.compose(other), "services", name)
        if base is None:
            raise Unreadable("it has no service %r" % name, other.path)
        yield from extended((base, other), seen + 1)
    yield layer
