"""What is wrong with data, and where: a fault, a place, a line of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from xlt.core.errors import XltError
from xlt.core.paths import plain

LEVELS = {"error": "Errors", "warning": "Warnings", "note": "Notes"}  # severity → heading, the worst first


class Line(NamedTuple):
    """A line of a table: its number (from 1), the key, and the rest without outer white space."""

    number: int
    key: str
    value: str


class Place(NamedTuple):
    """A file, and the line that is meant, from 1.

    >>> str(Place("data/train/text", 12))
    'data/train/text:12'
    """

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Fault:
    """One breach of a rule.

    ``severity``: error (the stage stops), warning, or note (a fact to know); ``found``: what is wrong, with
    places for ``values`` in braces; ``remedy``: what was expected, or how to mend it; ``ids``: utterances
    that show it, where the line does not; ``family`` and ``rule``: whose fault it is, and ``rows``: where it
    is in the user's own table (utt2row), filled in by stage 2.

    >>> twice = Fault(
    ...     "error",
    ...     Place("data/train/text", 12),
    ...     "duplicate id {id!r} (first on line {first_line})",
    ...     "keep one",
    ...     values={"id": "u7", "first_line": 3},
    ... )
    >>> print(twice)
    data/train/text:12: duplicate id 'u7' (first on line 3); keep one
    >>> twice.values["first_line"]
    3
    """

    severity: str
    where: Place
    found: str
    remedy: str
    ids: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    family: str = ""
    rule: str = ""
    rows: tuple[str, ...] = ()

    @classmethod
    def of_error(cls, err: XltError) -> Fault:
        """An error of a reader as a fault at the same place."""
        found = str(err).removeprefix(f"{err.where}: ").removesuffix(f"; {err.remedy}")
        where = Place(err.where) if err.setting else Place(err.file, err.line)
        return cls("error", where, found, err.remedy)

    @property
    def problem(self) -> str:
        """What is wrong, in words."""
        return self.found.format(**self.values) if self.values else self.found

    def seen_from(self, recipe: Path) -> Fault:
        """The same with files as seen from the folder ``recipe``."""

        def near(value: Any) -> Any:
            return plain(value, recipe) if isinstance(value, str) else value

        return replace(
            self,
            where=Place(near(self.where.file), self.where.line),
            found=near(self.found),
            remedy=near(self.remedy),
            values={name: near(value) for name, value in self.values.items()},
        )

    def __str__(self) -> str:
        rows = f" ({', '.join(self.rows)})" if self.rows else ""
        return f"{self.where}: {self.problem}; {self.remedy}{rows}"

    def to_json(self) -> dict[str, Any]:
        """As report.json has it: ``found`` in words."""
        return {
            "family": self.family,
            "rule": self.rule,
            "severity": self.severity,
            "file": self.where.file,
            "line": self.where.line,
            "found": self.problem,
            "remedy": self.remedy,
            "ids": list(self.ids),
            "rows": list(self.rows),
            "values": dict(self.values),
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Fault:
        """From a row of report.json, whose names were ``level``, ``where`` and ``what`` before November 2026.
        The values are in its words already.
        """
        if "level" in row:
            return cls(row["level"], Place(row["where"]), row["what"], row["remedy"], tuple(row["ids"]))
        where = Place(row["file"], row["line"])
        rows = tuple(row.get("rows", ()))
        return cls(row["severity"], where, row["found"], row["remedy"], tuple(row["ids"]), rows=rows)
