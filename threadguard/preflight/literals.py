"""The plain assignments of a Python file, read without running it: ``threads = 4`` is known, ``threads = n`` is not."""

import ast
import io
import tokenize
import warnings
from typing import Any, Dict, Iterable, List, Optional, Tuple

from threadguard.preflight.model import CannotTell, Unreadable
from threadguard.preflight.source import Source

_FREE_HANDS = ("exec", "eval", "globals", "locals", "vars", "setattr", "__import__", "execfile")
"""With these a module can set any name, and with these attributes."""
_NAMESPACES = ("__dict__", "__globals__", "f_globals")


class Literals:
    """What the module *source* binds its names to, as far as it is plain to see. Raises `Unreadable` for no Python."""

    def __init__(self, source: Source) -> None:
        self.source = source
        try:
            tokenize.detect_encoding(io.BytesIO(source.text.encode()).readline)  # or a SyntaxError: no such encoding
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a bad escape in a string is not ours to tell
                tree = ast.parse(source.text)
                nodes = list(ast.walk(tree))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            said, line = getattr(error, "msg", None) or error, getattr(error, "lineno", None)
            raise Unreadable("it is no Python: %s" % said, source.path, line) from None
        self._plain: Dict[str, List[ast.Assign]] = {}
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets):
                for name in _bound_by(statement):
                    self._plain.setdefault(name, []).append(statement)
        plain = {id(part) for statements in self._plain.values() for statement in statements
                 for part in [statement, *statement.targets]}
        self._elsewhere = _bound(node for node in nodes if id(node) not in plain)
        self._free_hands = next(filter(None, map(_free_hand, nodes)), None)

    def line(self, name: str) -> Optional[int]:
        """The line of the last assignment to *name* that is plain to see."""
        return self._plain[name][-1].lineno if name in self._plain else None

    def get(self, name: str, default: Any = None) -> Any:
        """The value of *name* when the module has run, *default* if it sets none. Raises `CannotTell`."""
        if self._free_hands is not None:
            raise CannotTell("%s can set any name" % self._free_hands[0], RUN_IT, self.source.path, self._free_hands[1])
        if name in self._elsewhere:
            raise CannotTell("%s is set in a way that only running the file tells" % name, RUN_IT, self.source.path,
                             self._elsewhere[name])
        if name not in self._plain:
            return default
        statement = self._plain[name][-1]
        try:
            return ast.literal_eval(statement.value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            raise CannotTell("%s is set to an expression" % name, RUN_IT, self.source.path, statement.lineno) from None


RUN_IT = "let gunicorn read it: install gunicorn beside threadguard, and leave --no-exec out"


def _bound(nodes: Iterable[ast.AST]) -> Dict[str, int]:
    """The names that *nodes* may bind in the module, and where.

    Names that only functions and classes bind are among them: whoever means the module's says ``global``, and telling
    that apart is not worth a wrong answer.
    """
    found: Dict[str, int] = {}
    for node in nodes:
        for name in _bound_by(node):
            found.setdefault(name, getattr(node, "lineno", 1))
    return found


def _bound_by(node: ast.AST) -> Tuple[str, ...]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return tuple((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    if isinstance(node, ast.Assign):
        return tuple(name for target in node.targets for part in ast.walk(target) for name in _set_by(part))
    if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):  # with, for, del, :=, +=, an attribute, an item
        return _set_by(node)
    name = getattr(node, "name", None) or getattr(node, "rest", None)  # def, class, except … as, case
    return (name,) if isinstance(name, str) else ()


def _set_by(target: ast.AST) -> Tuple[str, ...]:
    """The name that storing into *target* may set: ``module.threads`` and ``names["threads"]`` may be the module's."""
    if isinstance(target, ast.Subscript):
        parts = [part for part in ast.walk(target.slice) if isinstance(part, ast.Constant)]
        return tuple(part.value for part in parts if isinstance(part.value, str))
    return tuple(name for name in (getattr(target, "id", None), getattr(target, "attr", None)) if name)


def _free_hand(node: ast.AST) -> Optional[Tuple[str, int]]:
    if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
        return "from %s import *" % (node.module or "."), node.lineno
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FREE_HANDS:
        return "%s()" % node.func.id, node.lineno
    if isinstance(node, ast.Attribute) and node.attr in _NAMESPACES:
        return node.attr, node.lineno
    return None
