"""What a shell's script starts: its simple commands, each with the variables and the directory that it gets.

Nobody knows here which way a script takes. So every command of it counts, whichever branch it stands in, and what only
one way sets is not known after it: ``T=8; [ "$SMALL" ] && T=1`` leaves a T of which nothing is known.
"""

import re
from dataclasses import dataclass, replace
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional

from threadguard.preflight import shell
from threadguard.preflight.model import CannotTell, Command, Unreadable
from threadguard.preflight.source import join

ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?)=(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*$")
_OPERATOR = re.compile(r"&&|\|\|?|;|&|\(|\)|[<>]")
_SET_BY_DEFAULT = re.compile(r"\$\{(\w+):?=")
_DECLARES = ("export", "declare", "typeset", "readonly", "local")
_MOST, _DEEPEST = 1000, 50
_READS = ("read", "mapfile", "readarray", "getopts", "let", "printf")
"""They set the variables that are among their words."""
_RUNS = (".", "source", "eval", "alias")
_OPENS = ("if", "while", "until")
_CLOSES = ("fi", "done", "esac", "}")


class _State(NamedTuple):
    env: Dict[str, str]
    """Never changed: what changes it makes another."""
    directory: str


@dataclass
class _Block:
    kind: str
    """The word or the parenthesis that opens it; ``()`` for the body of a function, empty for the script itself."""
    before: _State
    start: _State
    """Where the list of commands that is being read began."""
    link: Optional[_State] = None
    """Where the part of that list began that only runs if what is before it ended as it should."""
    operator: str = ""
    """The one at `link`."""
    is_pattern: bool = False
    """In a ``case``, before the parenthesis of a pattern."""


def commands(text: str, command: Command) -> Iterator[Command]:
    """The simple commands of *text*, started as *command* is.

    Raises `CannotTell` for what may set any variable; of scripts that are sourced only that of a virtual environment is
    known to set none.
    """
    reader = _Reader(command)
    for number, (words, operators) in enumerate(shell.commands(text)):
        if number == _MOST:
            raise Unreadable("a script of more than %d commands" % _MOST)
        words = reader.take_keywords(words)
        is_command = words and not reader.block.is_pattern and not operators.startswith("()")
        found = reader.run(words) if is_command else None
        if found is not None:
            yield found
        reader.obey(operators, words)


def assign(env: Dict[str, str], word: str, complete: bool) -> None:
    """Obey the assignment *word* in *env*."""
    match = ASSIGNMENT.match(word)
    if match:
        name, appends, value = match.groups()
        env[name] = (env.get(name, "" if complete else _unknown(name)) if appends else "") + value


def _unknown(name: str) -> str:
    """The value of a variable of which nothing is known: itself, which `shell.is_known` denies."""
    return "${%s}" % name


def _either(one: _State, other: _State) -> _State:
    """What is known if the shell is in one of two states."""
    env = {name: one.env[name] if one.env.get(name) == other.env.get(name) else _unknown(name)
           for name in [*one.env, *other.env]}
    same = one.directory == other.directory
    return _State(env, one.directory if same else "%s or %s" % (one.directory, other.directory))


class _Reader:
    def __init__(self, command: Command) -> None:
        self._command = command
        self._state = _State(dict(command.env), command.directory)
        self._blocks = [_Block("", self._state, self._state)]
        self._is_function = False

    @property
    def block(self) -> _Block:
        """The innermost block that is open."""
        return self._blocks[-1]

    def take_keywords(self, words: List[str]) -> List[str]:
        """Obey the shell's own words that *words* begin with; what is left is a command, if any."""
        while words:
            word, rest = words[0], words[1:]
            if word in _OPENS or word == "{":
                self._open("()" if self._is_function else word)
            elif word in _CLOSES:
                self._close()
            elif word in ("else", "elif"):
                self._end_list()
                self._go(_either(self.block.before, self._state))
            elif word in ("for", "select", "case"):
                self._open(word)
                self.block.is_pattern = word == "case"
                self._forget(rest[:1] if word != "case" else [])
                return []
            elif word == "function":
                self._is_function = True
                rest = rest[1:]
            elif word not in ("then", "do", "!"):
                return words
            words = rest
        return words

    def obey(self, operators: str, words: List[str]) -> None:
        """Obey the *operators* after *words*."""
        if operators.startswith("()") and len(words) == 1:
            self._is_function, operators = True, operators[2:]
        if operators.startswith(";;") and self.block.kind == "case":
            self._end_list()
            self._go(_either(self.block.before, self._state))
            self.block.is_pattern, operators = True, operators[2:]
        for operator in _OPERATOR.findall(operators):
            if operator == "(":
                self._open(operator)
            elif operator == ")":
                self._close_parenthesis()
            elif operator == ";":
                self._end_list()
            elif operator == "&":
                self._go(self.block.start)  # a shell of its own runs the list
            elif operator in ("&&", "||", "|"):
                self._link(operator)

    def run(self, raw: List[str]) -> Optional[Command]:
        """The command that *raw* is; None for one of the shell's own that changes its state."""
        state, complete = self._state, self._command.env_is_complete
        declares = raw[0] in _DECLARES
        if declares or all(map(ASSIGNMENT.match, raw)):
            self._declare([shell.expand(word, state.env, complete) for word in raw[declares:]])
            return None
        words = [field for word in raw for field in shell.fields(word, state.env, complete)]
        self._forget(name for word in raw for name in _SET_BY_DEFAULT.findall(word) if not state.env.get(name))
        own = _OWN.get(words[0]) if words else None
        if own is not None:
            own(self, words)
        return None if own or not words else replace(
            self._command, words=tuple(words), env=state.env, directory=state.directory)

    def _open(self, kind: str) -> None:
        self._is_function = False
        if len(self._blocks) > _DEEPEST:
            raise Unreadable("a script of more than %d blocks in each other" % _DEEPEST)
        self._blocks.append(_Block(kind, self._state, self._state))

    def _close(self) -> None:
        self._end_list()
        if len(self._blocks) == 1:
            return
        block = self._blocks.pop()
        if block.kind == "(":
            self._state = block.before
        elif block.kind != "{":
            self._state = _either(block.before, self._state)

    def _close_parenthesis(self) -> None:
        if self.block.is_pattern:
            self.block.is_pattern = False
        elif self.block.kind == "(":
            self._close()

    def _end_list(self) -> None:
        block = self.block
        if block.link is not None:
            self._state = _either(block.link, self._state)
        self._go(self._state)

    def _go(self, state: _State) -> None:
        """Begin a list in *state*."""
        self._state = self.block.start = state
        self.block.link = None

    def _link(self, operator: str) -> None:
        """Begin a part of a list that may not run. After ``a && b`` c of ``a && b && c`` can rely on both."""
        block = self.block
        if block.link is not None and (operator, block.operator) == ("&&", "&&"):
            return
        if block.link is not None:
            self._state = _either(block.link, self._state)
        block.link, block.operator = self._state, operator

    def _forget(self, names: Iterable[str]) -> None:
        changed = {name: _unknown(name) for name in names if _NAME.match(name)}
        self._state = self._state._replace(env={**self._state.env, **changed})

    def _declare(self, words: List[str]) -> None:
        env = dict(self._state.env)
        for word in words:
            if ASSIGNMENT.match(word):
                assign(env, word, self._command.env_is_complete)
            elif not _NAME.match(word) and not re.match(r"[-+]", word):
                raise CannotTell("%s may set any variable" % word[:80])
        self._state = self._state._replace(env=env)

    def _unset(self, words: List[str]) -> None:
        self._state = self._state._replace(
            env={name: value for name, value in self._state.env.items() if name not in words})

    def _change_directory(self, words: List[str]) -> None:
        directory = join(self._state.directory, words[1]) if len(words) == 2 else " ".join(words)
        self._state = self._state._replace(directory=directory)

    def _read(self, words: List[str]) -> None:
        self._forget([re.split(r"\W", word, maxsplit=1)[0] for word in words[1:]])

    def _source(self, words: List[str]) -> None:
        if words[-1].rpartition("/")[2] != "activate":
            raise CannotTell("%s may set any variable" % " ".join(words)[:80])


_OWN: Dict[str, Callable[[_Reader, List[str]], None]] = {
    **dict.fromkeys(("cd", "pushd", "popd"), _Reader._change_directory), **dict.fromkeys(_READS, _Reader._read),
    **dict.fromkeys(_RUNS, _Reader._source), "unset": _Reader._unset,
}
