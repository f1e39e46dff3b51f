"""Markdown that all pages share: their first lines, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

HEAD = """<!-- written by `xlt report` from results/*.json; a test compares: do not edit -->
"""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(word).replace("|", "\\|") for word in line) + " |" for line in lines
    )
