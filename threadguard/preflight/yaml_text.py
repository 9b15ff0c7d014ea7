"""YAML with line numbers, as PyYAML composes it. Without PyYAML nothing is known of a YAML file."""

from typing import Any, Iterator, List, Optional, Tuple

from threadguard.preflight import arguments
from threadguard.preflight.model import CannotTell, Unreadable
from threadguard.preflight.source import Source

_LONGEST = 512 * 1024  # characters: PyYAML's own parser takes a second for a hundred thousand


def compose(text: Source) -> Any:
    """The root node of *text*. Raises `CannotTell` where PyYAML is not installed, `Unreadable` for what is no YAML."""
    yaml = arguments.optional("yaml")
    if yaml is None:
        raise CannotTell("PyYAML is not installed here, which reads YAML", "pip install PyYAML", text.path)
    if len(text.text) > _LONGEST:
        raise Unreadable("it is longer than %d KiB" % (_LONGEST // 1024), text.path)
    try:
        return yaml.compose(text.text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise Unreadable("it is no YAML: %s" % (getattr(error, "problem", None) or type(error).__name__), text.path,
                         mark.line + 1 if mark else None) from None


def pairs(node: Any) -> Iterator[Tuple[Any, Any]]:
    """Key and value nodes of a mapping, merged ones (``<<``) first; nothing if *node* is none."""
    if getattr(node, "id", "") != "mapping":
        return
    for key, value in node.value:
        if key.value == "<<":
            for merged in sequence(value):
                if merged is not node:
                    yield from ((k, v) for k, v in merged.value if getattr(merged, "id", "") == "mapping")
    for key, value in node.value:
        if key.value != "<<" and getattr(key, "id", "") == "scalar":
            yield key, value


def child(node: Any, *names: str) -> Any:
    """The node below *node* under these *names*, or None."""
    for name in names:
        found = [value for key, value in pairs(node) if key.value == name]
        node = found[-1] if found else None
    return node


def sequence(node: Any) -> List[Any]:
    """The items of a sequence, or *node* itself as the only one; empty for None."""
    if node is None:
        return []
    return list(node.value) if node.id == "sequence" else [node]


def text(node: Any) -> Optional[str]:
    """The value of a scalar, or None."""
    return str(node.value) if getattr(node, "id", "") == "scalar" else None
