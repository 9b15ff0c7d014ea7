"""PasteDeploy's ini files: what serves the application, and whether it is guarded; and the commands that serve them.

``use = egg:…`` and ``call:…`` stay names here; everything else is PasteDeploy's own work: ``[DEFAULT]``, ``%(here)s``,
``set``, ``get``, ``use = config:other.ini``, pipelines and filters (paste/deploy/loadwsgi.py, 1.5 to 3.1). Without
PasteDeploy a plain section is read by configparser, which PasteDeploy is built on, and nothing else.
"""

import configparser
import os
import re
from dataclasses import replace
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from threadguard.check.model import Command, Item, Server, at_most, explain
from threadguard.check.source import CannotTell, Source, Tree, Unreadable, first_line, parse_ini
from threadguard.check.words import program_of, shown
from threadguard.model import Finding, Reading
from threadguard.options import OptionError, check_together, from_strings
from threadguard.servers import pastedeploy
from threadguard.servers.main_thread import finding_on_main

SECTION = r"^\[(server|app|application|composite|composit|pipeline|filter-app|filter)(:[^\]\n]*)?\]"
_APPS = "(app|application|composite|composit|pipeline|filter-app)"
_REFERENCE = re.compile(r"%\(([^()\n]+)\)s")
_DEAREST = 1000 * 1000
_FACTORIES = {egg.lower(): runner for egg, runner in pastedeploy.EGGS.items()}
_GUNICORN = "gunicorn.app.pasterapp:serve"
_GUARD = re.compile(r"egg:\s*threadguard(#main)?$|(call:)?threadguard\.paste:filter_factory$", re.IGNORECASE)
_URLMAPS = ("egg:paste#urlmap", "paste.urlmap:urlmap_factory", "egg:rutter#urlmap", "rutter.urlmap:urlmap_factory")
_CASCADES = ("egg:paste#cascade", "paste.cascade:make_cascade")


def read_file(text: Source, command: Command) -> Iterator[Item]:
    """What serves the application: any of the sections may, as long as ``--server-name`` chooses none."""
    ini = Ini(text, command.tree)
    chosen = command.options.server_name
    names = [chosen] if chosen else at_most([name.strip(" \t") or "main" for name in re.findall(
        r"(?m)^\[server(?::([^\]\n]*)|[ \t]*)\]", text.text)], "[server:] sections")
    if not names and text.line_of(r"^\[uwsgi\]") is None:
        error: Exception = CannotTell("no [server:] section says what serves the application", "", text.path)
        yield explain(error, "the server")
    for name in names:
        try:
            yield read_section(ini, name, text.directory)
        except (CannotTell, Unreadable) as error:
            error.file = error.file or text.path
            yield explain(error, "the server of [server:%s]" % name)
    command.assumed.append("the command that serves it names no other server")
    yield from unguarded(ini)


def read_command(command: Command) -> Iterator[Item]:
    """The section that ``gearbox serve``, ``pserve`` or ``paster serve`` chooses, and the guard behind it."""
    program = program_of(command.words[0])
    gearbox, is_pserve = program.startswith("gearbox"), "pserve" in program
    given = command.parse(
        "-n,--app-name -s,--server --server-name --reload-interval" + ("" if is_pserve else " -c,--config --pid-file"
                                                                       " --user --group --log-file"),
        "--reload --monitor-restart --status --stop-daemon --daemon -v,--verbose -q,--quiet -b,--browser --debug")
    words = given.words if is_pserve else given.words[1:]
    if not is_pserve and given.words[:1] != ["serve"]:
        return
    if given.skipped:
        raise CannotTell("%r may belong to an option, or be the configuration file" % shown(given.skipped[0]))
    if not gearbox and not words:
        raise Unreadable("%s is given no configuration file" % program)
    name: str = (given.last("--config") or "development.ini") if gearbox else words.pop(0)
    name, _, fragment = name.partition("#")
    variables = dict(word.partition("=")[::2] for word in words if "=" in word)
    ini = Ini(command.read(re.sub(r"^config:(//)?", "", name), "the command"), command.tree, variables)
    server = given.last("--server")
    if server:
        egg = "%s#%s" % ("egg:gearbox" if gearbox else "egg:pyramid" if is_pserve else "egg:PasteScript", server)
        ini.served_by.append(_judge(egg, {}, egg, None, command.directory or ""))
        yield ini.served_by[0]
    else:
        yield read_section(ini, given.last("--server-name") or fragment or "main", command.directory or "")
    yield from unguarded(ini, given.last("--app-name") or fragment or "main")


