"""How large an encoder of BEST-RQ is, and what its folder holds; known without torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import UpstreamError
from xlt.upstreams.fbank import SHIFT_MS
from xlt.upstreams.hf_config import read_json

CONFIG, WEIGHTS, MODEL_TYPE = "config.json", "model.safetensors", "xlt_bestrq"
STACK = 4  # mel frames a row
HOP = STACK * SHIFT_MS * SAMPLE_RATE // 1000  # samples a row


@dataclass(frozen=True)
class Sizes:
    """``chunk_frames``: rows in a chunk of attention, 0 = a row sees all others; ``left_chunks``: chunks
    before its own that a row sees as well.
    """

    layers: int = 6
    dim: int = 192
    heads: int = 4
    ffn: int = 768
    chunk_frames: int = 0
    left_chunks: int = 4


def read_sizes(path: Path) -> Sizes:
    """The sizes in config.json; UpstreamError if it is not of such an encoder, or damaged."""
    found = read_json(path)
    names = [field.name for field in dataclasses.fields(Sizes)]
    values: dict[str, Any] = {name: found.get(name) for name in names}
    for name, value in values.items():
        least = 0 if name in ("chunk_frames", "left_chunks") else 1
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 100_000:
            raise UpstreamError(
                f"{path}: {name}: found {str(value)[:80]!r}, expected a whole number from {least}; copy the"
                " folder again"
            )
    if values["dim"] % values["heads"]:
        raise UpstreamError(f"{path}: dim: {values['dim']} is no multiple of heads; copy the folder again")
    return Sizes(**values)
