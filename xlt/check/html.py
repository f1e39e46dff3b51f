"""report.html of stage 2: what to mend first, with the user's own rows, and every named utterance to listen
to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xlt.audio.players import Sounds
from xlt.check.datadir import Sets
from xlt.check.families import FAMILIES
from xlt.check.faults import LEVELS, Fault
from xlt.check.named import Named, in_fault
from xlt.core.config import Config
from xlt.formats import html
from xlt.text import languages

PAGES = Path(__file__).parent / "pages"
MOST = 2000  # faults on the page, and utterances; report.json has all


def page(
    sets: Sets, cfg: Config, found: Sequence[tuple[Fault, list[Named]]], sounds: Sounds, listen: bool
) -> str:
    """``found``: the faults with the utterances that each names, as :func:`with_utterances` gives them;
    ``listen``: whether there is a listen.html beside the page.
    """
    shown = [_fault(fault, utts) for fault, utts in found[:MOST]]
    return html.render(
        PAGES,
        "report.html",
        ("base.css", "check.css", "player.css", "table.js", "copy.js", "player.js", "report.js"),
        sound=True,
        language=language_of(cfg),
        summary=summary([fault for fault, _ in found]),
        counts={name: len(data.table("text")) for name, data in sets.items()},
        faults=shown,
        listen=listen,
        told=" ".join(filter(None, [_told(len(shown), len(found)), sounds.told])),
    )


def with_utterances(
    sets: Sets, found: Sequence[Fault], shown: Sequence[Fault], sounds: Sounds
) -> list[tuple[Fault, list[Named]]]:
    """Faults as they are ``shown``, what to mend first in front, each with the utterances that it names.

    ``found``: the same with places as the rules give them.
    """
    made: list[tuple[Fault, list[Named]]] = []
    left = MOST
    for i in mending(shown):
        utts = in_fault(sets, found[i], sounds) if left > 0 and len(made) < MOST else []
        made.append((shown[i], utts))
        left -= len(utts)
    return made


def mending(found: Sequence[Fault]) -> list[int]:
    """The places of the faults in the order of mending: errors, warnings, notes; of these the rules that
    concern the most utterances; of a rule its largest fault.
    """
    sizes = [_size(fault) for fault in found]
    total: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], int] = {}
    for i, (fault, size) in enumerate(zip(found, sizes, strict=True)):
        total[fault.severity, fault.rule] += size
        first.setdefault((fault.severity, fault.rule), i)
    levels = list(LEVELS)

    def key(i: int) -> tuple[int, int, int, int, int]:
        rule = found[i].severity, found[i].rule
        return levels.index(rule[0]), -total[rule], first[rule], -sizes[i], i

    return sorted(range(len(found)), key=key)


def _size(fault: Fault) -> int:
    """How many utterances, words or files a fault is about; 0 where it is about a set as a whole."""
    if not fault.ids and fault.where.line is None:
        return 0
    count = fault.values.get("count")
    return count if isinstance(count, int) else max(1, len(fault.ids))


def summary(found: Sequence[Fault]) -> str:
    """``2 errors, 1 warning, 0 notes``."""
    numbers = Counter(fault.severity for fault in found)
    return ", ".join(f"{numbers[level]} {level}{'' if numbers[level] == 1 else 's'}" for level in LEVELS)


def _told(shown: int, total: int) -> str:
    return f"The first {shown} of {total} faults are here; report.json has all." if shown < total else ""


def language_of(cfg: Config) -> str:
    """``Romanian (ron_Latn)``."""
    language = languages.get(cfg.lang)
    return f"{language.name} ({language.code})" if language.name != language.code else language.code


def _fault(fault: Fault, utts: list[Named]) -> dict[str, Any]:
    return {
        "severity": fault.severity,
        "level": list(LEVELS).index(fault.severity),
        "about": FAMILIES.get(fault.family, fault.family),
        "problem": fault.problem,
        "remedy": fault.remedy,
        "place": str(fault.where),
        "rows": [] if any(utt.row for utt in utts) else fault.rows,
        "named": utts,
    }
