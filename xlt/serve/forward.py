"""What another server is asked: a whole recording, as a client sent it, or pieces of one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
from starlette.datastructures import Headers
from starlette.responses import Response

from xlt.core import jsons
from xlt.formats.transcripts import Piece, Word
from xlt.serve.answers import LANGUAGES
from xlt.serve.guard import TRANSCRIPTIONS
from xlt.serve.problems import Problem
from xlt.serve.routes import Route, Routes
from xlt.serve.wishes import Wish

VIA = "X-Xlt-Via"  # the servers that a request has passed, between commas
HOPS = 4
ANSWER_BYTES = 64 << 20
_CONNECT_S = 5.0
_PASSED = (400, 404, 408, 413, 415, 422, 429, 503, 508)  # whose reason is the request, or passes
_KINDS = ("application/json", "text/plain", "text/vtt", "application/xml")  # nothing that a browser runs


class Forwarder:
    """For one request of a client, whose ``headers`` say which servers it has passed. A context manager."""

    def __init__(self, routes: Routes, headers: Headers):
        self.routes = routes
        self.via = [name.strip() for name in headers.get(VIA, "").split(",") if name.strip()]
        self.authorization = headers.get("authorization")
        # trust_env: neither proxies nor passwords of the environment
        timeout = httpx2.Timeout(routes.timeout_s, connect=min(_CONNECT_S, routes.timeout_s))
        self._client = httpx2.AsyncClient(
            transport=routes.transport, timeout=timeout, trust_env=False, follow_redirects=False
        )

    async def __aenter__(self) -> Forwarder:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._client.__aexit__(*error)

    async def whole(self, path: Path, wish: Wish, name: str) -> Response:
        """The other server's answer as it is; Problem for its errors and for what is none."""
        found = await self._ask(self.routes.table[wish.lang], path, wish, name)
        shares = found.headers.get(LANGUAGES, "")
        kept = {LANGUAGES: shares} if shares and shares.isascii() else {}
        return Response(found.content, 200, kept, found.headers["content-type"])

    async def piece(self, lang: str, path: Path, start_s: float, words: bool) -> list[Piece]:
        """The pieces that the other server finds in a clip, which begins at ``start_s`` of the recording."""
        wish = Wish(lang, "verbose_json", words=words)
        found = await self._ask(self.routes.table[lang], path, wish, "piece.wav")
        try:
            document = jsons.parse(found.content, finite=True)
            said = [_word(word, start_s) for word in document.get("words") or []]
            return [_piece(segment, start_s, said) for segment in document["segments"]]
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
            raise _problem(lang, 502, "answers with something else than a transcript") from None

    async def _ask(self, route: Route, path: Path, wish: Wish, name: str) -> httpx2.Response:
        if self.routes.name in self.via or len(self.via) >= HOPS:
            raise Problem(
                508,
                f"language: the servers for {route.lang} send the request to each other; mend their --routes",
                "loop",
                "language",
            )
        headers = {VIA: ", ".join([*self.via, self.routes.name])}
        if route.token is not None:
            headers["Authorization"] = f"Bearer {route.token}"
        elif route.forward and self.authorization:
            headers["Authorization"] = self.authorization
        try:
            with path.open("rb") as file:
                request = self._client.build_request(
                    "POST",
                    route.url + TRANSCRIPTIONS,
                    files={"file": (name or "recording", file)},
                    data=_fields(wish),
                    headers=[(key.encode(), value.encode("latin-1")) for key, value in headers.items()],
                )
                found = await _bounded(self._client, request, self.routes.timeout_s)
        except (httpx2.TimeoutException, TimeoutError):
            raise _problem(route.lang, 504, f"does not answer within {self.routes.timeout_s:g} s") from None
        except httpx2.HTTPError:
            raise _problem(route.lang, 502, "cannot be reached") from None
        if found.status_code != 200:
            raise _refusal(route, found)
        kind = found.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() not in _KINDS or not kind.isascii():
            raise _problem(route.lang, 502, "answers with something else than a transcript")
        return found


async def _bounded(client: httpx2.AsyncClient, request: httpx2.Request, seconds: float) -> httpx2.Response:
    """The answer, read as a whole; HTTPError if it is too large, TimeoutError if it takes too long."""
    async with asyncio.timeout(seconds):
        found = await client.send(request, stream=True)
        try:
            parts, size = [], 0
            async for part in found.aiter_bytes():
                size += len(part)
                if size > ANSWER_BYTES:
                    raise httpx2.ReadError("too large")
                parts.append(part)
        finally:
            await found.aclose()
    return httpx2.Response(
        found.status_code,
        headers={k: v for k, v in found.headers.items() if k not in ("content-encoding", "content-length")},
        content=b"".join(parts),
    )


def _fields(wish: Wish) -> dict[str, str | list[str]]:
    fields: dict[str, str | list[str]] = {
        "model": "xlt",
        "language": wish.lang,
        "response_format": wish.form,
    }
    if wish.hotwords:
        fields["hotwords"] = ",".join(wish.hotwords)
    if wish.words:
        fields["timestamp_granularities[]"] = ["segment", "word"]
    return fields


def _refusal(route: Route, found: httpx2.Response) -> Problem:
    """The error that the other server gave, as this one's."""
    status = found.status_code
    error: Mapping[str, Any] = {}
    try:
        document = jsons.parse(found.content)
        error = document["error"] if isinstance(document["error"], dict) else {}
    except (ValueError, LookupError, TypeError):
        pass
    message, code, param = (error.get(key) for key in ("message", "code", "param"))
    text = message[:500] if isinstance(message, str) else f"status {status}"
    if status in (401, 403) and not route.forward:
        return _problem(route.lang, 502, f"does not let this server in (status {status})")
    if status not in (*_PASSED, 401, 403):
        return _problem(route.lang, 502, f"fails: {text}")
    wait = found.headers.get("retry-after", "")
    return Problem(
        status,
        f"language: the server for {route.lang} says: {text}",
        code if isinstance(code, str) else "elsewhere",
        param if isinstance(param, str) else None,
        {"Retry-After": wait} if wait.isdecimal() else {},
    )


def _problem(lang: str, status: int, what: str) -> Problem:
    return Problem(
        status,
        f"language: the server for {lang} {what}; try again later, or tell the owner of this server",
        "elsewhere",
        "language",
    )


def _piece(segment: Mapping[str, Any], start_s: float, said: list[Word]) -> Piece:
    """A segment of another server. Its score is made of the mean that OpenAI's form has."""
    text = str(segment["text"]).strip()
    begin, end = float(segment["start"]) + start_s, float(segment["end"]) + start_s
    score = float(segment.get("avg_logprob") or 0.0) * len(text)
    words = [word for word in said if begin - 1e-3 <= word["start_s"] < end]
    return {"start_s": begin, "end_s": end, "text": text, "score": score, "words": words}


def _word(word: Mapping[str, Any], start_s: float) -> Word:
    sure = word.get("confidence")
    return Word(
        text=str(word["word"]),
        start_s=round(float(word["start"]) + start_s, 3),
        end_s=round(float(word["end"]) + start_s, 3),
        confidence=None if sure is None else float(sure),
    )