def read_section(ini: "Ini", name: str, directory: str) -> Reading:
    """The capacity of [server:*name*], served from *directory*. Raises `CannotTell` and `Unreadable`."""
    if ini.kinds is None:
        factory, settings = _plain(ini.text, "server:" + name)
    else:
        context = ini.context(ini.kinds.SERVER, name)
        factory, settings = str(context.object), dict(context.local_conf)
    ini.served_by.append(_judge(factory, settings, "server:" + name, ini.text, directory))
    return ini.served_by[-1]


def _judge(written: str, settings: Dict[str, str], title: str, text: Optional[Source], directory: str) -> Reading:
    """The capacity of the section *title* with these *settings*; without a *text* it is a name on the command line.

    Its factory is *written* as ``egg:waitress#main``, ``call:module:function`` or ``module:function``.
    """
    factory = re.sub(r"^egg:\s*([^#]*)", lambda match: "egg:" + match.group(1).strip().replace("_", "-"),
                     written.strip())
    runner, file = _FACTORIES.get(factory.lower(), written), text.path if text else None
    lines = pastedeploy.find_lines(file, title)
    line = lines.get("use")
    if runner not in pastedeploy.RUNNERS:
        raise CannotTell("[%s] is served by %s, which threadguard does not know" % (title, written), "", file, line)
    if runner == _GUNICORN and ("config" in settings or os.path.exists(os.path.join(directory, "gunicorn.conf.py"))):
        raise CannotTell("gunicorn reads a configuration file beneath [%s]" % title,
                         "check that file, or start gunicorn with --paste: threadguard check -- gunicorn --paste FILE",
                         file, line)
    try:
        reading = pastedeploy.read_settings(runner, settings, title, file)
    except (pastedeploy.NotTaken, OverflowError) as error:
        line = lines.get(getattr(error, "option", ""), line)
        raise Unreadable("[%s], %s: %s" % (title, written, error), file, line) from None
    options = [option for option in pastedeploy.RUNNERS[runner].options if option in settings]
    if reading is None:
        raise CannotTell("[%s], %s: what %s gives is not known" % (title, written, ", ".join(
            "%s = %s" % (option, settings[option]) for option in options)), "", file,
            lines.get(options[0], line) if options else line)
    if text is not None and reading.line and reading.line in [lines.get(option) for option in options]:
        quoted = ", ".join(text.lines[lines[option] - 1].strip()[:100] for option in options if option in lines)
        reading = replace(reading, evidence="%s in [%s]" % (quoted, title))
    return reading


