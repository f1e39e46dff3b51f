"""The option ``--speakers`` of commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from xlt.core.errors import ConfigError

if TYPE_CHECKING:
    from xlt.core.log import Progress
    from xlt.speakers.turns import Turns

AUTO, MOST = "auto", 20


class Teller(Protocol):
    """Tells the voices of a recording apart; ``bar`` is given the seconds that were heard."""

    def __call__(self, path: str, bar: Progress | None = None) -> Turns: ...


def add_option(add: Callable[..., Any]) -> None:
    """Declare it; ``add``: of an argparse.ArgumentParser."""
    add(
        "--speakers",
        metavar="N|auto",
        help=(
            "tell the speakers of each recording apart by their voices: N of them, or as many as differ"
            " (default: a recording is one speaker)"
        ),
    )


def teller(speakers: str | None) -> Teller | None:
    """What tells voices apart, None if nothing is to; ConfigError if ``speakers`` is no number, UpstreamError
    if the weights cannot be had.
    """
    if speakers is None:
        return None
    if speakers != AUTO and not (speakers.isdecimal() and 1 <= int(speakers) <= MOST):
        raise ConfigError(f"--speakers {speakers}: expected auto, or a number from 1 to {MOST}")
    count = None if speakers == AUTO else int(speakers)

    from xlt.fetch.files import cache_root
    from xlt.speakers.encoder import VoiceEncoder, find_weights
    from xlt.speakers.turns import tell_apart

    encoder = VoiceEncoder(find_weights(cache_root()))
    return lambda path, bar=None: tell_apart(path, encoder, count, bar)
