"""Command lines as a shell takes them apart: words, variables, several commands in one string.

What a variable or a substitution stands for is not guessed: it stays in the word as it is written.
"""

import re
import shlex
from typing import Callable, Iterator, List, Mapping, Match

from threadguard.preflight.model import Unreadable

_QUOTED = r"""'[^']*'|"(?:\\.|[^"\\])*"|\\."""
_SUBSTITUTION = re.compile(r"\$\([^()]*\)|`[^`]*`|\$\{[^{}]*\}")
_REDIRECTION = re.compile(r"(%s)|(?<!\S)(?:\d*(?:>>|<<|[<>])|&>>?)&?[ \t]*[^\s;&|<>'\"]+" % _QUOTED)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?[-?+=])([^{}]*))?\})")
_UNKNOWN = re.compile(r"\$\w|\$\{|\$\(|`")
_OPERATORS = set("();<>|&")
_LONGEST = 128 * 1024
"""Characters: Linux takes no longer argument (MAX_ARG_STRLEN), and shlex is slow."""


def _refuse_too_long(text: str) -> None:
    if len(text) > _LONGEST:
        raise Unreadable("the command is longer than %d KiB" % (_LONGEST // 1024))


def commands(text: str) -> Iterator[List[str]]:
    """The words of each simple command in *text*, in order; redirections are left out."""
    _refuse_too_long(text)
    kept: List[str] = []

    def keep(match: Match[str]) -> str:
        kept.append(match.group())
        return "\ue000%d\ue001" % (len(kept) - 1)

    def give_back(word: str) -> str:
        return re.sub("\ue000(\\d+)\ue001", lambda match: kept[int(match.group(1))], word)

    plain = _SUBSTITUTION.sub(keep, text.replace("\\\n", " "))
    plain = _REDIRECTION.sub(lambda match: match.group(1) or " ", plain).replace("\n", " ; ")
    lexer = shlex.shlex(plain, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: List[str] = []
    try:
        for token in lexer:
            if token and set(token) <= _OPERATORS:
                yield words
                words = []
            else:
                words.append(give_back(token))
    except ValueError as error:
        raise Unreadable("%r is no command that a shell takes: %s" % (text[:80], error)) from None
    yield words


def split(text: str) -> List[str]:
    """The words of *text*, which no shell sees: a process manager or a server splits it."""
    _refuse_too_long(text)
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Unreadable("%r cannot be split into words: %s" % (text[:80], error)) from None


def expand(word: str, env: Mapping[str, str], complete: bool = False) -> str:
    """*word* with the variables of *env* filled in.

    Of a variable that is not among them nothing is known, unless *env* is *complete*: then it is not set.
    """
    return _VARIABLE.sub(_filler(env, complete), word)


def _filler(env: Mapping[str, str], complete: bool) -> Callable[[Match[str]], str]:
    def fill(match: Match[str]) -> str:
        name, operator, alternative = match.group(1) or match.group(2), match.group(3) or "", match.group(4)
        value = env.get(name)
        if operator.endswith("+"):
            known = value is not None or complete
            return match.group() if not known else alternative if value else ""
        if value or (value is not None and not operator.startswith(":")):
            return value
        if not complete and value is None:
            return match.group()
        return alternative or "" if operator else ""
    return fill


def is_known(word: str) -> bool:
    """Whether nothing in *word* is left for a shell to fill in."""
    return _UNKNOWN.search(word) is None


def may_be_several(word: str) -> bool:
    """Whether *word* is nothing but a variable or a substitution, which may stand for any number of words."""
    return not is_known(word) and not re.sub(r"\$\w+", "", _SUBSTITUTION.sub("", word))
