"""The arguments of a server's command, by a table of the options that matter, or by the server's own parser.

A table names the options that take a value and the flags, short form first: ``"-k,--worker-class --threads"``. An
option that is in no table is taken to have a value if the next word looks like one; the word is remembered, since it
may be something else.
"""

import importlib
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from threadguard.preflight import shell, source
from threadguard.preflight.model import CannotTell, Unreadable


# Options that take a value with every server that has them.
_TAKE_A_VALUE = frozenset("""
    --host --port --bind --listen --url --uds --fd --workers --processes --timeout --log-level --log-config --pid --user
    --group --name --root-path --chdir --access-logfile --error-logfile --keyfile --certfile --socket --http
    --http-socket --uid --gid --env --pidfile --max-requests -p -b -w
""".split())


class Given(NamedTuple):
    """What a command line gives."""

    options: Dict[str, List[str]]
    """The values of each option, by its long form; of a flag, an empty string for each time that it is there."""
    words: List[str]
    """The arguments that are no options."""
    skipped: List[str]
    """Words that were taken for the value of an option that is in no table."""

    def last(self, option: str) -> Optional[str]:
        """The value of *option* that counts, None if it is not there."""
        return self.options[option][-1] if option in self.options else None


class _Table:
    def __init__(self, values: str, flags: str) -> None:
        self.long: Dict[str, Tuple[str, bool]] = {}
        for names, takes_value in ((values, True), (flags, False)):
            for group in names.split():
                forms = group.split(",")
                self.long.update((form, (forms[-1], takes_value)) for form in forms)

    def find(self, option: str) -> Optional[Tuple[str, bool]]:
        """The long form of *option*, and whether it takes a value; None if it is in no table."""
        if option in self.long:
            return self.long[option]
        if option.startswith("--") and len(option) > 2:
            longer = sorted(form for form in self.long if form.startswith(option))
            if longer:
                raise CannotTell("%s may be short for %s" % (option, " or ".join(longer)), "write the option in full")
        return None


def parse(words: Sequence[str], values: str, flags: str = "") -> Given:
    """*words* taken apart by the options that take *values* and the *flags*. Raises `CannotTell`."""
    table = _Table(values, flags)
    given = Given({}, [], [])
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            given.words.extend(rest)
            break
        if len(word) < 2 or not word.startswith("-"):
            if shell.may_be_several(word):
                raise CannotTell("%s may stand for any options" % word)
            given.words.append(word)
        elif word.startswith("--"):
            _take_long(word, rest, table, given)
        else:
            _take_short(word, rest, table, given)
    return given


def _take_long(word: str, rest: List[str], table: _Table, given: Given) -> None:
    option, equals, value = word.partition("=")
    known = table.find(option)
    if known is None:
        if not equals:
            _skip_value(option, rest, given)
    elif not known[1]:
        given.options.setdefault(known[0], []).append("")
    else:
        given.options.setdefault(known[0], []).append(value if equals else _next(option, rest))


def _take_short(word: str, rest: List[str], table: _Table, given: Given) -> None:
    option, attached = word[:2], word[2:]
    known = table.find(option) or table.find(word)  # some take long options with one dash
    if known is None:
        if any("-" + letter in table.long for letter in attached):
            raise CannotTell("%s may be several options in one" % word, "write the options apart")
        if not attached:
            _skip_value(option, rest, given)
    elif known[1]:
        given.options.setdefault(known[0], []).append(attached.lstrip("=") if attached else _next(option, rest))
    else:
        given.options.setdefault(known[0], []).append("")
        if attached and option == word[:2] and word not in table.long:
            _take_short("-" + attached, rest, table, given)


def _next(option: str, rest: List[str]) -> str:
    if not rest:
        raise Unreadable("%s has no value" % option)
    return rest.pop(0)


def _skip_value(option: str, rest: List[str], given: Given) -> None:
    if rest and not re.match(r"-\D", rest[0]):
        refuse_unknown_words((option, rest[0]))
        given.skipped.append(rest.pop(0))


def optional(module: str) -> Any:
    """The module of a server's package if it is installed beside threadguard, else None."""
    try:
        return importlib.import_module(module)
    except Exception:  # noqa: B902  a package that cannot be imported here is as good as none
        return None


def by_click(module: str, command: str, words: Sequence[str]) -> Optional[Dict[str, Any]]:
    """*words* as the parser of a click command takes them apart, by parameter; None if it is not installed.

    Raises `Unreadable` if the command would refuse them. Nothing of the command is called but its parser.
    """
    click = optional("click")
    owner = optional(module)
    target = getattr(owner, command, None)
    if click is None or target is None:
        return None
    try:
        with click.Context(target) as context:
            found: Dict[str, Any] = target.make_parser(context).parse_args(list(words))[0]
    except click.UsageError as error:
        raise Unreadable("%s refuses it: %s" % (module.partition(".")[0], error.format_message())) from None
    return found


def path(directory: str, name: str, what: str) -> str:
    """The file that *what* names, seen from *directory*. Raises `CannotTell` for a name that is not known here."""
    if not shell.is_known(name):
        raise CannotTell("%s is %s, which is not known here" % (what, name))
    return source.join(directory, name)


def number(value: Any, what: str, file: Optional[str] = None, line: Optional[int] = None) -> int:
    """*value* of the setting *what* as a number. Raises `CannotTell`, or `Unreadable` where it can be none."""
    if isinstance(value, str) and not shell.is_known(value):
        raise CannotTell("%s is %s, which is not known here" % (what, value), file=file, line=line)
    try:
        return int(value)
    except (TypeError, ValueError):
        raise Unreadable("%s is %.80r, which is no number" % (what, value), file, line) from None


def from_env(env: Mapping[str, str], prefix: str, name: str) -> Optional[str]:
    """The variable that click's ``auto_envvar_prefix`` makes of the parameter *name*; None where it is not set."""
    return env.get("%s_%s" % (prefix, name.upper())) or None


def refuse_unknown_words(words: Sequence[str], values: str = "") -> None:
    """Raise `CannotTell` for a word that is nothing but a variable, unless it is the value of an option of *values*.

    For a parser that would take it for a word like any other: it may stand for any options.
    """
    taking = set(values.replace(",", " ").split()).union(_TAKE_A_VALUE)
    for before, word in zip([""] + list(words), words):
        if shell.may_be_several(word) and before not in taking:
            raise CannotTell("%s may stand for any options" % word)
