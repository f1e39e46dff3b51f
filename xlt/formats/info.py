"""What xlt.json of a trained model must say."""

# no `from __future__ import annotations`: typing tells NotRequired only where annotations are no strings

from typing import Any, NotRequired, TypedDict

from xlt.formats.typed import check

MOST_FRAMES = 10_000  # of features in a second; the finest have 100


class Tokens(TypedDict):
    type: str


class Features(TypedDict):
    upstream: dict[str, Any]
    settings: dict[str, Any]
    frame_rate: float
    dtype: NotRequired[str]
    storage: NotRequired[str]


class Info(TypedDict):
    """What every reader of it asks; the families have further keys."""

    family: str
    lang: str
    normaliser: str
    features: Features
    tokens: Tokens
    frame_rate: float
    parts: NotRequired[list[str]]


def check_info(found: dict[str, Any]) -> None:
    """ValueError unless ``found`` is an :class:`Info` with rates that can be."""
    check(found, Info)
    for key, rate in (
        ("frame_rate", found["frame_rate"]),
        ("features.frame_rate", found["features"]["frame_rate"]),
    ):
        if not 0 < rate <= MOST_FRAMES:
            raise ValueError(f"{key}: found {rate}, expected frames a second")