class Ini:
    """One file. All methods raise `Unreadable` where PasteDeploy itself would refuse it, and `CannotTell`."""

    def __init__(self, text: Source, tree: Tree, variables: Optional[Mapping[str, str]] = None) -> None:
        self.text, self.tree, self._variables = text, tree, dict(variables or {})
        self.served_by: List[Reading] = []
        """What was read of its [server:] sections, or of the command that serves it instead."""
        self._file: Any = None
        try:
            from paste.deploy import loadwsgi
            self.kinds: Any = loadwsgi
            """The module with PasteDeploy's object types, or None without PasteDeploy."""
        except ImportError:
            self.kinds = None

    def context(self, kind: Any, name: str) -> Any:
        """PasteDeploy's LoaderContext of the section *name* of *kind*, whose ``object`` is the name of its factory."""
        try:
            if self._file is None:
                self._file = _load(self.kinds, self.tree, self.text)
                self._file.update_defaults(self._variables, overwrite=False)
            return self._file.get_context(kind, name, dict(self._variables))
        except (Unreadable, CannotTell):
            raise
        except RecursionError:
            raise Unreadable("its sections use each other in a circle", self.text.path) from None
        except configparser.InterpolationError as error:
            line = self.text.line_of(r"^%s\s*[=:]" % re.escape(error.option), r"^\[%s\]" % re.escape(error.section))
            raise Unreadable(first_line(error), self.text.path, line) from None
        except Exception as error:  # noqa: B902  PasteDeploy raises LookupError, ValueError, configparser's and others
            raise Unreadable(first_line(error), self.text.path, getattr(error, "lineno", None)) from None


def _load(module: Any, tree: Tree, text: Source) -> Any:
    """PasteDeploy's loader of a file, that leaves factories alone."""
    asked: List[str] = []

    class Loader(module.ConfigLoader):  # type: ignore[misc]
        def __init__(self, text: Source) -> None:
            _refuse_bombs(text)
            super().__init__(text.path)

        def get_context(self, object_type: Any, name: Any = None, global_conf: Any = None) -> Any:
            asked.append(name)
            if len(asked) > 300:
                raise Unreadable("its sections use each other in a circle, or are more than 300", text.path)
            if not self.absolute_name(name):
                return super().get_context(object_type, name, global_conf)
            scheme, rest = name.split(":", 1)
            if scheme.lower() != "config":
                factory = name if scheme.lower() == "egg" else rest
                return module.LoaderContext(factory, object_type, None, dict(global_conf or {}), {}, self)
            path, _, section = rest.partition("#")
            other = Loader(tree.read(tree.join(os.path.dirname(self.filename), path)))
            other.update_defaults(global_conf or {}, overwrite=False)
            return other.get_context(object_type, section or "main", global_conf)

        def _context_from_explicit(self, object_type: Any, local_conf: Any, global_conf: Any, global_addition: Any,
                                   section: str) -> Any:
            protocols = [protocol for group in object_type.egg_protocols for protocol in group
                         if protocol in local_conf]
            if len(protocols) != 1:
                raise LookupError("section %r names no factory, or several" % section)
            factory = local_conf.pop(protocols[0])
            return module.LoaderContext(factory, object_type, protocols[0], global_conf, local_conf, self)

    return Loader(text)


def _refuse_bombs(text: Source) -> configparser.RawConfigParser:
    """*text* without interpolation. Raises `Unreadable` for values of values that configparser takes for ever with."""
    parser = parse_ini(text)
    total = 0
    for section in parser.sections():
        values, costs = dict(parser.items(section)), {}  # type: Dict[str, str], Dict[str, int]
        total += sum(_cost(name, values, costs, 0) for name in values)
        if total > _DEAREST:
            raise Unreadable("its values are longer than %d characters once they are filled in" % _DEAREST, text.path,
                             text.line_of(r"^\[%s\]" % re.escape(section)))
    return parser


def _cost(name: str, values: Mapping[str, str], costs: Dict[str, int], depth: int) -> int:
    """The work to fill in the value *name*: its length, and that of each that it contains."""
    if name not in costs and depth < 12:  # configparser gives up at 10
        costs[name] = 0  # a value of itself
        value = values.get(name) or ""
        costs[name] = 1 + len(value) + sum(_cost(each, values, costs, depth + 1) for each in _REFERENCE.findall(value))
    return costs.get(name, 0)


