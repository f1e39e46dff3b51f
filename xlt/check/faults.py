"""What is wrong with data, and where: a fault, a line of a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from xlt.core.paths import plain


class Line(NamedTuple):
    """A line of a table: its number (from 1), the key, and the rest without outer white space."""

    number: int
    key: str
    value: str


@dataclass(frozen=True)
class Fault:
    """One breach. ``level`` is error (the stage stops), warning, or note (a fact to know); ``where`` is
    file:line, or a file; ``ids``: utterances that show it, where the line does not."""

    level: str
    where: str
    what: str
    remedy: str
    ids: tuple[str, ...] = ()

    def seen_from(self, recipe: Path) -> Fault:
        """The same with files as seen from the folder ``recipe``."""
        parts = {name: plain(getattr(self, name), recipe) for name in ("where", "what", "remedy")}
        return replace(self, **parts)

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"
