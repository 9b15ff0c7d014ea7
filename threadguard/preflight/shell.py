"""Command lines as a shell takes them apart: words, variables, several commands in one string.

What a variable or a substitution stands for is not guessed: it stays in the word as it is written.
"""

import re
import shlex
from typing import Callable, Iterator, List, Mapping, Match, Tuple

from threadguard.preflight.model import Unreadable

_QUOTED = r"""'[^']*'|"(?:\\.|[^"\\])*"|\\."""
_ARITHMETIC = re.compile(r"\$\(\((?:[^()]|\([^()]*\))*\)\)")
_SUBSTITUTION = re.compile(r"\$\([^()]*\)|`[^`]*`|\$\{[^{}]*\}")
_REDIRECTION = re.compile(r"(%s)|(?<!\S)(?:\d*(?:>>|<<|[<>])|&>>?)&?[ \t]*(?:%s|[^\s;&|<>'\"])+" % (_QUOTED, _QUOTED),
                          re.DOTALL)
_COMMENT = re.compile(r"(%s)|(?<![^\s;&|()])#[^\n]*" % _QUOTED, re.DOTALL)
_PIECE = re.compile(r"(?P<quoted>%s)|(?P<bare>\ue000\d+\ue001|\$)" % _QUOTED, re.DOTALL)
_KEPT = re.compile("\ue000(\\d+)\ue001")
_SPLIT, _LITERAL, _BLANK = "\ue002", "\ue003", "\ue004"
"""What follows is no string, so a shell splits what it stands for; a dollar sign that is only that; where it splits."""
_VARIABLE = re.compile(r"(\ue002?)\$(?:([A-Za-z_]\w*)|\{(\w+)(?:(:?[-?+=])([^{}]*))?\})")
_UNKNOWN = re.compile(r"\$[\w@*#?!$-]|\$\{|\$\(|`")
_OPERATORS = set("();<>|&")
_DEEPEST = 10
"""Substitutions in substitutions: each level is another look at the whole text."""
_LONGEST = 128 * 1024
"""Characters: Linux takes no longer argument (MAX_ARG_STRLEN), and shlex is slow."""
_TOO_LONG = "the command is longer than %d KiB" % (_LONGEST // 1024)


def _refuse_too_long(text: str) -> None:
    if len(text) > _LONGEST:
        raise Unreadable(_TOO_LONG)


def commands(text: str) -> Iterator[Tuple[List[str], str]]:
    """The words of each simple command in *text*, in order, and the operators after it; redirections are left out.

    The words are for `expand` or `fields`.
    """
    _refuse_too_long(text)
    plain, kept = _keep(text.replace("\\\n", " "))
    plain = _COMMENT.sub(lambda match: match.group(1) or "", plain)
    plain = _REDIRECTION.sub(lambda match: match.group(1) or " ", plain)
    plain = _PIECE.sub(lambda match: _marked(match, kept), plain).replace("\n", " ; ")
    lexer = shlex.shlex(plain, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: List[str] = []
    try:
        for token in lexer:
            if token and set(token) <= _OPERATORS:
                yield words, token
                words = []
            else:
                words.append(_give_back(token, kept))
    except ValueError as error:
        raise Unreadable("%r is no command that a shell takes: %s" % (text[:80], error)) from None
    yield words, ""


def _keep(text: str) -> Tuple[str, List[str]]:
    """*text* with a mark for each substitution in it, the inner ones first, and what the marks stand for."""
    kept: List[str] = []

    def keep(match: Match[str]) -> str:
        kept.append(match.group())
        return "\ue000%d\ue001" % (len(kept) - 1)

    text = _ARITHMETIC.sub(keep, text)
    for _ in range(_DEEPEST):
        text = _SUBSTITUTION.sub(keep, text)
    return text, kept


def _give_back(word: str, kept: List[str]) -> str:
    while _KEPT.search(word):
        word = _KEPT.sub(lambda match: kept[int(match.group(1))], word)
    return word


def _marked(match: Match[str], kept: List[str]) -> str:
    """A piece with a mark where a shell splits what a variable stands for, and one for a dollar sign by itself."""
    if match.group("bare"):
        return _SPLIT + match.group()
    if match.group()[0] == "'" or match.group() == "\\$":
        return _give_back(match.group(), kept).replace("\\$" if match.group() == "\\$" else "$", _LITERAL)
    return match.group().replace("\\$", _LITERAL)


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
    return _unmarked(_VARIABLE.sub(_filler(env, complete, ""), word))


def fields(word: str, env: Mapping[str, str], complete: bool = False) -> List[str]:
    """The words that a shell makes of *word*: a value outside of quotes may be several, or none."""
    filled = _VARIABLE.sub(_filler(env, complete, _BLANK), word)
    if _SPLIT not in word or _BLANK not in filled and _unmarked(filled):
        return [_unmarked(filled)]
    return [_unmarked(part) for part in filled.split(_BLANK) if _unmarked(part)]


def _unmarked(word: str) -> str:
    return word.replace(_SPLIT, "").replace(_LITERAL, "$")


def _filler(env: Mapping[str, str], complete: bool, blank: str) -> Callable[[Match[str]], str]:
    left = [_LONGEST]

    def fill(match: Match[str]) -> str:
        value = _value(match, env, complete)
        left[0] -= len(value)  # T=$T$T sixty times over fills any memory
        if left[0] < 0:
            raise Unreadable(_TOO_LONG)
        if not match.group(1) or not blank or not re.search(r"\s", value):
            return value
        return re.sub(r"\s+", blank, value) if is_known(value) else match.group()
    return fill


def _value(match: Match[str], env: Mapping[str, str], complete: bool) -> str:
    name, operator, alternative = match.group(2) or match.group(3), match.group(4) or "", match.group(5)
    value = env.get(name)
    if operator.endswith("+"):
        known = value is not None or complete
        return match.group() if not known else alternative if value else ""
    if value or (value is not None and not operator.startswith(":")):
        return value
    if not complete and value is None or name.isdigit():
        return match.group()
    return alternative or "" if operator else ""


def is_known(word: str) -> bool:
    """Whether nothing in *word* is left for a shell to fill in."""
    return _UNKNOWN.search(word) is None


def may_be_several(word: str) -> bool:
    """Whether *word* is nothing but a variable or a substitution, which may stand for any number of words."""
    return not is_known(word) and not re.sub(r"\$[\w@*]+", "", _SUBSTITUTION.sub("", word))
