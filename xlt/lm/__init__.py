"""Stage 5: language models. ``lm.type: none`` is all there is so far, and does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlt.core.context import Context


def run(ctx: Context) -> None:
    """Nothing to do, nothing to say: the configuration accepts no other ``lm.type`` than none."""
