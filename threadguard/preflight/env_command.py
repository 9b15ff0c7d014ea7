"""``env``: what the options of GNU's make of the environment, the directory and the words that it starts."""

from dataclasses import replace
from typing import List, Tuple

from threadguard.preflight import shell
from threadguard.preflight.model import Command
from threadguard.preflight.source import join

_LONG = {"--ignore-environment": "i", "--unset": "u", "--chdir": "C", "--split-string": "S"}
_WITH_VALUE = "uCSa"
"""Short options (coreutils, src/env.c) that take the rest of their word, or the next one."""


def unwrap(command: Command) -> Command:
    """What ``env`` starts; the assignments in front of it are still among its words."""
    env, words, complete = dict(command.env), list(command.words[1:]), command.env_is_complete
    directory = command.directory
    while words and words[0].startswith("-"):
        if words[0] == "--":
            words.pop(0)
            break
        for letter, value in _take(words):
            if letter == "i":
                env, complete = {}, True
            elif letter == "u":
                env.pop(value, None)
            elif letter == "C":
                directory = join(directory, value)
            elif letter == "S":
                words = shell.split(value) + words
    return replace(command, words=tuple(words), env=env, env_is_complete=complete, directory=directory)


def _take(words: List[str]) -> List[Tuple[str, str]]:
    """The options in the first of *words*, which is taken from them, as their letters, each with its value."""
    word = words.pop(0)
    if word == "-":
        return [("i", "")]
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        letter = _LONG.get(name, "")
        return [(letter, words.pop(0) if letter in _WITH_VALUE and letter and not equals and words else value)]
    found: List[Tuple[str, str]] = []
    for number, letter in enumerate(word[1:], 2):
        if letter in _WITH_VALUE:
            return found + [(letter, word[number:] or (words.pop(0) if words else ""))]
        found.append((letter, ""))
    return found
