"""The pieces that clients are speaking, in a worker: what it has heard of each, chunk by chunk."""

from __future__ import annotations

import time
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlt.bundle.opened import KEPT
from xlt.core.errors import XltError

if TYPE_CHECKING:
    import numpy as np

MOST = 64  # sessions that are remembered, each with one piece
_FORGET_S = 60.0  # one of which nothing more was heard


@dataclass
class _Open:
    """``number``: of the piece in its session; ``heard``: samples; ``since``: when the last of them came."""

    number: int
    stream: Any
    heard: int = 0
    since: float = 0.0


class Pieces:
    """Of all languages of a bundle."""

    def __init__(self) -> None:
        # language → its head and that one's streams, None for a model that does not stream
        self._models: OrderedDict[str, tuple[weakref.ref, Any]] = OrderedDict()  # heard last at the end
        self._open: OrderedDict[int, _Open] = OrderedDict()  # by session, the one heard last at the end

    def streams(self, lang: str, head: Any) -> bool:
        """Whether ``head`` gives partial results chunk by chunk."""
        return self._model(lang, head) is not None

    def hear(
        self, lang: str, head: Any, message: dict[str, Any], samples: np.ndarray, hotwords: Any
    ) -> dict[str, Any]:
        """The next ``samples`` of a piece, from its sample ``place`` on → its text so far; ``known``: False
        if what was before is not known here."""
        session, number, place = (message[name] for name in ("session", "number", "place"))
        self._forget()
        piece = self._open.pop(session, None)
        if place == 0:
            piece = _Open(number, self._model(lang, head).open(hotwords))
        if piece is None or (piece.number, piece.heard) != (number, place):
            return {"known": False}
        piece.stream.push(samples)
        piece.heard, piece.since = place + len(samples), time.monotonic()
        self._open[session] = piece
        return {"known": True, "text": piece.stream.partial, "stable": piece.stream.stable}

    def _model(self, lang: str, head: Any) -> Any:
        known, streams = self._models.pop(lang, (None, None))
        if known is None or known() is not head:  # the bundle may have dropped that one meanwhile
            try:
                streams = head.streams()
            except XltError:  # xlt stream says why
                streams = None
        self._models[lang] = weakref.ref(head), streams
        while len(self._models) > KEPT:
            self._models.popitem(last=False)
        return streams

    def _forget(self) -> None:
        oldest = time.monotonic() - _FORGET_S
        while self._open:
            session, piece = next(iter(self._open.items()))
            if len(self._open) < MOST and piece.since >= oldest:
                return
            del self._open[session]
