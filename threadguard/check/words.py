"""Command lines taken apart: words, variables, options. No shell is interpreted: one plain command is read, no more.

What is not known here stays in a word as it is written, behind a mark, so that `is_known` tells and messages quote it.
"""

import os
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

from threadguard.check.source import CannotTell, Unreadable

MARK = "\ue000"
LONGEST = 64 * 1024
"""Characters of a command: none that is meant is longer, and variables in variables can grow for ever."""
LONGEST_VALUE, MOST = 2 * 1024, 4 * 1024 * 1024
"""Characters of a variable, and of all of them together: a file may fill one in a hundred thousand times."""
KNOWN, ASSUMED, UNKNOWN_OTHERS = "known", "assumed", "unknown"
NAME_THE_COMMAND = "name the command that it ends in: threadguard check -- COMMAND"
OPTIONS_THEMSELVES = "write the options themselves"
# The end of each piece is certain or the text is refused, so that no text is searched anew from each beginning.
_PIECE = re.compile(r"""(?P<blank>[ \t\n\r]+)|'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)
    |(?P<unknown>%s\$\{[^{}]*\}|\$\([^()]*\)|`[^`]*`)
    |(?P<bare>(?:\$\{[^{}]*\}|\$(?![({'"])|[^\s'"\\`;&|<>()$])+)|(?P<rest>.)""" % MARK, re.VERBOSE | re.DOTALL)
_VARIABLE = re.compile(r"(?P<marked>%s\$(?:\{[^{}]*\}|\w+))|\\(?P<escaped>[$\"\\`])|\$(?:(?P<name>[A-Za-z_]\w*)|"
                       r"\{(?P<braced>[A-Za-z_]\w*)(?:(?P<operator>:?[-+])(?P<other>[^{}]*))?\}|\{[^{}]*\}|\([^()]*\)|"
                       r"[@*#?!$\d({-])|`[^`]*`" % MARK)


class Word(str):
    """A word of a command line, which remembers how it is written."""

    written: str = ""

    @classmethod
    def of(cls, value: str, written: str = "") -> "Word":
        """*value*, which is *written* in another way where a variable or an option stands before it."""
        word = cls(value)
        word.written = shown(written or value)
        return word


