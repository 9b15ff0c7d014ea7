"""Files that start commands in containers: Dockerfile, compose file, Kubernetes manifest.

Each reader gives words, what is known of the environment, and a line; nothing else. What an image holds is not known
here: a file that a command names in it cannot be read.
"""

import json
import os
import re
import shlex
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from threadguard.check.command_lines import read_parts
from threadguard.check.model import Command, Item, Part, at_most
from threadguard.check.source import CannotTell, Source, Unreadable, child, compose, is_null, line_of, pairs
from threadguard.check.source import sequence, text_of
from threadguard.check.words import ASSUMED, MARK, UNKNOWN_OTHERS, Environment, Word, expand, is_known, shown, split
from threadguard.check.starters import NO_SERVER, of_file

_HEREDOC = re.compile(r"(?<!<)<<-?[\"']?([A-Za-z_]\w*)[\"']?(?=\s|$)")
_NO_SERVER = re.compile(
    r"([\w.-]+(:\d+)?/)*(postgres|postgresql|postgis|pgbouncer|mysql|mariadb|redis|valkey|memcached|rabbitmq|mongo|"
    r"mongodb|elasticsearch|opensearch|solr|nginx|traefik|caddy|haproxy|minio|mailhog|mailpit|maildev|adminer|"
    r"pgadmin4?|grafana|prometheus|jaeger|zookeeper|kafka|influxdb|certbot|localstack|clickhouse-server)(:[\w.-]+)?"
    r"(@sha256:\w+)?$")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:|github\.com/|oci:")
_VARIABLE = re.compile(r"\$(\$|\{|[A-Za-z_]\w*)")


@dataclass
class Stage:
    """What a Dockerfile says of the container of one stage."""

    base: str
    """The image that the first stage is built from; empty where its entrypoint does not count."""
    environment: Environment
    file: str
    line: int = 0
    """Where its command stands."""
    cmd: Optional[Tuple[str, ...]] = None
    entrypoint: Optional[Tuple[str, ...]] = None
    is_here: bool = True
    """Whether a file here builds it."""
    takes_words: bool = True
    """Whether CMD gives the arguments of ENTRYPOINT: to its shell form it does not."""
    has_own_cmd: bool = False
    shell: Tuple[str, ...] = ("/bin/sh", "-c")


def read_dockerfile(text: Source, command: Command) -> Iterable[Item]:
    """What the last stage starts."""
    stage = last_stage(text)
    part = Part("the image", partial(_of_stage, stage, command), stage.line or None)
    return read_parts([part], "commands", text.path)


def last_stage(text: Source, target: Optional[str] = None) -> Stage:
    """The last stage of a Dockerfile, or *target*, with what it has from the stages that it is built from."""
    stages: Dict[str, Stage] = {}
    stage: Optional[Stage] = None
    for instruction, rest, line in at_most(list(_instructions(text)), "instructions", 3000):
        if instruction == "FROM":
            words = [word for word in rest.split() if not word.startswith("--")] or [""]
            base = stages.get(words[0].lower()) or Stage(words[0], Environment(
                {}, ASSUMED, "the platform or the base image " + words[0]), text.path)
            stage = replace(base, has_own_cmd=False)
            stages[(words[2] if len(words) > 2 else str(len(stages))).lower()] = stage
        elif stage is not None:
            _obey(stage, instruction, rest, line)
    chosen = stage if target is None else stages.get(target.lower())
    if chosen is None:
        raise Unreadable("it has no FROM" if target is None else "it has no stage %r" % target, text.path)
    return chosen


def _obey(stage: Stage, instruction: str, rest: str, line: int) -> None:
    if instruction in ("CMD", "ENTRYPOINT", "SHELL"):
        try:
            words = json.loads(rest)
        except (ValueError, RecursionError):
            words = None
        is_exec = isinstance(words, list) and all(isinstance(word, str) for word in words)
        found = tuple(words) if is_exec else (*stage.shell, rest)
        if instruction == "SHELL":
            stage.shell = found
            return
        stage.line = line if instruction == "CMD" or not is_exec or not stage.has_own_cmd else stage.line
        if instruction == "CMD":
            stage.cmd, stage.has_own_cmd = found, True
        else:  # it resets a CMD of the base image
            stage.entrypoint, stage.takes_words, stage.cmd = found, is_exec, stage.cmd if stage.has_own_cmd else None
    elif instruction == "ENV":  # a value of ARG is that of the build, which is not known
        try:
            given = shlex.split(rest)
        except ValueError:
            given = rest.split()
        if given and "=" not in given[0]:  # ENV NAME the rest of the line
            given = [given[0] + "=" + rest.strip()[len(given[0]):].strip()]
        pairs_given = (word.partition("=") for word in at_most(given, "variables", 1000))
        stage.environment = stage.environment.having({
            name: expand(value, stage.environment) for name, _, value in pairs_given})


