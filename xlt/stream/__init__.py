"""Speech recognised while somebody speaks: ``xlt stream``, and the WebSocket of ``xlt serve``.

A :class:`~xlt.stream.session.Session` cuts a stream at its pauses. While a piece is spoken, a model that
streams hears it chunk by chunk (:mod:`xlt.stream.chunked`) and gives partial results. When it has ended,
the whole piece is recognised once more, by the model that hears all at once.
"""

from __future__ import annotations

from xlt.stream.events import Event, Final, Lost, Partial
from xlt.stream.session import Session

__all__ = ["Event", "Final", "Lost", "Partial", "Session"]