@dataclass(frozen=True)
class Environment:
    """The environment of a command, as far as it is known."""

    variables: Mapping[str, Word] = field(default_factory=dict)
    kind: str = KNOWN
    """Of a variable that is not among them: `KNOWN` it is not set, `ASSUMED` the operator decides, or nobody knows."""
    others: str = ""
    """Who may set others, as the subject of a sentence: ``the platform``."""

    def having(self, given: Mapping[str, Optional[str]]) -> "Environment":
        """This one with other variables, and without those that are None."""
        found = {**self.variables, **{name: None if value is None else Word.of(value) for name, value in given.items()}}
        if sum(len(word or "") for word in found.values()) > MOST:
            raise Unreadable("its variables are longer than %d KiB" % (MOST // 1024))
        return replace(self, variables={name: word for name, word in found.items() if word is not None})


def is_known(word: str) -> bool:
    """Whether nothing in *word* is left to fill in."""
    return MARK not in word


def shown(word: str) -> str:
    """*word* as it is written."""
    return word.replace(MARK, "")


def expand(text: str, environment: Environment, literal: bool = False) -> Word:
    """*text* with the variables that are known; *literal* if a backslash in it is no escape. Raises `Unreadable`."""
    left = [LONGEST]

    def fill(match: "re.Match[str]") -> str:
        if match.group("marked") or match.group("escaped"):
            return match.group() if match.group("marked") or literal else match.group("escaped")
        value = environment.variables.get(match.group("name") or match.group("braced") or "")
        operator, other = match.group("operator") or "", match.group("other") or ""
        is_nameless = not (match.group("name") or match.group("braced"))
        if is_nameless or value is None and environment.kind != KNOWN or value is not None and not is_known(value):
            return MARK + match.group()
        if value is not None and len(value) > LONGEST_VALUE:
            raise Unreadable("the variable in %s is longer than %d KiB" % (match.group(), LONGEST_VALUE // 1024))
        is_set = value is not None and (bool(value) or not operator.startswith(":"))
        chosen = value if is_set and value is not None else other
        if operator.endswith("+"):
            chosen = other if is_set else ""
        left[0] -= len(chosen)
        if left[0] < 0:
            raise Unreadable("it is longer than %d KiB once its variables are filled in" % (LONGEST // 1024))
        return chosen
    return Word.of(_VARIABLE.sub(fill, text), text)


def plain(text: str, environment: Environment) -> List[Word]:
    """The words of *text* if a shell takes it for one plain command. Raises `CannotTell` for more, and `Unreadable`."""
    words: List[List[Word]] = [[]]
    for match in _PIECE.finditer(_bounded(text).replace("\\\n", " ").strip()):
        kind, piece = str(match.lastgroup), match.group()
        if kind == "bare" and piece.startswith("#") and not words[-1]:
            break
        if kind == "rest" and piece in "'\"`":
            raise Unreadable("%s is no command that a shell takes: a quotation mark is not closed" % shorten(text))
        if kind == "rest" or kind == "blank" and "\n" in piece:
            raise CannotTell("%s is a script for a shell, and not one plain command" % shorten(text), NAME_THE_COMMAND)
        if kind == "blank":
            words.append([])
        elif kind in ("bare", "double"):
            value = expand(match.group(kind), environment)
            # A value outside of quotation marks is split at its blanks.
            parts = value.split() if kind == "bare" and value != piece and is_known(value) else [value]
            for number, part in enumerate(parts):
                words += [[]] if number else []
                words[-1].append(Word.of(part, piece))
        else:
            words[-1].append(Word.of(MARK + shown(piece) if kind == "unknown" else match.group(kind), piece))
    return [Word.of("".join(word), "".join(part.written for part in word)) for word in words if word]


def split(text: str) -> List[str]:
    """The words of *text*, which no shell sees: a process manager or a server splits it. Raises `Unreadable`."""
    try:
        return shlex.split(_bounded(text))
    except ValueError as error:
        raise Unreadable("%s cannot be split into words: %s" % (shorten(text), error)) from None


def _bounded(text: str) -> str:
    if len(text) > LONGEST:
        raise Unreadable("the command is longer than %d KiB" % (LONGEST // 1024))
    return text


def shorten(text: str) -> str:
    """*text* as a message quotes it."""
    return repr(shown(text) if len(text) <= 80 else shown(text)[:77] + "...")


def program_of(word: str) -> str:
    """The name of the program that *word* starts, without its directory."""
    name = os.path.basename(shown(word).replace("\\", "/"))
    return name[:-4] if name.endswith(".exe") else name


class Given(NamedTuple):
    """What a command line gives."""

    options: Dict[str, List[Word]]
    """The values of each option, by its long form; of a flag, an empty word for each time that it is there."""
    words: List[str]
    """The arguments that are no options."""
    skipped: List[str]
    """Words that were taken for the value of an option that is in no table."""

    def last(self, option: str) -> Optional[Word]:
        """The value of *option* that counts, None if it is not there."""
        return self.options[option][-1] if option in self.options else None


def parse(words: Sequence[str], values: str, flags: str = "", stops: bool = False, others_take: bool = True) -> Given:
    """*words* taken apart by the options that take *values* and the *flags*. Raises `CannotTell` and `Unreadable`.

    A table names them, the short form first: ``"-k,--worker-class --threads"``. An option that is in no table is taken
    to have a value if the next word looks like one and *others_take* one. With *stops* options end at the first word
    that is none.
    """
    table = {form: (group.split(",")[-1], takes) for names, takes in ((values, True), (flags, False))
             for group in names.split() for form in group.split(",")}
    given, rest = Given({}, [], []), list(words)
    while rest:
        word = rest.pop(0)
        if word == "--" or stops and given.words:
            given.words.extend(rest if word == "--" else [word] + rest)
            break
        if word.startswith(MARK):
            raise CannotTell("%s may stand for any options" % shown(word), OPTIONS_THEMSELVES)
        if len(word) < 2 or not word.startswith("-"):
            given.words.append(word)
            continue
        option, equals, value = word.partition("=")
        if option not in table and not word.startswith("--"):  # some take long options with one dash
            option, equals, value = word[:2], word[2:], word[2:].lstrip("=")
            if option not in table and any("-" + letter in table for letter in value):
                raise CannotTell("%s may be several options in one" % shown(word), "write the options apart")
        longer = sorted(form for form in table if len(option) > 2 and form.startswith(option) and form[:2] == "--")
        if option not in table and longer:
            raise CannotTell("%s may be short for %s" % (option, " or ".join(longer)), "write the option in full")
        name, takes = table.get(option, ("", others_take and not equals))
        if not name and takes and rest and not rest[0].startswith("-"):
            if rest[0].startswith(MARK):
                raise CannotTell("%s may stand for any options" % shown(rest[0]), OPTIONS_THEMSELVES)
            given.skipped.append(rest.pop(0))
        elif name and takes:
            if not equals and not rest:
                raise Unreadable("%s has no value" % option)
            source = word if equals else rest.pop(0)
            written = getattr(source, "written", "") or shown(source)
            given.options.setdefault(name, []).append(Word.of(
                value if equals else source, written if equals else option + " " + written))
        elif name:
            given.options.setdefault(name, []).append(Word.of("", option))
            if equals and not word.startswith("--"):  # several flags in one word
                rest.insert(0, "-" + value)
    return given