def _instructions(text: Source) -> Iterator[Tuple[str, str, int]]:
    end = "`" if re.match(r"#\s*escape\s*=\s*`", text.text, re.IGNORECASE) else "\\"
    pending: List[str] = []
    start, until = 0, []  # type: int, List[str]
    for number, line in enumerate(text.lines, 1):
        if until:  # in a here document
            until = until[1:] if line.strip() == until[0] else until
            continue
        if line.lstrip().startswith("#") or pending and not line.strip():
            continue
        start = start if pending else number
        if line.rstrip().endswith(end):
            pending.append(line.rstrip()[:-1])
            continue
        whole, pending = " ".join(pending + [line]).strip(), []
        instruction, _, rest = whole.replace("\t", " ").partition(" ")
        until = _HEREDOC.findall(whole) if instruction.upper() in ("RUN", "COPY", "ADD") else []
        if instruction:
            yield instruction.upper(), rest.strip(), start


def _of_stage(stage: Stage, command: Command) -> Command:
    """The command of the container's first process, started from *command*."""
    command = replace(command, environment=stage.environment, directory=None, elsewhere="the working directory of the"
                      " image", file=stage.file, line=stage.line, assumed=[], doubts=[])
    if stage.entrypoint is None and stage.cmd is None:
        raise CannotTell("it has neither CMD nor ENTRYPOINT: its base image decides")
    if stage.entrypoint is None and stage.base and not stage.is_here:
        command.doubts.append(CannotTell("the image %s, which no file here builds, may have an entrypoint that starts"
                                         " the command in another way" % shown(stage.base), "give the entrypoint too"))
    elif stage.entrypoint is None and stage.base:
        command.assumed.append("the image %s has no entrypoint of its own" % shown(stage.base))
    words = (stage.entrypoint or ()) + (stage.cmd or () if stage.takes_words else ())
    return replace(command, words=tuple(word if isinstance(word, Word) else Word.of(word) for word in words))


_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDES = ("compose.override.yml", "compose.override.yaml", "docker-compose.override.yml",
              "docker-compose.override.yaml")
"""The first of these is read too, if it lies beside a file of a default name (compose-go, cli/options.go)."""
Layers = List[Tuple[Any, Source]]
"""The nodes of a service, each with the file that it stands in; the last that has an option counts."""


def read_compose(text: Source, command: Command) -> Iterable[Item]:
    """What the services of a project start: of the file, its override, and those that it includes."""
    parts = list(_parts(text, command, []))
    if not parts:
        raise Unreadable("it has no services", text.path)
    return read_parts(parts, "services", text.path)


def _parts(text: Source, command: Command, files: List[str]) -> Iterator[Part]:
    files.append(text.path)
    beside = (command.tree.join(text.directory, name) for name in _OVERRIDES if text.name in _NAMES)
    found: Dict[str, Layers] = {}
    included: Layers = []
    for each in [text] + [command.tree.read(path) for path in beside if os.path.lexists(path)][:1]:
        root = compose(each)[0]
        for name, node in pairs(child(root, "services")):
            found.setdefault(str(name.value), []).append((node, each))
        for item in sequence(child(root, "include")):
            included += [(node, each) for node in sequence(item if text_of(item) is not None else child(item, "path"))]
    for name, layers in found.items():
        yield Part("the service " + name, partial(_service, layers, command), line_of(layers[0][0]) - 1)
    for node, owner in included:
        path = _interpolated(text_of(node))
        whole = command.tree.join(owner.directory, path)
        if len(files) >= 20:
            yield _refused(path, Unreadable("its files include each other in a circle, or are more than 20", text.path),
                           line_of(node))
        elif not _REMOTE.match(path) and is_known(path) and command.tree.has(whole):
            yield from _parts(command.tree.read(whole), command, files)
        else:
            yield _refused(path, CannotTell("%s is not among the files that are checked" % shown(path),
                                            "check it by itself"), line_of(node))


def _refused(path: str, error: Exception, line: int) -> Part:
    def start() -> Command:
        raise error
    return Part("the file " + shown(path), start, line)


def _extended(service: Any, text: Source, command: Command, depth: int) -> Layers:
    """*service* of *text* with those that it extends before it."""
    extends = child(service, "extends")
    name, path = text_of(extends) or text_of(child(extends, "service")), text_of(child(extends, "file"))
    if depth > 20:
        raise Unreadable("its services extend each other in a circle", text.path)
    if name is None:
        return [(service, text)]
    other = text if path is None else command.tree.read(command.tree.join(text.directory, path))
    base = child(compose(other)[0], "services", name)
    if base is None:
        raise Unreadable("it has no service %r" % name, other.path)
    return _extended(base, other, command, depth + 1) + [(service, text)]


