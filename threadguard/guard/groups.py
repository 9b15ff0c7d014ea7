"""The groups of this process, by name, and what becomes of them when it forks."""

import os
from typing import Dict, List, Optional

from threadguard.guard.group import Group

DEFAULT = "default"

_groups: Dict[str, Group] = {}
_hooked: List[bool] = []


def group_named(name: Optional[str]) -> Group:
    """The group *name* of this process; the default one for None. It lives as long as the process."""
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked.append(True)
        os.register_at_fork(after_in_child=_after_fork)
    return _groups.setdefault(name or DEFAULT, Group(name or DEFAULT))


def _after_fork() -> None:
    """uWSGI's workers do not get here (its fork runs no hooks), so every request looks for itself as well (fork.py)."""
    for group in list(_groups.values()):
        group.reset_after_fork()
