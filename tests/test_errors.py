"""What the package raises: one base class for all of it, and the standard exceptions that it was before."""

import importlib
import pickle

import pytest

import threadguard
from threadguard import errors
from threadguard.model import THREADED, Finding, Verdict

STANDARD = {
    "OptionError": ValueError, "ThreadedDeploymentError": RuntimeError, "LoadError": RuntimeError,
    "ProbeError": RuntimeError, "SharingError": OSError, "Busy": TimeoutError, "StillInside": TimeoutError,
}


@pytest.mark.parametrize("name", sorted(STANDARD))
def test_each_is_a_threadguard_error_and_the_standard_one_that_fits(name):
    """A caller may catch either."""
    kind = getattr(threadguard, name)
    assert issubclass(kind, threadguard.ThreadguardError) and issubclass(kind, STANDARD[name])
    assert (kind.__module__, kind.__qualname__) == ("threadguard", name)


def test_all_of_them_are_exported():
    """No exception of the module is missing, neither here nor in the package."""
    found = {name for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, Exception)}
    assert found == {"ThreadguardError", *STANDARD}
    assert found <= set(threadguard.__all__)


@pytest.mark.parametrize("module, name", [("options", "OptionError"), ("guard.policies", "ThreadedDeploymentError"),
                                          ("wsgi", "LoadError"), ("observe.probe", "ProbeError")])
def test_each_is_still_found_where_it_was(module, name):
    """An import that worked keeps working."""
    assert getattr(importlib.import_module("threadguard." + module), name) is getattr(threadguard, name)


def test_a_refusal_comes_out_of_a_child_process_as_it_is():
    """Pools of processes pickle what their workers raise."""
    refusal = errors.ThreadedDeploymentError(Verdict(THREADED, 4, findings=(Finding("TG101", "four at once"),)))
    again = pickle.loads(pickle.dumps(refusal))
    assert (type(again), str(again), again.verdict) == (type(refusal), "TG101 four at once", refusal.verdict)
