"""A WebSocket that speaks as Vosk's server does (https://github.com/alphacep/vosk-server): text messages are
settings, binary ones 16-bit samples of one channel; each binary message has one answer.

The server cuts the speech and hands it to the workers. A worker that dies loses nothing of it, and a client
whose connection is lost may go on with a token (:mod:`xlt.stream.kept`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from xlt.serve.conversation import POLICY, TOO_BIG, Closed, Conversation, wrong
from xlt.serve.problems import Problem

if TYPE_CHECKING:
    from xlt.serve.server import Server

MESSAGE_BYTES = 1 << 20


class Stream:
    """One WebSocket, from its first message to its last. ``own``: the conversation that it carries."""

    def __init__(self, server: Server, socket: WebSocket):
        self.server, self.socket = server, socket
        query = socket.query_params
        self._client = socket.scope.get("state", {}).get("client", "")
        self.own = Conversation(server, query.get("lang"), query.get("model"))
        self._token = ""
        self._over = self._taken = False  # nothing is left to resume; another connection has resumed it

    @property
    def seconds(self) -> float:
        """Of sound in the conversation so far."""
        return self.own.seconds

    async def talk(self) -> None:
        """Until the client has said that it ends, or is gone."""
        try:
            await self._converse()
        except WebSocketDisconnect:
            pass
        except RuntimeError:  # starlette's, of a socket that another connection's task has closed
            if not self._taken:
                raise
        finally:
            self._leave()

    async def _converse(self) -> None:
        try:
            while await self._answer(await self._message()):
                pass
            await self.socket.close()
        except Closed as err:
            self._over = True
            await self._send(err.problem.body())
            await self.socket.close(err.status)
        except TimeoutError:
            await self.socket.close(POLICY, "no message for too long")

    async def _message(self) -> dict[str, Any]:
        async with asyncio.timeout(self.server.limits.idle_s):
            message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        return dict(message)

    async def _answer(self, message: dict[str, Any]) -> bool:
        """Whether there will be more messages."""
        if (data := message.get("bytes")) is not None:
            async with self._turn():
                found = await self.own.hear(data)
            await self._send(found)
            if self.own.too_long:
                raise Closed(TOO_BIG, self.own.too_long)
            return True
        asked = _object(message.get("text") or "")
        if "config" in asked:
            await self._configure(asked["config"])
            return True
        if "eof" in asked:
            async with self._turn():
                found = await self.own.end()
            await self._send(found)
            self._over = True
            return False
        raise wrong('expected samples, {"config": {…}} or {"eof": 1}')

    async def _configure(self, config: Any) -> None:
        if isinstance(config, dict) and "token" in config:
            await self._resume(config)
            return
        self.own.configure(config)
        if self.own.resume and not self._token:
            self._token = self.server.kept.token()
            self.server.talking[self._token] = self
            await self._send({"resume": {"token": self._token, "keep_s": self.server.limits.keep_s}})

    async def _resume(self, config: dict[str, Any]) -> None:
        """Go on with a conversation whose connection was lost, or seems to be to its client."""
        if more := [name for name in config if name not in ("token", "results")]:
            raise wrong(f"config.{more[0][:80]}: stands as it was; send token and results alone")
        token, had = config["token"], config.get("results", 0)
        if not isinstance(token, str) or not isinstance(had, int) or had < 0:
            raise wrong("config.token: expected the token, and in config.results how many results came")
        if self._token or self.own.seconds:
            raise wrong("config.token: comes before anything else; open another WebSocket")
        old = self.server.talking.get(token)
        if old is not None:
            self.own = old.own
        elif (kept := self.server.kept.take(token)) is not None:
            self.own = kept
        else:
            keep_s = self.server.limits.keep_s
            message = f"token: not known; a lost stream is kept for {keep_s:g} s: begin another one"
            raise Closed(POLICY, Problem(404, message, "unknown_token", "token"))
        self._token = token
        self.server.talking[token] = self  # before anything is waited for: a third one may come
        if old is not None:
            await old._give_way()
        async with self._turn():  # what the old connection has sent is heard to its end
            own = self.own
            missed = list(own.results)[max(0, len(own.results) - max(0, own.count - had)) :]
            await self._send({"resume": {"token": token, "samples": own.place, "missed": missed}})

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """While nobody else uses the conversation; WebSocketDisconnect if another connection has it now: what
        has come on this one since then, the client sends again on that.
        """
        async with self.own.one:
            if self._taken:
                raise WebSocketDisconnect(1006)
            yield

    async def _give_way(self) -> None:
        self._taken = True
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self.socket.close(POLICY, "resumed by another connection")

    def _leave(self) -> None:
        """Keep the conversation for a while if its client may come back for it."""
        if self._taken:
            return
        self.server.talking.pop(self._token, None)
        if self._token and not self._over:
            self.server.kept.put(self._token, self.own, self._client)
            later = self.server.limits.keep_s + 1
            asyncio.get_running_loop().call_later(later, self.server.kept.forget)
        else:
            self.own.close()

    async def _send(self, message: dict[str, Any]) -> None:
        if self._taken:
            raise WebSocketDisconnect(1006)
        await self.socket.send_text(_json(message))


def _json(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise wrong('expected JSON, as in {"config": {"sample_rate": 16000}}')
    return found
