"""A transcript while it is made: server-sent events, as OpenAI's clients read them with ``stream=True``
(https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from xlt.formats.transcripts import Piece
from xlt.serve.answers import told, whole_text
from xlt.serve.jobs import Answer
from xlt.serve.problems import Problem
from xlt.serve.server import Server
from xlt.serve.transcribed import transcribed
from xlt.serve.wishes import Wish
from xlt.text.normalise import put_together

BEAT_S = 10.0  # without an event: a line that says that work goes on, which finds out whether it is read
TYPE = "text/event-stream"


class Events:
    """Of one recording. ``done`` is called with its answer."""

    def __init__(
        self, server: Server, request: Request, path: Path, wish: Wish, done: Callable[[Answer], None]
    ):
        self.server, self.wish, self.done = server, wish, done
        self._news: asyncio.Queue[tuple[int, Piece] | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.create_task(transcribed(server, request.headers, path, wish, heard=self._heard))
        self._work.add_done_callback(lambda task: self._news.put_nowait(None))

    def _heard(self, number: int, piece: Piece) -> None:
        with contextlib.suppress(RuntimeError):  # the server has stopped
            self._loop.call_soon_threadsafe(self._news.put_nowait, (number, piece))

    async def response(self, held: AsyncExitStack) -> StreamingResponse:
        """The answer, when there is something to say; Problem if that is an error. ``held`` is closed behind
        it.
        """
        try:
            first = await self._news.get()
            if first is None:
                self._work.result()
        except BaseException:
            await self._close(held)
            raise
        return _Response(self._lines(first), lambda: self._close(held))

    async def _close(self, held: AsyncExitStack) -> None:
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)
        await held.aclose()

    async def _lines(self, news: tuple[int, Piece] | None) -> AsyncIterator[str]:
        said, count = "", 0
        waiting = False  # for another server, whose piece comes first
        while news is not None:
            number, piece = news
            if number == count:  # not of a worker that began again
                count += 1
                waiting |= piece.get("lang") in self.server.routes
                if piece["text"] and not waiting:
                    text = put_together([said, piece["text"]]) if said else piece["text"]
                    yield _line({"type": "transcript.text.delta", "delta": text[len(said) :]})
                    said = text
            while True:
                try:
                    news = await asyncio.wait_for(self._news.get(), BEAT_S)
                    break
                except TimeoutError:
                    yield ": at work\n\n"
        try:
            answer = self._work.result()
        except Problem as err:
            yield _line(err.body())
            return
        text = whole_text(answer.pieces)
        if rest := text[len(said) :]:
            yield _line({"type": "transcript.text.delta", "delta": rest})
        yield _line({"type": "transcript.text.done", "text": text, **told(answer, self.wish)})
        self.done(answer)


class _Response(StreamingResponse):
    def __init__(self, lines: AsyncIterator[str], close: Callable[[], Any]):
        super().__init__(lines, media_type=TYPE, headers={"Cache-Control": "no-cache"})
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with contextlib.suppress(ClientDisconnect):
                await super().__call__(scope, receive, send)
        finally:  # also if the client was gone before the first line
            await self._close()


def _line(message: dict[str, Any]) -> str:
    return f"data: {json.dumps(message, ensure_ascii=False)}\n\n"
