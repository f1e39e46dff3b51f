"""What one client says and is told, over one WebSocket or, if its connection is lost, over several."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.audio.files import SAMPLE_RATE
from xlt.bundle.auto import AUTO
from xlt.core.errors import DataError
from xlt.formats.transcripts import Piece
from xlt.serve.answers import whole_text
from xlt.serve.jobs import STOPS, Answer, Busy, Job, Lost, Refused
from xlt.serve.problems import Problem
from xlt.serve.remote import Remote
from xlt.serve.wishes import hotwords, language
from xlt.stream.events import Event, Final, Partial
from xlt.stream.session import RATES, Session

if TYPE_CHECKING:
    from xlt.serve.server import Server

SETTINGS = (
    "sample_rate",
    "phrase_list",
    "words",
    "lang",
    "model",
    "max_alternatives",
    "partial_words",
    "numbered",
    "resume",
)
REMEMBERED = 16  # results that a client may have missed
_PLACE = struct.Struct("<Q")  # in front of the samples of a numbered message
_AGAIN_S = 0.2
WRONG, POLICY, TOO_BIG, DEFECT = 1003, 1008, 1009, 1011  # RFC 6455, 7.4.1


class Closed(Exception):
    """The server has to end the conversation. ``status``: RFC 6455's."""

    def __init__(self, status: int, problem: Problem):
        super().__init__()
        self.status, self.problem = status, problem


