"""The table of characters: code point, name, script, how often each set has them, and where first."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from xlt.check.datadir import Sets
from xlt.check.scripts import script_of
from xlt.check.words import Seen
from xlt.core.stage import write_json
from xlt.formats.markdown import table

ON_PAGE = 400  # characters; a script of thousands is shown by its rarest, the file beside the page has all


def label(char: str) -> str:
    """How a character is shown in a message: itself where it can be seen, then its code point and its
    name.
    """
    return f"{visible(char)} (U+{ord(char):04X} {name_of(char)})".lstrip()


def visible(char: str) -> str:
    """``char``; a mark on a dotted circle; nothing for what cannot be seen."""
    kind = unicodedata.category(char)
    return "" if kind[0] in "CZ" else f"◌{char}" if kind[0] == "M" else char


def name_of(char: str) -> str:
    return unicodedata.name(
        char, {"Co": "PRIVATE USE", "Cc": "CONTROL", "Cn": "UNASSIGNED"}.get(unicodedata.category(char), "?")
    )


def named(chars: dict[str, Seen], most: int = 10) -> str:
    """``ț (U+021B LATIN SMALL LETTER T WITH COMMA BELOW) 3 times, …``, the first by code point."""
    listed = ", ".join(f"{label(char)} {chars[char].count} times" for char in sorted(chars)[:most])
    return listed + (f" and {len(chars) - most} more" if len(chars) > most else "")


def audit(sets: Sets, model: set[str] | None) -> list[dict]:
    """A row a character, by code point; ``model``: the characters that the model to start from can write,
    None without one.
    """
    found = {name: data.characters for name, data in sets.items()}
    rows = []
    for char in sorted(set().union(*found.values(), model or ()) - {" "}):
        ids = next((own[char].ids for own in found.values() if char in own), ())
        rows.append(
            {
                "char": char,
                "code": f"U+{ord(char):04X}",
                "name": name_of(char),
                "script": script_of(char),
                "counts": {name: own[char].count if char in own else 0 for name, own in found.items()},
                **({} if model is None else {"model": char in model}),
                "first": list(ids),
            }
        )
    return rows


def page(rows: list[dict], names: list[str], model: bool, path: Path) -> str:
    """Write the rows to ``path``, return them as a Markdown table: without what only the model has, the
    rarest first if there are many."""
    write_json(path, {"characters": rows})
    own = [row for row in rows if any(row["counts"].values())]
    lines = [
        f"{len(own)} characters beside the space"
        + (
            f", {sum(row['model'] for row in own)} of them in the model to start "
            f"from, which has {len(rows) - len(own)} others"
            if model
            else ""
        )
        + f"; {path.name} has all of them.",
        "",
    ]
    if len(own) > ON_PAGE:
        lines = [f"{lines[0]} Here are the {ON_PAGE} rarest.", ""]
        own = sorted(own, key=lambda row: (row["counts"][names[0]], row["char"]))[:ON_PAGE]
    head = ["", "code", "name", "script", *names, *(["model"] if model else []), "first in"]
    shown = []
    for row in own:
        cells = [
            visible(row["char"]),
            row["code"],
            row["name"],
            row["script"],
            *(str(row["counts"][name]) for name in names),
            *(["yes" if row["model"] else "no"] if model else []),
            " ".join(row["first"]),
        ]
        shown.append(cells)
    return "\n".join([*lines, table(head, shown)]) + "\n"
