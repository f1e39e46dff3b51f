"""A worker process: opens the bundle, then transcribes what it is given, one job at a time.

Messages to it, with ``lang`` (None: the only one; ``auto``: told for each piece) and ``hotwords`` (a list):
``file`` (a path in a folder of its own; ``routes``: languages whose pieces are left beside it, for other
servers), ``piece`` (samples at 16 kHz, ``start``: the place of the first in the
stream), ``facts`` of a head, and ``stop`` while it works. From it: ``ready``, ``piece``, ``beat`` (a sign of
life), ``done``, ``refused``.
"""

from __future__ import annotations

import functools
import os
import resource
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from xlt.audio.cut import Cut
from xlt.audio.files import SAMPLE_RATE
from xlt.bundle.auto import AUTO, Auto
from xlt.core.errors import DataError, XltError
from xlt.serve import preload
from xlt.serve.jobs import receive, send
from xlt.serve.pieces import Pieces
from xlt.serve.routes import routed

_BEAT_S = 1.0


class _Stopped(Exception):
    """Nobody waits for this job any more."""


class _Refused(XltError):
    """The field ``param`` of a request is at fault; "": a defect, of which clients are told nothing."""

    def __init__(self, param: str, message: str):
        super().__init__(message)
        self.param = param


class Worker:
    """``bundle``: as :func:`xlt.bundle.open_bundle` gives it."""

    def __init__(self, connection: Connection, bundle: Any):
        self.connection, self.bundle = connection, bundle
        self._beaten, self._pieces = 0.0, Pieces()

    def run(self) -> None:
        """Until the server closes the connection, or is gone."""
        tells = self.bundle.identify is not None
        send(self.connection, {"say": "ready", "languages": list(self.bundle.languages), "tells": tells})
        while True:
            message, samples = receive(self.connection)
            if message["do"] == "stop":  # of a job that ended before it was heard
                continue
            start = time.perf_counter()
            try:
                done = self._do(message, samples)
            except _Stopped:
                done = {"say": "stopped"}
            except MemoryError:
                raise
            except _Refused as err:
                done = {"say": "refused", "param": err.param, "message": str(err)}
            except XltError as err:
                said = str(err).replace(message.get("path") or "\0", "file")  # not where the server keeps it
                done = {"say": "refused", "param": "file", "message": said}
            except Exception as err:
                _report(err)
                done = {"say": "refused", "param": "", "message": ""}
            send(self.connection, {**done, "work_s": round(time.perf_counter() - start, 6)})

    def _do(self, message: dict[str, Any], samples: np.ndarray | None) -> dict[str, Any]:
        head = self._head(message["lang"])
        if message["do"] == "facts":
            lengths = head.clips.lengths
            facts = {"usual_s": lengths.usual_s, "longest_s": lengths.longest_s, "voice": head.clips.voice}
            facts["streams"] = message["lang"] != AUTO and self._pieces.streams(message["lang"], head)
            self._hotwords(head, message)
            return {"say": "done", "duration_s": 0.0, "facts": facts}
        if message.get("needs_words"):
            self._refuse_without_words(message["lang"], head)
        continues = message["do"] == "chunk" and message["place"] > 0  # a piece that has its hotwords
        hotwords = {} if continues else self._hotwords(head, message)
        if message["do"] == "chunk":
            chunk = np.zeros(0, np.float32) if samples is None else samples
            facts = self._pieces.hear(message["lang"], head, message, chunk, hotwords.get("hotwords"))
            return {"say": "done", "duration_s": 0.0, "facts": facts}
        if message["do"] == "piece":
            samples = np.zeros(0, np.float32) if samples is None else samples
            piece = head.piece(Cut(message["start"], samples), **hotwords)
            send(self.connection, {"say": "piece", "piece": piece})
            return {"say": "done", "duration_s": 0.0}
        return self._file(head, message, hotwords)

    @functools.cached_property
    def _auto(self) -> Auto:
        return Auto(self.bundle)

    def _head(self, lang: str | None) -> Any:
        try:
            return self._auto if lang == AUTO else self.bundle.head(lang)
        except XltError as err:  # the server has checked the language: the bundle is damaged
            print(f"xlt serve: {err}", file=sys.stderr, flush=True)
            raise _Refused("", "") from None

    def _refuse_without_words(self, lang: str | None, head: Any) -> None:
        untimed = head.untimed if lang == AUTO else [] if head.recogniser.has_ctc else [lang]
        if untimed:
            which = f"the model of {untimed[0]}" if lang == AUTO else "this model"
            raise _Refused(
                "timestamp_granularities",
                f"timestamp_granularities: {which} has no CTC head, which says when words were said; ask for"
                " segments",
            )

    def _hotwords(self, head: Any, message: dict[str, Any]) -> dict[str, Any]:
        """As a keyword of :meth:`xlt.bundle.transcribe.Transcriber.pieces`, which Auto has not."""
        if not message["hotwords"]:
            return {}
        if message["lang"] == AUTO:
            raise _Refused(
                "prompt",
                f"prompt: its words are of one language, which {AUTO} does not name; name the language, or"
                " send no words",
            )
        try:
            return {"hotwords": head.hotwords(message["hotwords"])}
        except XltError as err:
            said = str(err).removeprefix("words: ").removeprefix("decode.hotwords: ")
            raise _Refused("prompt", f"prompt: {said}") from None

    def _file(self, head: Any, message: dict[str, Any], hotwords: dict[str, Any]) -> dict[str, Any]:
        from xlt.audio.files import Heard, audio_header

        longest_s, total_s, noticed = message["longest_s"], 0.0, Heard()

        def check(seconds: float) -> None:
            if seconds > longest_s:
                raise DataError(
                    f"file: has more than {longest_s / 60:g} minutes of sound, which is the longest that this"
                    " server takes; cut it into parts"
                )

        def heard(seconds: float) -> None:
            nonlocal total_s
            total_s += seconds
            check(total_s)
            self._beat()

        check(audio_header(message["path"]).duration_s)
        how = {**hotwords, **({"elsewhere": _Aside(message)} if message.get("routes") else {})}
        for piece in head.pieces(message["path"], **how, heard=heard, noticed=noticed):
            send(self.connection, {"say": "piece", "piece": piece})
            self._beat()
        return {"say": "done", "duration_s": round(total_s, 3), "note": noticed.told}

    def _beat(self) -> None:
        """Say that work goes on; _Stopped if it need not."""
        if self.connection.poll():
            receive(self.connection)  # during work nothing else comes
            raise _Stopped
        if time.monotonic() - self._beaten > _BEAT_S:
            self._beaten = time.monotonic()
            send(self.connection, {"say": "beat"})