def _plain(text: Source, section: str) -> Tuple[str, Dict[str, str]]:
    """The factory and the settings of *section* where PasteDeploy is missing."""
    parser = _refuse_bombs(text)
    if not parser.has_section(section):
        raise Unreadable("it has no section [%s]" % section, text.path)
    settings = {key: value for key, value in parser.items(section) if key not in parser.defaults()}
    factory = settings.pop("use", "")
    if not factory.startswith("egg:") or any(re.match("[sg]et ", key) or "%" in settings[key] for key in settings):
        raise CannotTell("PasteDeploy is not installed here, which reads this section",
                         "pip install threadguard[paste]", text.path)
    return factory, settings


def unguarded(ini: Ini, name: str = "main") -> Iterator[Item]:
    """TG104 for each application behind *name* that no filter guards; TG901 for a guard with a wrong option, TG105
    for one that wants the main thread where its server has none.

    An application that the file does not have, or that PasteDeploy refuses, is not judged here: what serves it is.
    """
    if ini.kinds is None or ini.text.line_of(r"^\[%s(:|\])" % _APPS) is None:
        return
    wrong: List[Finding] = []
    try:
        for section in _unguarded(ini, ini.context(ini.kinds.APP, name), name, wrong, set()):
            yield Finding(
                "TG104", "the application %r is not guarded" % section,
                "no filter-with, [pipeline:] or [filter-app:] of this file leads to egg:threadguard before it",
                "filter-with = threadguard in its section, and [filter:threadguard] with use = egg:threadguard",
                ini.text.path, ini.text.line_of(r"^\[%s(:[ \t]*%s[ \t]*)?\]" % (_APPS, re.escape(section))))
        yield from wrong
    except CannotTell:
        return
    except RecursionError:
        raise Unreadable("its sections use each other in a circle", ini.text.path) from None


def _unguarded(ini: Ini, context: Any, name: str, wrong: List[Finding], seen: Set[str]) -> List[str]:
    """The applications of *context*, which is that of the section *name*, that have no guard before them."""
    kinds, kind = ini.kinds, context.object_type
    if kind in (kinds.PIPELINE, kinds.FILTER_WITH, kinds.FILTER_APP):
        filters = context.filter_contexts if kind is kinds.PIPELINE else [context.filter_context]
        if any([_is_guard(each, ini, wrong) for each in filters]):
            return []
        inner = context.app_context if kind is kinds.PIPELINE else context.next_context
        return _unguarded(ini, inner, name, wrong, seen)
    factory, found = str(context.object).lower(), []  # type: str, List[str]
    mounted = [value for key, value in context.local_conf.items()
               if factory in _URLMAPS and (key.startswith(("/", "http", "domain")) or "_app" in key)
               or factory in _CASCADES and re.match(r"app\d*$", key)]
    for each in dict.fromkeys(mounted):
        if each not in seen:
            seen.add(each)
            inner = context.loader.get_context(kinds.APP, each, context.global_conf)
            found += _unguarded(ini, inner, each, wrong, seen)
    return found if mounted else [name]


def _is_guard(context: Any, ini: Ini, wrong: List[Finding]) -> bool:
    if context.object_type is ini.kinds.FILTER_WITH:  # a filter with a filter of its own
        return any([_is_guard(each, ini, wrong) for each in (context.filter_context, context.next_context)])
    if not _GUARD.match(str(context.object)):
        return False
    source = "a threadguard section of %s" % ini.text.path
    try:
        given = from_strings(context.local_conf, source)
        check_together(given, source)
    except OptionError as error:
        option = re.search(r"option '?(\w+)", str(error))
        line = ini.text.line_of(r"^%s\s*[=:]" % option.group(1)) if option else None
        wrong.append(Finding("TG901", re.sub("^TG901 ", "", str(error)), "threadguard refuses to start with it",
                             "mend or remove the option", ini.text.path, line))
        return True
    if given.get("thread") == "main":
        wrong += filter(None, map(finding_on_main, ini.served_by))
    return True


COMMAND = Server("the [server:] section", ("gearbox", "pserve", "paster", "pyramid.scripts.pserve", "gearbox.main"),
                 read_command)
