"""In front of every request: whose page it comes from, whose it is, how large it is; behind it: log and
counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from xlt.serve.page import CAPTURE
from xlt.serve.problems import Problem, busy
from xlt.serve.server import Server

OPEN = ("/", CAPTURE, "/healthz")  # asked without a token: none says anything of anybody
TRANSCRIPTIONS, CORRECTIONS = "/v1/audio/transcriptions", "/v1/corrections"
_NAMES = {
    TRANSCRIPTIONS: "transcriptions",
    CORRECTIONS: "corrections",
    "/v1/models": "models",
    "/healthz": "healthz",
    "/metrics": "metrics",
}

_DRAIN_S = 5.0


class Guard:
    """An ASGI application around ``app``."""

    def __init__(self, app: ASGIApp, server: Server):
        self.app, self.server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _check(self, scope: Scope, counts: bool) -> None:
        headers = Headers(scope=scope)
        self.server.access.check_site(headers)
        if scope["type"] == "http" and scope["path"] in OPEN:
            return
        client = self.server.access.client(headers, (scope.get("client") or ("", 0))[0])
        scope.setdefault("state", {})["client"] = client
        if counts:
            self.server.rates.take(client)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, status, path = time.monotonic(), 500, scope["path"]
        sizes = _Counted(receive, self.server.limits.upload_mb)

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            if message["type"] == "http.response.start" and status >= 400 and status != 408:
                await sizes.drain(Headers(scope=scope))
            await send(message)

        try:
            self._check(scope, path == TRANSCRIPTIONS or path.startswith(CORRECTIONS))
            sizes.check(Headers(scope=scope))
            await self.app(scope, sizes, watched)
        except Problem as err:
            await err.response()(scope, receive, watched)
        finally:
            seconds = time.monotonic() - start
            what = _NAMES.get(path, "page" if path in ("/", CAPTURE) else "other")
            self.server.metrics.request(what, status, seconds)
            if what not in ("healthz", "metrics"):
                note = scope.get("state", {}).get("note", "")
                shown = CORRECTIONS if path.startswith(CORRECTIONS) else path[:80]  # an id deletes
                self.server.log(f"{scope['method']} {shown!r} {status} {seconds:.2f} s{note}")

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, status = time.monotonic(), 101
        try:
            self._check(scope, True)
            if self.server.metrics.streams >= self.server.limits.streams:
                wait_s = self.server.pool.wait_s
                raise busy(wait_s, "streams: as many as may be are open")
            self.server.metrics.streams += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self.server.metrics.streams -= 1
        except Problem as err:
            status = err.status
            await WebSocket(scope, receive, send).send_denial_response(err.response())
        finally:
            note = scope.get("state", {}).get("note", "")
            self.server.metrics.request("stream", status, 0.0)
            self.server.log(f"WebSocket {status} {time.monotonic() - start:.2f} s{note}")


class _Counted:
    """``receive`` that gives no more than ``megabytes`` of a body; Problem (413)."""

    def __init__(self, receive: Receive, megabytes: float):
        self.receive, self.most, self.megabytes = receive, megabytes * 1e6, megabytes
        self.count, self.ended = 0, False

    def check(self, headers: Headers) -> None:
        """Refuse what says that it is too large before it is sent."""
        said = headers.get("content-length", "")
        if said.isdecimal() and int(said) > self.most:
            raise self._large()

    async def __call__(self) -> Any:
        message = await self._next()
        if self.count > self.most:
            raise self._large()
        return message

    async def _next(self) -> Message:
        message = await self.receive()
        self.count += len(message.get("body", b""))
        self.ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def drain(self, headers: Headers) -> None:
        """Take what is still being sent of a request that is refused, up to as much again: most clients read
        no answer before they have sent everything."""
        if headers.get("expect", "").lower() == "100-continue" and not self.count:
            return  # such a client waits
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                while not self.ended and self.count <= 2 * self.most:
                    await self._next()

    def _large(self) -> Problem:
        return Problem(
            413,
            f"file: a request of more than {self.megabytes:g} MB, which is the most that this server takes;"
            " send a compressed form, such as opus, or parts",
            "too_large",
            "file",
            {"Connection": "close"},
        )
