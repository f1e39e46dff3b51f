"""report.md, the page of stage 2 that a person reads."""

from __future__ import annotations

from xlt.check import FAMILIES
from xlt.check.faults import Fault

_LEVELS = {"error": "Errors", "warning": "Warnings", "note": "Notes"}


def page(counts: dict[str, int], found: list[tuple[str, str, Fault]], sections: dict[str, str]) -> str:
    """``counts``: utterances of each set; ``found``: family, rule and fault; ``sections``: Markdown by
    family.
    """
    number = {level: sum(fault.level == level for *_, fault in found) for level in _LEVELS}
    lines = [
        "# Data check: " + ", ".join(f"{number[level]} {title.lower()}" for level, title in _LEVELS.items()),
        "",
    ]
    lines += [f"- {name}: {n} utterances" for name, n in counts.items()]
    for level, title in _LEVELS.items():
        faults = [_item(fault) for *_, fault in found if fault.level == level]
        lines += ["", f"## {title}", "", *faults] if faults else []
    for name, title in FAMILIES.items():
        lines += ["", f"## {title}", "", sections[name].strip()] if sections.get(name) else []
    return "\n".join(lines) + "\n"


def _item(fault: Fault) -> str:
    return f"- {fault}" + (f" ({', '.join(fault.ids)})" if fault.ids else "")
