"""PasteDeploy's ini files: what its own loader makes of a section, without loading any application, filter or server.

``use = egg:…`` and ``call:…`` stay names here; everything else (``[DEFAULT]``, ``%(here)s``, ``set``, ``get``, ``use =
config:other.ini``, pipelines and filters) is PasteDeploy's own work (paste/deploy/loadwsgi.py, 1.5 to 3.1). Without
PasteDeploy a plain section is read by configparser, which PasteDeploy is built on, and nothing else.
"""

import configparser
import os
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Type

from threadguard.preflight import arguments, source
from threadguard.preflight.model import CannotTell, Unreadable
from threadguard.preflight.source import Source

_INSTALL = "pip install threadguard[paste]"


class Section(NamedTuple):
    """A section as its factory would get it."""

    factory: str
    """``egg:waitress#main``, ``call:module:function`` or ``module:function``."""
    settings: Dict[str, str]


class Ini:
    """One file. All methods raise `Unreadable` where PasteDeploy itself would refuse it, and `CannotTell`."""

    def __init__(self, text: Source, variables: Optional[Mapping[str, str]] = None) -> None:
        self.text = text
        self._variables = dict(variables or {})
        self._loader = arguments.optional("paste.deploy.loadwsgi")
        self._file: Any = None

    def servers(self) -> List[str]:
        """The names of the [server:] sections."""
        names = re.findall(r"^\[server(?::([^\]\n]*)|[ \t]*)\]", self.text.text, re.MULTILINE)
        return [name.strip(" \t") or "main" for name in names]

    def has_apps(self) -> bool:
        """Whether there is an application in it."""
        return re.search(r"^\[(app|application|composite|composit|pipeline|filter-app)(:|\])", self.text.text,
                         re.MULTILINE) is not None

    def server(self, name: str) -> Section:
        """The section [server:*name*]."""
        if self._loader is None:
            return _plain(self.text, "server:" + name)
        context = self.context(self._loader.SERVER, name)
        return Section(str(context.object), dict(context.local_conf))

    def context(self, kind: Any, name: str) -> Any:
        """PasteDeploy's LoaderContext of the section *name* of *kind*, whose ``object`` is the name of its factory."""
        try:
            if self._file is None:
                self._file = _loader_class(self._loader)(self.text)
                self._file.update_defaults(self._variables, overwrite=False)
            return self._file.get_context(kind, name, dict(self._variables))
        except (Unreadable, CannotTell):
            raise
        except RecursionError:
            raise Unreadable("its sections use each other in a circle", self.text.path) from None
        except configparser.InterpolationError as error:
            raise Unreadable(_first_line(error), self.text.path, _line_of(self.text, error)) from None
        except Exception as error:  # noqa: B902  PasteDeploy raises LookupError, ValueError, configparser's and others
            raise Unreadable(_first_line(error), self.text.path, getattr(error, "lineno", None)) from None

    @property
    def kinds(self) -> Any:
        """The module with PasteDeploy's object types, or None without PasteDeploy."""
        return self._loader


def _loader_class(module: Any) -> Type[Any]:
    class Loader(module.ConfigLoader):  # type: ignore[misc]
        """PasteDeploy's loader of a file, that leaves factories alone."""

        def __init__(self, text: Source) -> None:
            _refuse_blanks(text)
            super().__init__(text.path)

        def get_context(self, object_type: Any, name: Any = None, global_conf: Any = None) -> Any:
            if not self.absolute_name(name):
                return super().get_context(object_type, name, global_conf)
            scheme, rest = name.split(":", 1)
            if scheme.lower() != "config":
                factory = name if scheme.lower() == "egg" else rest
                return module.LoaderContext(factory, object_type, None, dict(global_conf or {}), {}, self)
            path, _, section = rest.partition("#")
            other = Loader(source.read(source.join(os.path.dirname(self.filename), path)))
            other.update_defaults(global_conf or {}, overwrite=False)
            return other.get_context(object_type, section or "main", global_conf)

        def _context_from_explicit(self, object_type: Any, local_conf: Any, global_conf: Any, global_addition: Any,
                                   section: str) -> Any:
            groups = object_type.egg_protocols
            protocols = [protocol for group in groups for protocol in group if protocol in local_conf]
            if len(protocols) != 1:
                raise LookupError("section %r names no factory, or several" % section)
            factory = local_conf.pop(protocols[0])
            return module.LoaderContext(factory, object_type, protocols[0], global_conf, local_conf, self)

    return Loader


_BLANKS = re.compile(r"\S[^\S\n]{200}")


def _refuse_blanks(text: Source) -> None:
    """Raise `Unreadable` for many blanks in a row in a line: configparser looks at each once for every other one."""
    found = _BLANKS.search(text.text)
    if found:
        line = text.text.count("\n", 0, found.start()) + 1
        raise Unreadable("a line has more than 200 blanks in a row", text.path, line)


def _plain(text: Source, section: str) -> Section:
    """*section* where PasteDeploy is missing."""
    _refuse_blanks(text)
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string(text.text)
    except configparser.Error as error:
        raise Unreadable(_first_line(error), text.path, getattr(error, "lineno", None)) from None
    if not parser.has_section(section):
        raise Unreadable("it has no section [%s]" % section, text.path)
    settings = {key: value for key, value in parser.items(section) if key not in parser.defaults()}
    factory = settings.pop("use", "")
    plain = re.match("egg:", factory) and not any(re.match("[sg]et ", key) for key in settings)
    if not plain or any("%" in value for value in settings.values()):
        raise CannotTell("PasteDeploy is not installed here, which reads this section", _INSTALL, text.path)
    return Section(factory, settings)


def _first_line(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "it is not in UTF-8, and PasteDeploy reads no other encoding"
    said = getattr(error, "message", None) or (error.args[0] if error.args else error)  # configparser's have a message
    return " ".join(str(said).split())[:300] or type(error).__name__


def _line_of(text: Source, error: configparser.InterpolationError) -> Optional[int]:
    return text.line_of(r"^%s\s*[=:]" % re.escape(error.option), after=r"^\[%s\]" % re.escape(error.section))
