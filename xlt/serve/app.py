"""The application: what each address answers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import FastAPI, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from xlt import __version__
from xlt.serve import answers, metrics, page, wishes
from xlt.serve.access import PROTOCOL
from xlt.serve.events import Events
from xlt.serve.forward import Forwarder
from xlt.serve.given import add_corrections, read_form
from xlt.serve.guard import TRANSCRIPTIONS, Guard
from xlt.serve.jobs import Answer
from xlt.serve.problems import Problem, as_json, busy, of_status
from xlt.serve.server import Server
from xlt.serve.stream import Stream
from xlt.serve.transcribed import transcribed

_UPLOADS = 4  # bodies that are received at once, for each place in the queue
_GONE = 499  # what others call it, too: the client did not wait


def make_app(server: Server) -> ASGIApp:
    """For uvicorn; the pool of ``server`` runs."""
    # its pages of documentation would load scripts from elsewhere
    app = FastAPI(title="xlt", version=__version__, docs_url=None, redoc_url=None)

    @app.exception_handler(Problem)
    async def problem(request: Request, err: Problem) -> Response:
        return err.response()

    @app.exception_handler(HTTPException)
    async def refused(request: Request, err: HTTPException) -> Response:
        if err.status_code == 400:
            return Problem(400, f"body: {err.detail}; send multipart/form-data", "invalid_body").response()
        return of_status(err.status_code).response()

    @app.exception_handler(Exception)
    async def failed(request: Request, err: Exception) -> Response:
        return server.defect().response()

    @app.get("/")
    async def at_home() -> Response:
        return page.response(server.corrections is not None)

    @app.get(page.CAPTURE)
    async def capture() -> Response:
        return page.capture()

    @app.get("/healthz")
    async def healthz() -> Response:
        pool = server.pool
        well = pool.ready > 0 and not pool.closing
        found = {"status": "ok" if well else "unavailable", "workers": pool.ready, "waiting": pool.waiting}
        return as_json(found, 200 if well else 503)

    @app.get("/metrics")
    async def counts() -> Response:
        return PlainTextResponse(server.metrics.render(server.pool), media_type=metrics.CONTENT_TYPE)

    @app.get("/v1/models")
    async def models() -> Response:
        names = wishes.models(server.offered, server.tells_languages)
        return as_json({"object": "list", "data": [_model(server, name) for name in names]})

    @app.get("/v1/models/{name}")
    async def model(name: str) -> Response:
        known = server.offered[:1] if name in wishes.ANY_MODEL else server.offered
        wishes.language(None, name, known, server.tells_languages)
        return as_json(_model(server, name))

    @app.post(TRANSCRIPTIONS)
    async def transcriptions(request: Request) -> Response:
        return await _transcriptions(server, request)

    if server.corrections is not None:
        add_corrections(app, server, server.corrections)

    @app.websocket("/")
    @app.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept(PROTOCOL if PROTOCOL in socket.scope["subprotocols"] else None)
        own = Stream(server, socket)
        try:
            await own.talk()
        finally:
            socket.state.note = f", {own.seconds:.1f} s of sound"

    return Guard(app, server)


def _model(server: Server, name: str) -> dict:
    only = name.removeprefix("xlt-")
    languages = [only] if only in server.offered else list(server.offered)
    own = {"id": name, "object": "model", "created": 0, "owned_by": "xlt", "languages": languages}
    return own | {"auto": server.tells_languages and only not in server.offered}


async def _transcriptions(server: Server, request: Request) -> Response:
    pool = server.pool
    if pool.is_full:  # before the client sends its sound for nothing
        raise busy(pool.wait_s, "queue: full")
    if server.uploads >= _UPLOADS * (pool.room + pool.workers):
        raise busy(pool.wait_s, "uploads: as many as may be are being received")
    server.uploads += 1
    async with contextlib.AsyncExitStack() as held:
        held.callback(server.upload_ended)
        try:
            path, wish, name = await held.enter_async_context(_upload(server, request))
            done = functools.partial(_done, server, request, wish)
            if wish.stream and wish.lang in server.routes:
                raise Problem(
                    400,
                    f"stream=true: {wish.lang} is of another server, whose answer comes whole; send false",
                    "invalid_value",
                    "stream",
                )
            if wish.stream:
                return await Events(server, request, path, wish, done).response(held.pop_all())
            if wish.lang in server.routes:
                request.state.note = f", {wish.lang} of another server"
                return await _unless_gone(request, _elsewhere(server, request, path, wish, name))
            answer = await _unless_gone(request, transcribed(server, request.headers, path, wish))
        except ClientDisconnect:
            return Response(status_code=_GONE)
    done(answer)
    return answers.response(answer, wish, name)


def _done(server: Server, request: Request, wish: wishes.Wish, answer: Answer) -> None:
    server.metrics.audio_s += answer.duration_s
    request.state.note = f", {answer.duration_s:.1f} s of sound, {wish.lang}"
    server.log_text(answers.whole_text(answer.pieces))


@contextlib.asynccontextmanager
async def _upload(server: Server, request: Request) -> AsyncIterator[tuple[Path, wishes.Wish, str]]:
    """The sound in a file of the server's own, what is asked for, and what the client calls the file."""
    form = await read_form(server, request)
    try:
        fields: dict[str, list[str]] = {}
        for key, value in form.multi_items():
            fields.setdefault(key, []).append(value if isinstance(value, str) else "")
        wish = wishes.read_form(fields, server.offered, server.tells_languages)
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Problem(
                400, "file: missing; send the sound as a file in multipart/form-data", "missing", "file"
            )
        if not file.size:
            raise Problem(400, "file: is empty; send a recording", "empty_file", "file")
        with tempfile.TemporaryDirectory(dir=server.folder, prefix="upload-") as folder:
            path = Path(folder) / "recording"
            await asyncio.to_thread(_copy, file.file, path)
            yield path, wish, file.filename or ""
    finally:
        await form.close()


def _copy(source: BinaryIO, path: Path) -> None:
    with path.open("wb") as own:
        shutil.copyfileobj(source, own, 1 << 20)


async def _elsewhere(server: Server, request: Request, path: Path, wish: wishes.Wish, name: str) -> Response:
    """The answer of the server that speaks the language."""
    async with Forwarder(server.routes, request.headers) as other:
        return await other.whole(path, wish, name)


async def _unless_gone[T](request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives; ClientDisconnect if the client goes before that."""
    running, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise ClientDisconnect
        return running.result()
    finally:
        for task in (running, gone):
            task.cancel()
        await asyncio.gather(running, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    """Ends when the client does."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
