"""Stage 3: features of an upstream, once → dump/<upstream>/<set>/feats.scp."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlt.stage import Context


def run(ctx: Context) -> None:
    """Run the stage; see :mod:`xlt.features.store`."""
    from xlt.features import store

    store.run(ctx)
