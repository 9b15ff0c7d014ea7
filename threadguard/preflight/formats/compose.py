"""A compose file: the command of each service, over that of the Dockerfile which it is built from."""

import os
import re
from typing import Any, Dict, Iterator, List, Optional, Tuple

from threadguard.preflight import shell, source, yaml_text
from threadguard.preflight.command_lines import explain
from threadguard.preflight.formats import compose_files, dockerfile
from threadguard.preflight.formats.compose_files import Layer
from threadguard.preflight.formats.image_paths import Copy
from threadguard.preflight.model import CannotTell, Item, Options, Unreadable
from threadguard.preflight.source import Source

NAME = "compose file"

_VARIABLE = re.compile(r"""\s*(?:export\s+)?([^\s=#]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(.*?)(?:\s#.*|\s*)$)""")
"""A line of an env_file (compose-go, dotenv/parser.go)."""
_MOST_FILES = 10
"""That include each other, one in the other."""


def matches(text: Source) -> bool:
    """By its name, or by ``services`` in YAML."""
    is_yaml = text.name.endswith((".yml", ".yaml"))
    return is_yaml and ("compose" in text.name or any(line.startswith("services:") for line in text.lines))


def read(text: Source, options: Options) -> Iterator[Item]:
    """What its services start. A service that starts nothing that threadguard knows does not count if another does."""
    found, other = _read(compose_files.files(text), options, 0)
    if not found and not other:
        raise Unreadable("it has no services", text.path)
    yield from found or other


def _read(project: List[Source], options: Options, depth: int) -> Tuple[List[Item], List[Item]]:
    """What the services start, and what is to be said of those of which nothing is known."""
    found: List[Item] = []
    other: List[Item] = []
    for name, layers in compose_files.services(project):
        try:
            found += _service([each for layer in layers for each in compose_files.extended(layer)], options)
        except (CannotTell, Unreadable) as error:
            error.file, error.line = error.file or layers[0][1].path, error.line or name.start_mark.line + 1
            kept = found if isinstance(error, Unreadable) else other
            kept += explain(error, "the service %r" % str(name.value))
    if depth > _MOST_FILES:
        raise Unreadable("its files include each other in a circle", project[0].path)
    try:
        for text in compose_files.included(project):
            more = _read([text], options, depth + 1)
            found, other = found + more[0], other + more[1]
    except (CannotTell, Unreadable) as error:
        error.file = error.file or project[0].path
        found += explain(error, "the part that %s includes" % error.file)
    return found, other


def _service(layers: List[Layer], options: Options) -> List[Item]:
    stage, file = _built(layers)
    entrypoint, command = (_last(layers, name) for name in ("entrypoint", "command"))
    if _line(entrypoint[0]):
        stage.entrypoint, stage.cmd = _line(entrypoint[0]), None
    stage.cmd = _line(command[0]) or stage.cmd
    for node, owner in (entrypoint, command):
        file = owner.path if _line(node) else file
    stage.image.enter(yaml_text.text(_last(layers, "working_dir")[0]) or ".")
    for each, owner in layers:
        stage.env.update(_environment(each, owner))
        for volume in yaml_text.sequence(yaml_text.child(each, "volumes")):
            stage.image.copies += _mounts(volume, owner)
        for config in yaml_text.sequence(yaml_text.child(each, "configs")):
            target = yaml_text.text(yaml_text.child(config, "target")) or yaml_text.text(config) or ""
            stage.image.copies.append(Copy(os.path.join("/", target), (), is_foreign=True))
    build, owner = _last(layers, "build")
    if stage.cmd is None and stage.entrypoint is None and compose_files.is_remote(_context(build)):
        raise CannotTell("its image is built from %s, whose Dockerfile is not here" % _context(build),
                         "check the Dockerfile where it is", owner.path, build.start_mark.line + 1)
    return dockerfile.read_stage(stage, options, file)


def _last(layers: List[Layer], name: str) -> Layer:
    """The node *name* of the last layer that has it, or None, and the file that it stands in."""
    found = [(yaml_text.child(service, name), text) for service, text in layers]
    return next((each for each in reversed(found) if each[0] is not None), (None, layers[-1][1]))


def _built(layers: List[Layer]) -> Tuple[dockerfile.Stage, str]:
    """The image as it is built, and the file that says how; nothing is known of one that is not built from here."""
    build, text = _last(layers, "build")
    context = _context(build)
    inline = yaml_text.child(build, "dockerfile_inline")
    if build is None or compose_files.is_remote(context) and inline is None:
        stage = dockerfile.Stage(None, text.directory)
        stage.image.is_foreign = True
        return stage, text.path
    context = os.path.normpath(source.join(text.directory, context))
    name = yaml_text.text(yaml_text.child(build, "dockerfile")) or "Dockerfile"
    if inline is None:
        base = source.read(source.join(context, name))
    else:  # a block, which begins below its name
        base = Source(text.path, "\n" * (inline.start_mark.line + 1) + (yaml_text.text(inline) or ""))
    return dockerfile.last_stage(base, context, yaml_text.text(yaml_text.child(build, "target"))), base.path


def _context(build: Any) -> str:
    return yaml_text.text(build) or yaml_text.text(yaml_text.child(build, "context")) or "."


def _mounts(volume: Any, text: Source) -> List[Copy]:
    """What *volume* brings into the image: ``./conf:/etc/site:ro``, or the same as a mapping."""
    here, there = (yaml_text.text(yaml_text.child(volume, name)) for name in ("source", "target"))
    words = (yaml_text.text(volume) or "").split(":")
    if len(words) > 1:
        here, there = words[:2]
    if not there:
        return []
    is_path = here is not None and here.startswith(("/", ".")) and shell.is_known(here)
    return [Copy(there, (os.path.normpath(source.join(text.directory, here or "")),), is_foreign=not is_path)]


def _line(node: Any) -> Optional[dockerfile.Line]:
    """``command`` or ``entrypoint``: a list of words, or one string that is split like a shell's, and run by none."""
    if node is None or node.tag.endswith(":null"):
        return None
    line = node.start_mark.line + 1
    words = [yaml_text.text(item) or "" for item in node.value] if node.id == "sequence" else shell.split(
        yaml_text.text(node) or "")
    return dockerfile.Line(tuple(word.replace("$$", "$") for word in words), "", line) if words else None


def _environment(service: Any, text: Source) -> Dict[str, str]:
    env: Dict[str, str] = {}
    for each in yaml_text.sequence(yaml_text.child(service, "env_file")):
        path = source.join(text.directory, yaml_text.text(each) or yaml_text.text(yaml_text.child(each, "path")) or "")
        may_be_missing = yaml_text.text(yaml_text.child(each, "required")) == "false"
        for line in source.read(path).lines if os.path.exists(path) or not may_be_missing else ():
            found = _VARIABLE.match(line)
            if found:
                env[found.group(1)] = next(filter(None, found.groups()[1:]), "")
    node = yaml_text.child(service, "environment")
    given = [(str(key.value), None if value.tag.endswith(":null") else yaml_text.text(value))
             for key, value in yaml_text.pairs(node)]
    for item in yaml_text.sequence(node) if not given else ():
        name, equals, value = (yaml_text.text(item) or "").partition("=")
        given.append((name, value if equals else None))
    env.update((name, "${%s}" % name if value is None else value) for name, value in given)  # None: as the host has it
    return env
