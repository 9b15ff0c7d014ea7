"""What code goes on to call: its names and chains of attributes, resolved by looking at what they stand for now.

A middleware, a map of URLs or a lazy loader keeps an application under any name. So here nothing depends on a name: an
object leads to what its ``__call__`` asks it for, a method to what it asks its object for, and both to the globals,
closures and imports that they use. What is only asked for an attribute (``guard.stats()``) is not called. Code of the
standard library is not followed: the objects that it was given are.
"""

import dis
from functools import lru_cache, partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

from threadguard.process.facts import a_few, is_a, is_standard, loaded
from threadguard.rules.chains import MISSING, attribute, chains, value_of
from threadguard.rules.code import named_by
from threadguard.rules.reach import Reach, spread

_STEPS = 16
_OBJECTS = 800
_MEMBERS = 16
_PLAIN = (str, bytes, int, float, complex, type(None), ModuleType, CodeType)


def calls(start: Iterable[Any], goal: Callable[[object], bool], reach: Reach) -> bool:
    """Whether what *start* leads to would in the end call, or hand on, an object that *goal* accepts."""
    return any(map(goal, called_from(start, reach)))


def called_from(start: Iterable[Any], reach: Reach) -> Iterator[Any]:
    """What *start* leads to would in the end call, or hand on."""
    given = list(start)
    led_to = list(reach.reached(given))
    only_owners = {id(thing.__self__) for thing in led_to if is_a(thing, MethodType)} - set(map(id, given))
    return spread((thing for thing in led_to if id(thing) not in only_owners),
                  lambda thing: _from(thing, reach), _STEPS, _OBJECTS, _key)


def _key(thing: Any) -> int:
    """Identity; of a bound method, which is made anew each time, that of object and function."""
    return hash((id(thing.__self__), id(thing.__func__))) if is_a(thing, MethodType) else id(thing)


def _from(thing: Any, reach: Reach) -> Iterable[Any]:
    if is_a(thing, MethodType):
        return _of_function(thing.__func__, thing.__self__) if is_a(thing.__func__, FunctionType) else ()
    if is_a(thing, FunctionType):
        return _of_function(thing, MISSING)
    if is_a(thing, partial):
        return (thing.func, *thing.args, *thing.keywords.values())
    if is_a(thing, (tuple, list, dict)):
        return a_few(thing.values() if is_a(thing, dict) else thing, _MEMBERS)
    if is_a(thing, type):
        return [value for value in vars(thing).values() if is_a(value, FunctionType)]
    call = attribute(thing, "__call__")
    return (*reach.ways(thing), *((call,) if is_a(call, MethodType) else ()))


def _of_function(function: FunctionType, owner: Any) -> Iterator[Any]:
    """What the chains of *function* stand for, called on *owner*."""
    code = function.__code__
    if is_standard(function.__module__):
        return
    known = variables_of(function, owner)
    yield from function.__defaults__ or ()
    for chain in chains(code):
        thing = value_of(chain, known, function.__globals__)
        if thing is not MISSING:
            yield thing


def variables_of(function: FunctionType, owner: Any) -> Dict[str, Any]:
    """What is known of the variables of *function*, called on *owner*: that, what it closes over, and its imports."""
    code = function.__code__
    known: Dict[str, Any] = dict(_cells(function))
    if owner is not MISSING and code.co_argcount:
        known[code.co_varnames[0]] = owner
    known.update(_imported(code, function.__globals__))
    return known


def _cells(function: FunctionType) -> Iterator[Tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _imported(code: CodeType, namespace: Dict[str, Any]) -> Iterator[Tuple[str, Any]]:
    """The variables of *code* that it imports, functions in it included, and what they stand for if that is loaded."""
    package = "%s." % (namespace.get("__package__") or "")
    for name, module, member in _imports(code):
        found = loaded(module) or loaded(package + module)
        thing = loaded("%s.%s" % (module, member)) or attribute(found, member) if member else found
        if found is not None and thing is not MISSING:
            yield name, thing


@lru_cache(maxsize=512)
def _imports(code: CodeType) -> Tuple[Tuple[str, str, str], ...]:
    """Variable, module and attribute (empty for the module itself) of each import in *code*."""
    found: List[Tuple[str, str, str]] = []
    module = attribute = ""
    for one in dis.get_instructions(code):
        if isinstance(one.argval, CodeType):
            found += _imports(one.argval)
        elif one.opname == "IMPORT_NAME":
            module, attribute = str(one.argval), ""
        elif one.opname == "IMPORT_FROM":
            attribute = str(one.argval)
        elif module and one.opname.startswith("STORE_"):
            name = named_by(one)[0]
            found.append((str(name), module if attribute else module.partition(".")[0], attribute))
        elif not one.opname.startswith(("CACHE", "EXTENDED_ARG")):
            module = ""
    return tuple(found)
