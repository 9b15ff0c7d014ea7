"""The rules that need no server's name."""

from typing import Any, Callable, Optional, Tuple

from threadguard.model import Reading

Rule = Callable[[Any, Callable[[object], bool]], Optional[Reading]]

RULES: Tuple[Rule, ...] = ()
