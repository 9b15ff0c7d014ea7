"""A Dockerfile: CMD and ENTRYPOINT of its last stage, with ENV and WORKDIR.

The directory of the file is taken for its build context. A configuration file that the command names is looked for
where COPY takes it from, else there. Of an entrypoint that is a script nobody knows what it makes of the command.
"""

import json
import re
import shlex
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from threadguard.preflight import command_lines, shell
from threadguard.preflight.formats.image_paths import Image
from threadguard.preflight.model import CannotTell, Command, Item, Options, Unreadable
from threadguard.preflight.source import Source
from threadguard.preflight.wrappers import program_of

NAME = "Dockerfile"


class Line(NamedTuple):
    """CMD or ENTRYPOINT as it is written: the words of the exec form, or the text of the shell form."""

    words: Optional[Tuple[str, ...]]
    text: str
    line: Optional[int]


class Stage:
    """One stage of a Dockerfile, begun with what the stage that it is built from has."""

    def __init__(self, base: "Optional[Stage]" = None, context: str = ".") -> None:
        self.cmd: Optional[Line] = base.cmd if base else None
        self.has_own_cmd = False
        self.entrypoint: Optional[Line] = base.entrypoint if base else None
        self.env: Dict[str, str] = dict(base.env) if base else {}
        self.image: Image = base.image.derive() if base else Image(context)


def matches(text: Source) -> bool:
    """By its name."""
    name = text.name.lower()
    return name.startswith(("dockerfile", "containerfile")) or name.endswith((".dockerfile", ".containerfile"))


def read(text: Source, options: Options) -> Iterator[Item]:
    """What the last stage starts."""
    yield from read_stage(last_stage(text, text.directory), options, text.path)


def last_stage(text: Source, context: str, target: Optional[str] = None) -> Stage:
    """The stage that a build from the directory *context* ends with: the last one, or *target*."""
    stages: Dict[str, Stage] = {}
    stage: Optional[Stage] = None
    for instruction, rest, line in _instructions(text):
        if instruction == "FROM":
            words = [word for word in rest.split() if not word.startswith("--")]
            stage = Stage(stages.get(words[0].lower()) if words else None, context)
            stages[(words[2] if len(words) > 2 else str(len(stages))).lower()] = stage
        elif stage is not None:
            _obey(stage, instruction, rest, line, stages)
    chosen = stage if target is None else stages.get(target.lower())
    if chosen is None:
        raise Unreadable("it has no FROM" if target is None else "it has no stage %r" % target, text.path)
    return chosen


def read_stage(stage: Stage, options: Options, file: str) -> List[Item]:
    """What *stage* starts; *file* is where its command stands."""
    words, line = _started(stage)
    if words is None:
        raise CannotTell("it has neither CMD nor ENTRYPOINT: its base image decides", file=file)
    items = command_lines.read(Command(
        tuple(words), stage.env, stage.image.workdir, options, file, line, locate=stage.image.locate))
    if items:
        return items
    if re.search(r"(entrypoint|\.sh$|start|run)", program_of(words[0]).lower()):
        raise CannotTell("what %s makes of its arguments is not known" % words[0], file=file, line=line)
    raise CannotTell("%s is no server that threadguard knows" % words[0], file=file, line=line)


def _started(stage: Stage) -> Tuple[Optional[List[str]], Optional[int]]:
    """The words of the container's first process."""
    cmd, entrypoint = stage.cmd, stage.entrypoint
    if entrypoint is None:
        return (_words_of(cmd), cmd.line) if cmd else (None, None)
    if entrypoint.words is None or cmd is None:  # the shell form ignores CMD
        return _words_of(entrypoint), entrypoint.line
    return list(entrypoint.words) + _words_of(cmd), cmd.line or entrypoint.line


def _words_of(line: Line) -> List[str]:
    return list(line.words) if line.words is not None else ["/bin/sh", "-c", line.text]


def line_of(rest: str, line: Optional[int]) -> Line:
    """*rest* of a CMD or ENTRYPOINT, in the exec form if it is JSON's."""
    try:
        words = json.loads(rest)
    except (ValueError, RecursionError):
        words = None
    is_exec = isinstance(words, list) and words and all(isinstance(word, str) for word in words)
    return Line(tuple(words) if is_exec else None, rest, line)


def _obey(stage: Stage, instruction: str, rest: str, line: int, stages: Dict[str, Stage]) -> None:
    if instruction == "CMD":
        stage.cmd, stage.has_own_cmd = line_of(rest, line), True
    elif instruction == "ENTRYPOINT":
        stage.entrypoint = line_of(rest, line)
        stage.cmd = stage.cmd if stage.has_own_cmd else None  # ENTRYPOINT resets a CMD of the base image
    elif instruction == "WORKDIR":
        stage.image.enter(shell.expand(rest.strip(), stage.env))
    elif instruction == "ENV":  # a value of ARG is that of the build, which is not known
        stage.env.update(_assignments(rest, stage.env))
    elif instruction == "RUN":
        stage.image.run(rest)
    elif instruction in ("COPY", "ADD"):
        stage.image.copy(shell.expand(rest, stage.env), {name: each.image for name, each in stages.items()})


def _assignments(rest: str, env: Dict[str, str]) -> Dict[str, str]:
    try:
        words = shlex.split(rest)
    except ValueError:
        words = rest.split()
    if words and "=" not in words[0]:  # ENV NAME the rest of the line
        words = [words[0] + "=" + rest.strip()[len(words[0]):].strip()]
    pairs = (word.partition("=") for word in words if "=" in word)
    return {name: shell.expand(value, env) for name, _, value in pairs}


def _instructions(text: Source) -> Iterator[Tuple[str, str, int]]:
    escape = re.match(r"#\s*escape\s*=\s*`", text.text, re.IGNORECASE)
    end = "`" if escape else "\\"
    pending, start, until = "", 0, ""
    for number, line in enumerate(text.lines, 1):
        if until:  # in a heredoc
            until = "" if line.strip() == until else until
            continue
        if line.lstrip().startswith("#") or pending and not line.strip():
            continue
        start = start if pending else number
        if line.rstrip().endswith(end):
            pending += line.rstrip()[:-1] + " "
            continue
        whole, pending = (pending + line).strip(), ""
        heredoc = re.search(r"<<-?\s*[\"']?(\w+)[\"']?", whole)
        until = heredoc.group(1) if heredoc and re.match(r"(RUN|COPY|ADD)\b", whole, re.IGNORECASE) else ""
        instruction, _, rest = whole.partition(" ")
        if instruction:
            yield instruction.upper(), rest.strip(), start
