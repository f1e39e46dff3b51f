"""How large an upstream is, without opening its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from xlt.upstreams import upstream_class

TUNED_BYTES = 16  # of memory for a parameter that is trained: itself, its gradient, and two of Adam


@dataclass(frozen=True)
class Size:
    """Of an upstream: its hidden states and their dimensions; a transformer layer has 12 · dimensions²
    parameters.
    """

    states: int
    dim: int

    @property
    def parameters(self) -> int:
        return 12 * (self.states - 1) * self.dim**2


def upstream_size(name: str, path: str | None) -> Size:
    """By its configuration where there is one, else by its name; an unknown one counts as a model of base
    size.
    """
    try:
        config = json.loads((Path(path) / "config.json").read_text(encoding="utf-8")) if path else {}
        return Size(
            int(config.get("encoder_layers") or config["num_hidden_layers"]) + 1,
            int(config.get("d_model") or config["hidden_size"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return Size(*upstream_class(name).expected_size(name))
