"""One recording of a client: what a worker makes of it, and other servers of pieces in their languages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import Headers

from xlt.audio.files import SAMPLE_RATE
from xlt.bundle.auto import AUTO
from xlt.formats.transcripts import Piece
from xlt.serve.forward import Forwarder
from xlt.serve.jobs import Answer, Busy, Job, Lost, Refused
from xlt.serve.problems import Problem, busy
from xlt.serve.server import Server
from xlt.serve.wishes import Wish
from xlt.serve.worker import aside


async def transcribed(
    server: Server,
    headers: Headers,
    path: Path,
    wish: Wish,
    heard: Callable[[int, Piece], None] = lambda number, piece: None,
) -> Answer:
    """The answer; Problem if there is none. ``heard``: of the :class:`~xlt.serve.jobs.Job`, called in another
    thread.
    """
    message = {
        "do": "file",
        "path": str(path),
        "lang": wish.lang,
        "hotwords": list(wish.hotwords),
        "needs_words": wish.words,
        "longest_s": server.limits.audio_s,
        "routes": list(server.routes.table) if wish.lang == AUTO else [],
    }
    try:
        answer = await server.run(Job(message, heard=heard))
    except Busy as err:
        raise busy(err.wait_s, "queue: full") from None
    except Refused as err:
        if not err.param:
            raise server.defect() from None
        raise Problem(400, str(err), "invalid_value", err.param) from None
    except Lost as err:
        raise Problem(500, f"file: {err}", "worker_lost", "file") from None
    if not any(piece.get("lang") in server.routes for piece in answer.pieces):
        return answer
    pieces = []
    async with Forwarder(server.routes, headers) as other:
        for piece in answer.pieces:
            pieces += await _completed(server, other, piece, path.parent, wish.words)
    return dataclasses.replace(answer, pieces=pieces)


async def _completed(
    server: Server, other: Forwarder, piece: Piece, folder: Path, words: bool
) -> list[Piece]:
    """The piece, or what another server makes of it."""
    if (lang := piece.get("lang")) is None or lang not in server.routes:
        return [piece]
    path = aside(folder, round(piece["start_s"] * SAMPLE_RATE))
    found = await other.piece(lang, path, piece["start_s"], words)
    sure = piece["lang_confidence"]
    return [{**one, "lang": lang, "lang_confidence": sure} for one in found] or [piece]