class _Aside:
    """Writes pieces for other servers into the folder of the job."""

    def __init__(self, message: dict[str, Any]):
        self.routes, self.folder = message["routes"], Path(message["path"]).parent

    def __call__(self, told: str, cut: Cut) -> str | None:
        import soundfile

        if (lang := routed(told, self.routes)) is not None:
            soundfile.write(aside(self.folder, cut.start), cut.samples, SAMPLE_RATE, subtype="PCM_16")
        return lang


def aside(folder: Path, start: int) -> Path:
    """Where the piece that begins with the sample ``start`` lies for another server."""
    return folder / f"piece-{start}.wav"


def main(connection: Connection, opener: str, folder: str) -> None:
    """The process. ``opener``: ``module:function`` that opens the bundle in ``folder``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the server, which ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold a client's speech
    try:
        Worker(connection, preload.open_bundle(opener, folder)).run()
    except XltError as err:
        send(connection, {"say": "refused", "param": "bundle", "message": str(err)})
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the server has closed the connection, or is gone
    except BaseException as err:
        _report(err)
        os._exit(1)


def _report(err: BaseException) -> None:
    """Where ``err`` came from, for the log; without its message, which may hold what was said."""
    print("".join(traceback.format_tb(err.__traceback__)) + type(err).__name__, file=sys.stderr, flush=True)
