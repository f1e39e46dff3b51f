"""Encoders whose outputs are the features, one file a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.core.registry import UPSTREAMS

if TYPE_CHECKING:
    from xlt.upstreams.base import Upstream

FALLBACK = "s3prl"  # knows every name that the registry does not have


def upstream_class(name: str) -> type[Upstream]:
    """The class of the upstream ``name``; imports neither torch nor the upstream's package."""
    return UPSTREAMS.get(name if name in UPSTREAMS.entries else FALLBACK)
