"""Tell when a module has been loaded: a server is often imported after the application that it is handed.

A finder at the head of `sys.meta_path` lets all imports pass but those of the modules that are waited for: of these it
has the other finders make the spec, and the loader's `exec_module` is followed once. Nothing of it stays: not in the
loader, and not in `sys.meta_path` once nobody waits.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, Optional, Sequence, Set

Loaded = Callable[[ModuleType], None]


class Awaiting:
    """Calls *loaded* with each module of *names*: those that are there now at once, the others as they come.

    What *loaded* raises is no reason for an import to fail; it has to see to that itself.
    """

    def __init__(self, names: Set[str], loaded: Loaded) -> None:
        self.loaded = loaded
        self.names = set(names) - sys.modules.keys()
        """Those that are still waited for."""
        self._asked: Set[str] = set()
        for name in sorted(set(names) & sys.modules.keys()):
            module = sys.modules[name]
            if isinstance(module, ModuleType):  # None forbids the import
                loaded(module)
        sys.meta_path.insert(0, self)

    def end(self) -> None:
        """Wait no longer."""
        self.names.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Optional[Sequence[str]] = None,
                  target: Optional[ModuleType] = None) -> Optional[ModuleSpec]:
        """See `importlib.abc.MetaPathFinder`: nothing, but for a module that is waited for."""
        if name not in self.names or name in self._asked:  # another finder may ask all finders itself
            return None
        self._asked.add(name)
        try:
            found = (_ask(finder, name, path, target) for finder in list(sys.meta_path) if finder is not self)
            spec = next(filter(None, found), None)
        finally:
            self._asked.discard(name)
        if spec is not None and spec.loader is not None:
            self._follow(spec.loader)
        return spec

    def _follow(self, loader: Any) -> None:
        """Have the next module that *loader* executes told."""
        if not hasattr(loader, "exec_module"):  # of the old kind, with load_module
            return
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # the class' own comes out again
            execute(module)
            if module.__name__ in self.names:
                self.names.discard(module.__name__)
                self.loaded(module)

        try:
            loader.exec_module = exec_module
        except (AttributeError, TypeError):  # a class of the interpreter's, or one with slots: then it is not told
            return


def _ask(finder: Any, name: str, path: Optional[Sequence[str]], target: Optional[ModuleType]) -> Optional[ModuleSpec]:
    find_spec = getattr(finder, "find_spec", None)
    found: Optional[ModuleSpec] = None if find_spec is None else find_spec(name, path, target)
    return found