def _service(layers: Layers, command: Command) -> Command:
    layers = [each for node, owner in layers for each in _extended(node, owner, command, 0)]

    def last(name: str) -> Tuple[Any, Source]:
        found = [(child(service, name), text) for service, text in layers]
        return next((each for each in reversed(found) if not is_null(each[0])), (None, layers[-1][1]))
    image, build = _interpolated(text_of(last("image")[0])), last("build")
    if build[0] is None and _NO_SERVER.match(image):
        return replace(command, words=NO_SERVER)
    has_words = last("entrypoint")[0] is not None or last("command")[0] is not None
    stage = _foreign(image) if build[0] is None else _built(*build, command, has_words)
    for name in ("entrypoint", "command"):
        node, owner = last(name)
        whole = split(_interpolated(text_of(node))) if getattr(node, "id", "") == "scalar" else [
            _interpolated(text_of(item)) for item in sequence(node)]
        if node is not None and name == "entrypoint":
            stage.entrypoint, stage.cmd, stage.base, stage.takes_words = tuple(whole), None, "", True
        elif whole:
            stage.cmd = tuple(whole)
        if whole:
            stage.file, stage.line = owner.path, line_of(node)
    for node, owner in layers:
        stage.environment = _environment(node, owner, stage.environment, command)
    return _of_stage(stage, command)


def _foreign(image: str) -> Stage:
    """Of an image that no file here builds nothing is known."""
    others = "the image %s, which no file here builds," % (shown(image) or "of the service")
    return Stage(image or "of the service", Environment({}, UNKNOWN_OTHERS, others), "", is_here=False)


def _built(node: Any, text: Source, command: Command, has_words: bool) -> Stage:
    """The image as its Dockerfile says."""
    context = _interpolated(text_of(node) or text_of(child(node, "context")) or ".")
    name, inline = _interpolated(text_of(child(node, "dockerfile")) or "Dockerfile"), child(node, "dockerfile_inline")
    path = command.tree.join(command.tree.join(text.directory, context), name)
    try:
        if inline is None and (_REMOTE.match(context) or not is_known(context + name)):
            raise CannotTell("its image is built from %s, whose Dockerfile is not here" % shown(context + " " + name),
                             "check the Dockerfile where it is", text.path, line_of(node))
        # A block begins below its name.
        return last_stage(command.tree.read(os.path.normpath(path)) if inline is None else Source(
            text.path, "\n" * line_of(inline) + (text_of(inline) or "")), text_of(child(node, "target")))
    except CannotTell:
        if not has_words:
            raise
        return _foreign("built from " + context)


def _interpolated(text: Optional[str]) -> str:
    """*text* with a mark before each variable: compose fills it in from a shell that is not known here."""
    return _VARIABLE.sub(lambda match: "$" if match.group(1) == "$" else MARK + match.group(), text or "")


def _environment(service: Any, text: Source, environment: Environment, command: Command) -> Environment:
    for each in sequence(child(service, "env_file")):
        path = _interpolated(text_of(each) or text_of(child(each, "path")))
        whole = command.tree.join(text.directory, path)
        if is_known(path) and command.tree.has(whole):
            environment = of_file(whole, environment, command.tree)
        elif text_of(child(each, "required")) != "false" or not command.tree.holds(whole):
            environment = replace(environment, kind=UNKNOWN_OTHERS,
                                  others="env_file %s, which is not here," % shown(path))
    node = child(service, "environment")
    given = {str(key.value): text_of(value) for key, value in pairs(node)}
    for item in sequence(node) if not given else ():
        name, equals, value = (text_of(item) or "").partition("=")
        given[name] = value if equals else None
    return environment.having({name: "%s$%s" % (MARK, name) if written is None else _interpolated(written)
                               for name, written in given.items()})  # without a value: as the host has it


def read_kubernetes(text: Source, command: Command) -> Iterable[Item]:
    """What the containers of all its objects start: ``command`` takes the place of the image's entrypoint."""
    parts: List[Part] = []
    nodes = [(root, "") for root in compose(text)]
    for count, (node, key) in enumerate(nodes):
        if count > 20000:
            raise Unreadable("it has more than 20000 values", text.path)
        nodes += [(value, str(name.value)) for name, value in pairs(node)]
        nodes += [(each, key) for each in sequence(node) if node.id == "sequence"]
        if key in ("containers", "initContainers") and text_of(child(node, "name")):
            parts.append(Part("the container %s" % text_of(child(node, "name")), partial(
                _container, node, key, text, command), line_of(node)))
    if not parts:
        raise CannotTell("it has no containers", "", text.path)
    return read_parts(parts, "containers", text.path)


def _container(node: Any, key: str, text: Source, command: Command) -> Command:
    image = text_of(child(node, "image")) or ""
    if _NO_SERVER.match(image) or key == "initContainers" and text_of(child(node, "restartPolicy")) != "Always":
        return replace(command, words=NO_SERVER)
    stage = _foreign(image)
    given = {text_of(child(each, "name")) or "": text_of(child(each, "value")) for each in sequence(child(node, "env"))}
    stage.environment = stage.environment.having({name: value or MARK + "$" + name for name, value in given.items()})

    def words(name: str) -> Optional[Tuple[str, ...]]:
        found = child(node, name)
        return None if found is None else tuple(
            Word.of(expand(re.sub(r"\$\((\w+)\)", r"${\1}", word), stage.environment, True), word)
            for word in (text_of(each) or "" for each in sequence(found)))
    stage.entrypoint, stage.cmd = words("command"), words("args")
    stage.file, stage.line = text.path, line_of(child(node, "command") or child(node, "args") or node)
    return _of_stage(stage, command)
