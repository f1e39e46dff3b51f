"""What the HTTP process and its workers say to each other: JSON, and samples as they are. No pickles, since a
worker reads what strangers sent.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from xlt.formats.transcripts import Piece

STOP = {"do": "stop"}
STOPS = "the server stops; open another WebSocket"  # of a :class:`Lost`


def send(connection: Connection, message: dict[str, Any], samples: np.ndarray | None = None) -> None:
    """One message, with ``samples`` (N,) float32 behind it."""
    connection.send_bytes(json.dumps({**message, "samples": samples is not None}).encode())
    if samples is not None:
        connection.send_bytes(np.ascontiguousarray(samples, np.float32).tobytes())


def receive(connection: Connection) -> tuple[dict[str, Any], np.ndarray | None]:
    """The next message. EOFError if nobody is there any more; OSError and ValueError if it is damaged."""
    message = json.loads(connection.recv_bytes())
    samples = np.frombuffer(connection.recv_bytes(), np.float32).copy() if message.pop("samples") else None
    return message, samples


@dataclass(frozen=True)
class Answer:
    """``pieces``: of the recording; ``duration_s``: of sound that was read; ``work_s``: of the worker's time;
    ``note``: what was noticed of the file; ``facts``: of a head, or of a piece that is being spoken;
    ``worker``: who did it."""

    pieces: list[Piece]
    duration_s: float
    work_s: float
    note: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    worker: int = 0


class Refused(Exception):
    """A worker says no. ``param``: the field of the request that is at fault, "" for a defect of xlt."""

    def __init__(self, param: str, message: str):
        super().__init__(message)
        self.param = param


class Lost(Exception):
    """No answer came: the worker hung, or several workers ended while they had the same job."""


class Busy(Exception):
    """The queue is full. ``wait_s``: when there may be room."""

    def __init__(self, wait_s: float):
        super().__init__()
        self.wait_s = wait_s


@dataclass(eq=False)
class Job:
    """``message``: what a worker is to do (:mod:`xlt.serve.worker`), with ``samples`` for ``do: piece`` and
    ``chunk``. ``future``: the :class:`Answer`, or Refused or Lost; ``prefers``: the worker that it waits for
    while that lives; ``heard`` is called with the number of each piece, from 0, and the piece, and again from
    0 if another worker begins anew.
    """

    message: dict[str, Any]
    samples: np.ndarray | None = None
    future: Future[Answer] = field(default_factory=Future)
    tries: int = 0
    prefers: int | None = None
    heard: Callable[[int, Piece], None] = lambda number, piece: None
    _given_up: threading.Event = field(default_factory=threading.Event)

    def give_up(self) -> None:
        """Nobody waits for the answer any more."""
        self._given_up.set()
        self.future.cancel()

    @property
    def given_up(self) -> bool:
        return self._given_up.is_set()
