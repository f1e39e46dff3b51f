"""report.md, the page of stage 2 that a person reads."""

from __future__ import annotations

from xlt.check.families import FAMILIES
from xlt.check.faults import LEVELS, Fault
from xlt.formats.markdown import escaped


def page(counts: dict[str, int], found: list[Fault], sections: dict[str, str]) -> str:
    """``counts``: utterances of each set; ``found``: all faults; ``sections``: Markdown by family."""
    number = {level: sum(fault.severity == level for fault in found) for level in LEVELS}
    lines = [
        "# Data check: " + ", ".join(f"{number[level]} {title.lower()}" for level, title in LEVELS.items()),
        "",
    ]
    lines += [f"- {name}: {n} utterances" for name, n in counts.items()]
    for level, title in LEVELS.items():
        faults = [_item(fault) for fault in found if fault.severity == level]
        lines += ["", f"## {title}", "", *faults] if faults else []
    for name, title in FAMILIES.items():
        lines += ["", f"## {title}", "", sections[name].strip()] if sections.get(name) else []
    return "\n".join(lines) + "\n"


def _item(fault: Fault) -> str:
    return f"- {escaped(fault)}" + (f" ({escaped(', '.join(fault.ids))})" if fault.ids else "")
