"""results/costs/<tag>.json: what the bundle of an experiment weighs, and what transcribing with it takes.

Written by tests/bench/costs.py. ``bundle_mb``: megabytes of 10^6 bytes, encoder and language model included;
``cpu_s_per_s``: CPU-seconds of one thread for a second of speech, from the sound file to the text;
``clips``, ``speech_s``: what it was measured on; ``processor``: where.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from xlt.core.errors import DataError
from xlt.core.stage import write_json
from xlt.formats.typed import check
from xlt.formats.versioned import Format

FOLDER = "costs"  # in results/
_AGAIN = "measure it again with tests/bench/costs.py"
FORMAT = Format("results/costs/<tag>.json", 1)


class Costs(TypedDict):
    bundle_mb: float
    cpu_s_per_s: float
    clips: int
    speech_s: float
    processor: str


def write_costs(path: Path, costs: Costs) -> None:
    """Write the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, FORMAT.stamped(costs))


def read_costs(path: Path) -> Costs:
    """DataError if the file is damaged."""
    found = FORMAT.read(path, _AGAIN)
    try:
        check(found, Costs)
    except ValueError as err:
        raise DataError(f"{path}: damaged ({err}); {_AGAIN}") from None
    return {key: found[key] for key in Costs.__annotations__}  # type: ignore[return-value]
