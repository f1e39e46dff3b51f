"""``xlt serve``: bundles over HTTP, as OpenAI's clients ask, and over WebSockets, as Vosk's do.

One process speaks HTTP (:mod:`xlt.serve.app`) and never decodes a sound file nor loads a model. Worker
processes do that (:mod:`xlt.serve.worker`); one that hangs or crashes is replaced, and what it was working on
is done again (:mod:`xlt.serve.pool`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What clients may ask for. ``upload_mb``: size of one request; ``audio_s``: longest recording, also of
    a stream; ``upload_s``: to receive one request; ``stall_s``: without a sign of life, a worker is replaced;
    ``rate``: requests a minute and client, 0: any; ``streams``: WebSockets at once; ``idle_s``: a WebSocket
    without a message is closed; ``corrections_mb``: of sound that people give; ``route_s``: for the answer of
    another server; ``keep_s``: a stream whose connection was lost is kept, if its client has asked for that.
    """

    upload_mb: float = 100.0
    audio_s: float = 3600.0
    upload_s: float = 120.0
    stall_s: float = 60.0
    rate: float = 0.0
    streams: int = 16
    idle_s: float = 60.0
    corrections_mb: float = 1000.0
    route_s: float = 120.0
    keep_s: float = 30.0
