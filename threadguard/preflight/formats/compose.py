"""A compose file: the command of each service, over that of the Dockerfile which it is built from."""

import os
from typing import Any, Dict, Iterator, List, Optional

from threadguard.preflight import shell, source, yaml_text
from threadguard.preflight.command_lines import explain
from threadguard.preflight.formats import dockerfile
from threadguard.preflight.model import CannotTell, Item, Options, Unreadable, at_most
from threadguard.preflight.source import Source

NAME = "compose file"


def matches(text: Source) -> bool:
    """By its name, or by ``services`` in YAML."""
    is_yaml = text.name.endswith((".yml", ".yaml"))
    return is_yaml and ("compose" in text.name or any(line.startswith("services:") for line in text.lines))


def read(text: Source, options: Options) -> Iterator[Item]:
    """What its services start. A service that starts nothing that threadguard knows does not count if another does."""
    services = yaml_text.child(yaml_text.compose(text), "services")
    found: List[Item] = []
    other: List[Item] = []
    for name, service in at_most(list(yaml_text.pairs(services)), "services"):
        try:
            found += _service(service, text, options)
        except (CannotTell, Unreadable) as error:
            error.file, error.line = error.file or text.path, error.line or name.start_mark.line + 1
            kept = found if isinstance(error, Unreadable) else other
            kept += explain(error, "the service %r" % str(name.value))
    if not found and not other:
        raise Unreadable("it has no services", text.path)
    yield from found or other


def _service(service: Any, text: Source, options: Options) -> List[Item]:
    stage, base = dockerfile.Stage(), text
    build = yaml_text.child(service, "build")
    command, entrypoint = (_line(yaml_text.child(service, name)) for name in ("command", "entrypoint"))
    if build is not None:
        base = _dockerfile(build, text)
        stage = dockerfile.last_stage(base)
    if entrypoint is not None:
        stage.entrypoint, stage.cmd = entrypoint, None
    stage.cmd = command or stage.cmd
    stage.env.update(_environment(service, text))
    file = text.path if command or entrypoint else base.path
    return dockerfile.read_stage(stage, base, options, file)


def _dockerfile(build: Any, text: Source) -> Source:
    context = yaml_text.text(build) or yaml_text.text(yaml_text.child(build, "context")) or "."
    name = yaml_text.text(yaml_text.child(build, "dockerfile")) or "Dockerfile"
    return source.read(os.path.normpath(source.join(source.join(text.directory, context), name)))


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
        path = yaml_text.text(each) or yaml_text.text(yaml_text.child(each, "path")) or ""
        for line in source.read(source.join(text.directory, path)).lines:
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith("#"):
                env[name.strip()] = value.strip().strip("'\"")
    node = yaml_text.child(service, "environment")
    for key, value in yaml_text.pairs(node):
        env[str(key.value)] = yaml_text.text(value) or ""
    for item in yaml_text.sequence(node):
        name, equals, value = (yaml_text.text(item) or "").partition("=")
        if equals:
            env[name] = value
    return env
