"""Whether the application of a PasteDeploy file has a guard of threadguard's before it."""

import re
from typing import Any, Iterator, List

from threadguard.model import Finding
from threadguard.options import OptionError, from_strings
from threadguard.preflight.model import CannotTell, Item, Unreadable
from threadguard.preflight.pastedeploy import Ini

_GUARD = re.compile(r"egg:\s*threadguard(#main)?$|(call:)?threadguard\.paste:filter_factory$", re.IGNORECASE)
_URLMAPS = ("egg:paste#urlmap", "paste.urlmap:urlmap_factory", "egg:rutter#urlmap", "rutter.urlmap:urlmap_factory")
_CASCADES = ("egg:paste#cascade", "paste.cascade:make_cascade")


def findings(ini: Ini, name: str = "main") -> Iterator[Item]:
    """TG104 for each application behind *name* that no filter guards; TG901 for a guard with a wrong option.

    An application that the file does not have, or that PasteDeploy refuses, is not judged here: what serves it is.
    """
    if ini.kinds is None or not ini.has_apps():
        return
    try:
        look = _Look(ini)
        for section in look.unguarded(ini.context(ini.kinds.APP, name), name):
            yield _not_guarded(ini, section)
        yield from look.wrong
    except CannotTell:
        return
    except RecursionError:
        raise Unreadable("its sections use each other in a circle", ini.text.path) from None


class _Look:
    def __init__(self, ini: Ini) -> None:
        self._kinds = ini.kinds
        self._ini = ini
        self.wrong: List[Finding] = []

    def unguarded(self, context: Any, name: str) -> List[str]:
        """The applications of *context*, which is that of the section *name*, that have no guard before them."""
        kind = context.object_type
        if kind is self._kinds.PIPELINE:
            guarded = [self._is_guard(each) for each in context.filter_contexts]
            return [] if any(guarded) else self.unguarded(context.app_context, name)
        if kind in (self._kinds.FILTER_WITH, self._kinds.FILTER_APP):
            if self._is_guard(context.filter_context):
                return []
            return self.unguarded(context.next_context, name)
        mounted = _mounted(context)
        if not mounted:
            return [name]
        found = [self.unguarded(context.loader.get_context(self._kinds.APP, each, context.global_conf), each)
                 for each in mounted]
        return [each for section in found for each in section]

    def _is_guard(self, context: Any) -> bool:
        if context.object_type is self._kinds.FILTER_WITH:  # a filter with a filter of its own
            guarded = [self._is_guard(context.filter_context), self._is_guard(context.next_context)]
            return any(guarded)
        if not _GUARD.match(str(context.object)):
            return False
        try:
            from_strings(context.local_conf, "a threadguard section of %s" % self._ini.text.path)
        except OptionError as error:
            option = re.search(r"option '?(\w+)", str(error))
            line = self._ini.text.line_of(r"^%s\s*[=:]" % option.group(1)) if option else None
            sentence = re.sub("^TG901 ", "", str(error))
            self.wrong.append(Finding("TG901", sentence, "threadguard refuses to start with it",
                                      "mend or remove the option", self._ini.text.path, line))
        return True


def _mounted(context: Any) -> List[str]:
    """The names of the applications that a composite mounts, if it is one that is known."""
    factory, settings = str(context.object).lower(), context.local_conf
    if factory in _URLMAPS:
        return [value for key, value in settings.items() if key.startswith(("/", "http", "domain")) or "_app" in key]
    if factory in _CASCADES:
        return [value for key, value in settings.items() if re.match(r"app\d*$", key)]
    return []


def _not_guarded(ini: Ini, name: str) -> Finding:
    line = ini.text.line_of(r"^\[(app|application|composite|composit|pipeline|filter-app)(:[ \t]*%s[ \t]*)?\]"
                            % re.escape(name))
    return Finding(
        "TG104", "the application %r is not guarded" % name,
        "no filter-with, [pipeline:] or [filter-app:] of this file leads to egg:threadguard before it",
        "filter-with = threadguard in its section, and [filter:threadguard] with use = egg:threadguard",
        ini.text.path, line)
