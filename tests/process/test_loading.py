"""Waiting for modules: each is told once, as it comes, and nothing stays behind."""

import importlib
import importlib.util
import sys

import pytest

from threadguard.process.loading import Awaiting


@pytest.fixture
def late(tmp_path, monkeypatch):
    """A package ``late_package`` with a module ``inner`` that can be imported, and nothing left of it afterwards."""
    before = list(sys.meta_path)
    package = tmp_path / "late_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("ready = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield package
    for name in [name for name in sys.modules if name.startswith("late_package")]:
        del sys.modules[name]
    assert sys.meta_path == before


@pytest.fixture
def told():
    """What was told, with what was known of the module then."""
    return []


def awaiting(told, *names):
    return Awaiting(set(names), lambda module: told.append((module.__name__, getattr(module, "ready", None))))


def test_a_module_that_is_there_is_told_at_once(told):
    """Whoever was imported before the application is not missed."""
    awaiting(told, "sys").end()
    assert [("sys", None)] == told


def test_a_module_that_comes_is_told_when_it_has_been_executed(late, told):
    """Its classes are there to be wrapped, and nothing else that is imported is told."""
    waiting = awaiting(told, "late_package.inner")
    importlib.import_module("late_package")
    assert [] == told
    module = importlib.import_module("late_package.inner")
    waiting.end()
    assert [("late_package.inner", True)] == told
    assert "exec_module" not in vars(module.__spec__.loader)


def test_looking_for_a_module_is_not_loading_it(late, told):
    """`importlib.util.find_spec` may be asked any number of times before the import."""
    waiting = awaiting(told, "late_package.inner")
    assert importlib.util.find_spec("late_package.inner") is not None
    assert importlib.util.find_spec("late_package.inner") is not None
    assert [] == told
    importlib.import_module("late_package.inner")
    importlib.reload(sys.modules["late_package.inner"])
    waiting.end()
    assert [("late_package.inner", True)] == told


def test_a_module_that_does_not_exist_fails_as_ever(late, told):
    """The error is Python's own."""
    waiting = awaiting(told, "late_package.none")
    with pytest.raises(ModuleNotFoundError, match="^No module named 'late_package.none'$"):
        importlib.import_module("late_package.none")
    waiting.end()
    assert [] == told


def test_a_module_that_raises_is_not_told(late, told):
    """Its error comes out, and it is waited for further."""
    (late / "inner.py").write_text("raise RuntimeError('broken')\n")
    waiting = awaiting(told, "late_package.inner")
    with pytest.raises(RuntimeError, match="^broken$"):
        importlib.import_module("late_package.inner")
    (late / "inner.py").write_text("ready = 'mended at last'\n")
    importlib.import_module("late_package.inner")
    waiting.end()
    assert [("late_package.inner", "mended at last")] == told


def test_a_finder_that_asks_all_finders_itself_is_no_end_of_asking(late, told, monkeypatch):
    """Other libraries follow imports in the same way, before us and after us."""
    class Other:
        asked = set()

        def find_spec(self, name, path=None, target=None):
            if not name.startswith("late_package.") or name in self.asked:
                return None
            self.asked.add(name)
            return importlib.util.find_spec(name)

    other = Other()
    waiting = awaiting(told, "late_package.inner")
    for place in (0, 1):
        sys.meta_path.insert(place, other)
        try:
            importlib.import_module("late_package.inner")
        finally:
            sys.meta_path.remove(other)
    waiting.end()
    assert [("late_package.inner", True)] == told


def test_a_loader_that_takes_no_attributes_loads_as_ever(late, told, monkeypatch):
    """Frozen and built-in modules are loaded by classes of the interpreter's, or by objects with slots."""
    class Loader:
        __slots__ = ()

        def create_module(self, spec):
            return None

        def exec_module(self, module):
            module.ready = "slotted"

    class Finder:
        def find_spec(self, name, path=None, target=None):
            return importlib.util.spec_from_loader(name, Loader()) if name == "late_slotted" else None

    finder = Finder()
    waiting = awaiting(told, "late_slotted")
    sys.meta_path.append(finder)
    try:
        assert "slotted" == importlib.import_module("late_slotted").ready
    finally:
        sys.meta_path.remove(finder)
        sys.modules.pop("late_slotted", None)
        waiting.end()
    assert [] == told


def test_who_waits_no_longer_is_told_nothing(late, told):
    """The end may come while the module is being imported."""
    waiting = awaiting(told, "late_package.inner")
    spec = importlib.util.find_spec("late_package.inner")
    waiting.end()
    waiting.end()
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert [] == told
