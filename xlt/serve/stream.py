"""A WebSocket that speaks as Vosk's server does (https://github.com/alphacep/vosk-server): text messages are
settings, binary ones 16-bit samples of one channel; each binary message has one answer.

The server cuts the speech and hands the pieces to the workers, which remember nothing of a stream: one that
dies loses nothing of it.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from xlt.audio.cut import Cut, Lengths
from xlt.audio.files import SAMPLE_RATE
from xlt.bundle.auto import AUTO
from xlt.formats.transcripts import Piece
from xlt.serve.answers import whole_text
from xlt.serve.jobs import Busy, Job, Lost, Refused
from xlt.serve.problems import Problem
from xlt.serve.wishes import hotwords, language
from xlt.stream.listening import Listener, loudness

if TYPE_CHECKING:
    from xlt.serve.server import Server

RATES = (8000, 96000)  # Hz
PARTIAL_S = 1.0  # of speech between two looks at an open piece
MESSAGE_BYTES = 1 << 20
_AGAIN_S = 0.2  # before a piece is offered to a full queue again
_SETTINGS = ("sample_rate", "phrase_list", "words", "lang", "model", "max_alternatives", "partial_words")
_WRONG, _POLICY, _TOO_BIG, _DEFECT = 1003, 1008, 1009, 1011  # RFC 6455, 7.4.1


class _Closed(Exception):
    """The server has to end the conversation. ``status``: RFC 6455's."""

    def __init__(self, status: int, problem: Problem):
        super().__init__()
        self.status, self.problem = status, problem