class Conversation:
    """``resume``: whether the client wants to go on after a lost connection; ``results``: the last final ones
    of ``count``; ``too_long``: what to say behind the last of them, if the client has sent more than it may;
    ``one``: who hears or ends it holds this.
    """

    def __init__(self, server: Server, lang: str | None, model: str | None):
        self.server, self.lang, self.model = server, lang, model
        self.rate, self.words, self.phrases = SAMPLE_RATE, True, tuple[str, ...]()
        self.numbered = self.resume = False
        self.results: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self.count = 0
        self.too_long: Problem | None = None
        self.one = asyncio.Lock()
        self._session: Session | None = None
        self._remote: Remote | None = None
        self._partial: Partial | None = None

    @property
    def seconds(self) -> float:
        """Of sound so far."""
        return self._session.heard_s if self._session else 0.0

    @property
    def place(self) -> int:
        """Of the first sample that was not heard."""
        return self._session.place if self._session else 0

    def configure(self, config: Any) -> None:
        """Closed for settings that are none, or too late."""
        if not isinstance(config, dict):
            raise wrong("config: expected an object")
        if self._session is not None:
            raise wrong("config: comes before the first samples; open another WebSocket")
        for name, value in config.items():
            if name not in SETTINGS:
                raise wrong(f"config.{name[:80]}: unknown; there are {', '.join(SETTINGS)}")
            if name == "sample_rate":
                low, high = RATES
                if not isinstance(value, int | float) or not low <= value <= high:
                    raise wrong(f"config.sample_rate: expected {low} to {high} samples a second")
                self.rate = round(value)
            elif name == "phrase_list":
                if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                    raise wrong("config.phrase_list: expected a list of words and phrases")
                self.phrases = hotwords(value)
            elif name in ("words", "numbered", "resume"):
                setattr(self, name, bool(value))
            elif name == "max_alternatives" and value:
                raise wrong("config.max_alternatives: expected 0, as there is one text only")
            elif name in ("lang", "model"):
                if not isinstance(value, str):
                    raise wrong(f"config.{name}: expected a word")
                setattr(self, name, value)

    async def hear(self, data: bytes) -> dict[str, Any]:
        """The answer to a message of samples; Closed for one that is wrong."""
        place = None
        if self.numbered:
            if len(data) < _PLACE.size:
                raise wrong(f"samples: {len(data)} bytes, expected the place of the first sample in 8 bytes")
            (place,), data = _PLACE.unpack_from(data), data[_PLACE.size :]
        if len(data) % 2:
            raise wrong(f"samples: {len(data)} bytes, expected an even number; send 16-bit samples")
        session = self._session or await self._begin()
        before, longest_s = session.heard_s, self.server.limits.audio_s
        if before + len(data) / 2 / self.rate > longest_s:
            message = f"samples: more than {longest_s / 60:g} minutes in one stream; open another WebSocket"
            self.too_long = Problem(413, message, "too_long")
            return await self.end()
        samples = np.frombuffer(data, "<i2").astype(np.float32) / 32768
        found = await self._wait(lambda: session.hear(samples, self.rate, place))
        self.server.metrics.audio_s += session.heard_s - before
        return self._answer(found)

    async def end(self) -> dict[str, Any]:
        """The last answer."""
        session = self._session
        found = await self._wait(session.end) if session else []
        return self._answer(found, last=True)

    def close(self) -> None:
        """Nobody listens any more."""
        if self._remote is not None:
            self._remote.close()
        if self._session is not None:
            self._session.close()

    async def _begin(self) -> Session:
        """With the first samples: load the language, and check the settings."""
        server = self.server
        try:
            self.lang = language(self.lang, self.model, server.languages, server.tells_languages)
        except Problem as err:
            raise Closed(POLICY, err) from None
        about = {"lang": self.lang, "hotwords": list(self.phrases)}
        with _told(server):
            answer = await _facts(server, Job({"do": "facts", **about}))
        self._remote = Remote(server, about, answer.facts)
        self._session = await asyncio.to_thread(Session, self._remote)
        return self._session

    async def _wait(self, work: Callable[[], list[Event]]) -> list[Event]:
        """What ``work`` returns, which waits for workers in a thread."""
        with _told(self.server):
            try:
                return await asyncio.get_running_loop().run_in_executor(self.server.threads, work)
            except asyncio.CancelledError:
                self.close()
                raise

    def _answer(self, found: list[Event], last: bool = False) -> dict[str, Any]:
        pieces: list[Piece] = []
        lost = []
        for event in found:
            if isinstance(event, Final):
                pieces.append(event.piece)
                self._partial = None
            elif isinstance(event, Partial):
                self._partial = event
            else:
                lost.append([round(event.start_s, 3), round(event.end_s, 3)])
        more: dict[str, Any] = {"lost": lost} if lost else {}
        if pieces or last:
            result = self._result(pieces) | more
            self.results.append(result)
            self.count += 1
            return result
        if self._remote is not None and self._remote.streams:
            more["stable"] = self._partial.stable if self._partial else ""
        return {"partial": self._partial.text if self._partial else "", **more}

    def _result(self, pieces: list[Piece]) -> dict[str, Any]:
        """The final text of pieces that have ended."""
        found: dict[str, Any] = {"text": whole_text(pieces)}
        said = [word for piece in pieces for word in piece["words"]]
        if self.words and said:
            found["result"] = [
                {"word": word["text"], "start": word["start_s"], "end": word["end_s"]}
                | ({} if word["confidence"] is None else {"conf": round(word["confidence"], 4)})
                for word in said
            ]
        if self.lang == AUTO:
            found["languages"] = [
                {"start": piece["start_s"], "end": piece["end_s"], "language": piece["lang"]}
                | {"confidence": piece["lang_confidence"]}
                for piece in pieces
                if "lang_confidence" in piece
            ]
        self.server.log_text(found["text"])
        return found


async def _facts(server: Server, job: Job) -> Answer:
    """The answer of a worker, for which a full queue is waited for."""
    while True:
        try:
            return await server.run(job)
        except Busy:
            if server.pool.closing:
                raise Lost(STOPS) from None
            await asyncio.sleep(_AGAIN_S)


@contextlib.contextmanager
def _told(server: Server) -> Iterator[None]:
    """Closed for what workers refuse, and for sound that is none."""
    try:
        yield
    except DataError as err:
        raise wrong(str(err)) from None
    except Refused as err:
        if not err.param:
            raise Closed(DEFECT, server.defect()) from None
        raise Closed(POLICY, Problem(400, str(err), "invalid_value", err.param)) from None
    except Lost as err:
        raise Closed(DEFECT, Problem(500, f"samples: {err}", "worker_lost")) from None


def wrong(message: str) -> Closed:
    """Of a message that cannot be understood."""
    return Closed(WRONG, Problem(400, f"message: {message}", "invalid_message"))
