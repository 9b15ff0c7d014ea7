"""Changes to the modules of others: made when such a module is there or is imported, and taken back at the end."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

Change = Tuple[Any, str, Callable[[Any], Any]]
"""Where an attribute is (a module or a class), its name, and what makes the new value from the old."""


class Patches:
    """Changes by the name of the module that they are for. Nothing is imported to be changed.

    :param changes: for a module's name, a function that is given the module and says what to change.
    """

    def __init__(self, changes: Mapping[str, Callable[[ModuleType], Sequence[Change]]]) -> None:
        self._pending: Dict[str, Callable[[ModuleType], Sequence[Change]]] = dict(changes)
        self._made: List[Tuple[Any, str, Any, Any]] = []
        self._is_on = False

    def make(self) -> None:
        """Change what is imported already, and see to the rest."""
        if self._is_on:
            return
        self._is_on = True
        sys.meta_path.insert(0, self)
        for name in list(self._pending):
            module = sys.modules.get(name)
            if module is not None:
                self._change(name, module)

    def _change(self, name: str, module: ModuleType) -> None:
        changes = self._pending.pop(name, None)
        for owner, attribute, replace in changes(module) if changes is not None else ():
            old = vars(owner).get(attribute)
            if old is not None:
                new = replace(old)
                setattr(owner, attribute, new)
                self._made.append((owner, attribute, old, new))

    def take_back(self) -> None:
        """Put everything back, newest first; except what somebody else has changed since, on top of this."""
        if not self._is_on:
            return
        self._is_on = False
        sys.meta_path.remove(self)
        for owner, attribute, old, new in reversed(self._made):
            if vars(owner).get(attribute) is new:
                setattr(owner, attribute, old)
        self._made.clear()

    def find_spec(self, name: str, path: Optional[Sequence[str]] = None,
                  target: Optional[ModuleType] = None) -> Optional[ModuleSpec]:
        """Import's question (`importlib.abc.MetaPathFinder`): the others' answer, with the change after the module."""
        changes = self._pending.pop(name, None)
        if changes is None:
            return None
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._pending[name] = changes
        if spec is not None and spec.loader is not None:
            self._change_after(name, spec.loader)
        return spec

    def _change_after(self, name: str, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)  # the loader may be one for many modules
            execute(module)
            if self._is_on and module.__name__ == name:
                self._change(name, module)

        loader.exec_module = exec_module