class Stream:
    """One client's, from its first message to its last; ``seconds``: of sound so far."""

    def __init__(self, server: Server, socket: WebSocket):
        self.server, self.socket = server, socket
        self.seconds = 0.0
        self.rate, self.words = SAMPLE_RATE, True
        query = socket.query_params
        self.lang: str | None = query.get("lang")
        self.model: str | None = query.get("model")
        self.phrases: tuple[str, ...] = ()
        self._listener: Listener | None = None
        self._resampler: Any = None
        self._partial, self._looked = "", 0  # the text of the open piece, and up to which sample
        self._look: asyncio.Task | None = None
        self._looking: Job | None = None

    async def talk(self) -> None:
        """Until the client has said that it ends, or is gone."""
        try:
            while await self._answer(await self._message()):
                pass
            await self.socket.close()
        except _Closed as err:
            await self.socket.send_text(_json(err.problem.body()))
            await self.socket.close(err.status)
        except TimeoutError:
            await self.socket.close(_POLICY, "no message for too long")
        except WebSocketDisconnect:
            pass
        finally:
            self._forget_look()

    async def _message(self) -> dict[str, Any]:
        async with asyncio.timeout(self.server.limits.idle_s):
            message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        return dict(message)

    async def _answer(self, message: dict[str, Any]) -> bool:
        """Whether there will be more messages."""
        if (data := message.get("bytes")) is not None:
            await self._hear(data)
            return True
        found = _object(message.get("text") or "")
        if "config" in found:
            self._configure(found["config"])
            return True
        if "eof" in found:
            await self._end()
            return False
        raise _wrong('expected samples, {"config": {…}} or {"eof": 1}')

    def _configure(self, config: Any) -> None:
        if not isinstance(config, dict):
            raise _wrong("config: expected an object")
        if self._listener is not None:
            raise _wrong("config: comes before the first samples; open another WebSocket")
        for name, value in config.items():
            if name not in _SETTINGS:
                raise _wrong(f"config.{name[:80]}: unknown; there are {', '.join(_SETTINGS)}")
            if name == "sample_rate":
                low, high = RATES
                if not isinstance(value, int | float) or not low <= value <= high:
                    raise _wrong(f"config.sample_rate: expected {low} to {high} samples a second")
                self.rate = round(value)
            elif name == "phrase_list":
                if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                    raise _wrong("config.phrase_list: expected a list of words and phrases")
                self.phrases = hotwords(value)
            elif name == "words":
                self.words = bool(value)
            elif name == "max_alternatives" and value:
                raise _wrong("config.max_alternatives: expected 0, as there is one text only")
            elif name in ("lang", "model"):
                if not isinstance(value, str):
                    raise _wrong(f"config.{name}: expected a word")
                setattr(self, name, value)

    async def _begin(self) -> Listener:
        """With the first samples: load the language, and check the settings."""
        import soxr

        try:
            self.lang = language(self.lang, self.model, self.server.languages, self.server.tells_languages)
        except Problem as err:
            raise _Closed(_POLICY, err) from None
        facts = (await self._run(Job(self._about("facts")))).facts
        if self.rate != SAMPLE_RATE:
            self._resampler = soxr.ResampleStream(self.rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
        voice: Any = loudness
        if facts["voice"]:
            from xlt.audio.voice import Voice

            voice = await asyncio.to_thread(Voice)
        return Listener(Lengths(facts["usual_s"], facts["longest_s"]), voice)

    def _about(self, what: str) -> dict[str, Any]:
        return {"do": what, "lang": self.lang, "hotwords": list(self.phrases)}

    async def _hear(self, data: bytes) -> None:
        if len(data) % 2:
            raise _wrong(f"samples: {len(data)} bytes, expected an even number; send 16-bit samples")
        if self._listener is None:
            self._listener = await self._begin()
        self.seconds += len(data) / 2 / self.rate
        self.server.metrics.audio_s += len(data) / 2 / self.rate
        if self.seconds > self.server.limits.audio_s:
            await self._end()
            minutes = self.server.limits.audio_s / 60
            message = f"samples: more than {minutes:g} minutes in one stream; open another WebSocket"
            raise _Closed(_TOO_BIG, Problem(413, message, "too_long"))
        samples = np.frombuffer(data, "<i2").astype(np.float32) / 32768
        closed = await asyncio.to_thread(self._cut, samples, False)
        if closed:
            await self._result(closed)
        else:
            await self._look_at(self._listener)
            await self._send({"partial": self._partial})

    def _cut(self, samples: np.ndarray, last: bool) -> list[Cut]:
        listener = self._listener
        if listener is None:
            return []
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        closed = listener.hear(samples)
        end = listener.end() if last else None
        return closed if end is None else [*closed, end]

    async def _end(self) -> None:
        closed = await asyncio.to_thread(self._cut, np.zeros(0, np.float32), True)
        await self._result(closed)

    async def _result(self, closed: list[Cut]) -> None:
        """The final text of pieces that have ended."""
        self._forget_look()
        pieces = [piece for cut in closed for piece in await self._recognised(cut)]
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
        await self._send(found)

    async def _recognised(self, cut: Cut) -> list[Piece]:
        return (await self._run(self._job(cut))).pieces

    def _job(self, cut: Cut) -> Job:
        return Job({**self._about("piece"), "start": cut.start}, cut.samples)

    async def _run(self, job: Job) -> Any:
        """The answer of a worker, for which a full queue is waited for: the client does not hear before."""
        try:
            while True:
                try:
                    return await self.server.run(job)
                except Busy:
                    await asyncio.sleep(_AGAIN_S)
        except Refused as err:
            if not err.param:
                raise _Closed(_DEFECT, self.server.defect()) from None
            raise _Closed(_POLICY, Problem(400, str(err), "invalid_value", err.param)) from None
        except Lost as err:
            raise _Closed(_DEFECT, Problem(500, f"samples: {err}", "worker_lost")) from None

    async def _look_at(self, listener: Listener) -> None:
        """Begin to recognise the open piece, if a second of it is new and a worker has nothing to do."""
        cut = listener.open()
        if cut is None:
            self._forget_look()
            return
        end = cut.start + len(cut.samples)
        new_s = (end - max(cut.start, self._looked)) / SAMPLE_RATE
        if new_s < PARTIAL_S or (self._look is not None and not self._look.done()):
            return
        job = self._job(cut)
        if self.server.pool.submit_if_idle(job):
            self._looked, self._looking = end, job
            self._look = asyncio.create_task(self._partial_of(job))

    async def _partial_of(self, job: Job) -> None:
        try:
            answer = await asyncio.wrap_future(job.future)
        except (Refused, Lost):
            return  # its last look at the piece will say so
        self.server.metrics.work_s += answer.work_s
        if self._looking is job:
            self._partial = whole_text(answer.pieces)

    def _forget_look(self) -> None:
        if self._look is not None:
            self._look.cancel()
        if self._looking is not None:
            self._looking.give_up()
        self._look = self._looking = None
        self._partial = ""

    async def _send(self, message: dict[str, Any]) -> None:
        await self.socket.send_text(_json(message))


def _json(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _wrong('expected JSON, as in {"config": {"sample_rate": 16000}}')
    return found


def _wrong(message: str) -> _Closed:
    return _Closed(_WRONG, Problem(400, f"message: {message}", "invalid_message"))
