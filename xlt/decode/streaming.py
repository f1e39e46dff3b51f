"""A model's outputs as they come → the text so far, and at the end what its decoder finds in all of them.

T frames, V tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from xlt.core.errors import ConfigError
from xlt.decode.beam import Beam, Open
from xlt.decode.combined import COMBINED
from xlt.decode.decoder import Decoded
from xlt.decode.fusion import JOINT
from xlt.decode.greedy import Greedy
from xlt.decode.recognise import SEARCH
from xlt.decode.transducer import ByTransducer
from xlt.formats.transcripts import Word
from xlt.nets.paths import BLANK_ID, best_path

if TYPE_CHECKING:
    from torch import Tensor

    from xlt.core.settings import DecodeConfig
    from xlt.decode.confidence import Calibration
    from xlt.decode.decoder import Decoder
    from xlt.decode.recognise import Hypothesis, Recogniser

LONG_S = 30.0  # of what has no such pause as is looked for
SHORT_PAUSE_S = 0.2  # ends that all the same; twice as long, any blank does


class _Search(Protocol):
    """``fixed``: tokens that no further frame changes. A transducer's gets the encoder's output instead of
    log probabilities.
    """

    fixed: tuple[int, ...]

    def push(self, log_probs: Any) -> None: ...

    def best(self) -> tuple[int, ...]: ...

    def settle(self) -> None: ...

    def end(self) -> Decoded: ...


class _BestPath:
    """Greedy decoding: what was written stays."""

    def __init__(self) -> None:
        self.fixed, self._last, self._score = tuple[int, ...](), BLANK_ID, 0.0

    def push(self, log_probs: np.ndarray) -> None:
        best = log_probs.argmax(axis=-1).tolist()
        for token in best:
            if token not in (BLANK_ID, self._last):
                self.fixed += (token,)
            self._last = token
        self._score += float(log_probs.max(axis=-1).sum())

    def best(self) -> tuple[int, ...]:
        return self.fixed

    def settle(self) -> None:
        """All is."""

    def end(self) -> Decoded:
        return Decoded(list(self.fixed), self._score)


class StreamingSearch:
    """The text of one stream, by ``recogniser``'s decoder: beam or transducer, with language models and
    hotwords as over a whole utterance, or greedy; see :func:`decoder` for others.

    ``hotwords``, ``calibration``: as :meth:`Recogniser.__call__ <xlt.decode.recognise.Recogniser.__call__>`
    takes them; ``pause_s``: an utterance ends, and another one begins, where CTC gives blanks for so long;
    None: only :meth:`end` ends it. Of a stream with pauses little is kept: where there are none, an utterance
    of :data:`LONG_S` ends at a pause of :data:`SHORT_PAUSE_S`, and one of twice the length at any blank.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        *,
        decode: DecodeConfig | None = None,
        hotwords: Mapping[str, float] | None = None,
        calibration: Calibration | None = None,
        pause_s: float | None = None,
    ):
        self._recogniser, self._calibration = recogniser, calibration
        self._decoder = decoder(recogniser, decode, hotwords)
        self._pause = None if pause_s is None else max(1, round(pause_s * recogniser.frame_rate))
        self._first = self._heard = 0  # frames: of the stream before this utterance, and of the utterance
        self._blanks = 0  # frames since its last token
        self._begin()

    @property
    def partial(self) -> str:
        """The text of this utterance so far."""
        return self._text(self._search.best())

    @property
    def stable(self) -> str:
        """The beginning of it that no further frame changes, also not the end."""
        return self._text(self._search.fixed)

    @property
    def blank_s(self) -> float:
        """Seconds of blanks since the last token."""
        return self._blanks / self._recogniser.frame_rate

    def push(self, log_probs: np.ndarray, hidden: Tensor | None = None) -> list[Hypothesis]:
        """The next outputs of CTC (T, V), natural, T may be 0, and for a transducer those of the encoder
        (T, H) → the utterances that end in them, with a pause behind each; none without ``pause_s``.
        """
        if not isinstance(self._decoder, ByTransducer):
            hidden = None
        ended: list[Hypothesis] = []
        is_blank = (log_probs.argmax(axis=-1) == BLANK_ID).tolist()
        start = 0
        for t, blank in enumerate(is_blank, start=1):
            self._blanks = self._blanks + 1 if blank else 0
            self._heard += 1
            if blank and self._pause is not None and self._blanks >= self._needed(self._pause):
                self._take(log_probs[start:t], None if hidden is None else hidden[start:t])
                start = t
                ended += self._cut()
        self._take(log_probs[start:], None if hidden is None else hidden[start:])
        return ended

    def end(self) -> Hypothesis:
        """The utterance, whose frames were all of it; the times of its words count from the first frame of
        the stream. Another one begins.
        """
        found = self._search.end()
        rows = np.concatenate(self._rows) if self._rows else np.zeros((0, 1), np.float32)
        by = self._recogniser
        if found.best_path is None:
            found = found._replace(best_path=best_path(rows.argmax(axis=-1)))
        given = by.hypothesis(found, rows, self._decoder, self._calibration)
        shift = self._first / by.frame_rate
        self._first, self._heard = self._first + self._heard, 0
        self._begin()
        return given._replace(words=tuple(_later(word, shift) for word in given.words))

    def _begin(self) -> None:
        self._search: _Search = _BestPath()
        if isinstance(self._decoder, Beam):
            self._search = Open(self._decoder.search)
        elif isinstance(self._decoder, ByTransducer):
            self._search = self._decoder.open()
        self._rows: list[np.ndarray] = []
        self._blanks = 0

    def _take(self, log_probs: np.ndarray, hidden: Tensor | None) -> None:
        if len(log_probs):
            self._rows.append(log_probs)
            self._search.push(log_probs if hidden is None else hidden)
            self._search.settle()

    def _needed(self, pause: int) -> int:
        """Blanks that end the utterance now."""
        rate = self._recogniser.frame_rate
        if self._heard < LONG_S * rate:
            return pause
        return 1 if self._heard >= 2 * LONG_S * rate else min(pause, max(1, round(SHORT_PAUSE_S * rate)))

    def _cut(self) -> list[Hypothesis]:
        """The utterance that has ended; none where nothing was said."""
        if self._search.best():
            return [self.end()]
        self._first, self._heard = self._first + self._heard, 0
        self._begin()
        return []

    def _text(self, ids: tuple[int, ...]) -> str:
        return self._recogniser.tokenizer.decode(list(ids))


def decoder(
    recogniser: Recogniser, decode: DecodeConfig | None = None, hotwords: Mapping[str, float] | None = None
) -> Decoder:
    """What a stream is decoded by: in place of an attention decoder, which needs the whole utterance, CTC's
    beam search without language models. ConfigError for a decoder that has no such part.
    """
    by = decode or recogniser.decode
    if by.method == COMBINED:  # whose weights are those of its own beam search
        by = dataclasses.replace(by, method=SEARCH)
    elif by.method in (JOINT, "attention"):
        by = dataclasses.replace(by, method=SEARCH, lm_weight=0.0, length_bonus=0.0)
    found = recogniser.decoder(by, hotwords)
    if not isinstance(found, Beam | ByTransducer | Greedy):
        raise ConfigError(
            f"decode.method={by.method}: needs the whole utterance; a stream is decoded by beam, transducer"
            " or greedy: bundle the model with one of them"
        )
    return found


def _later(word: Word, seconds: float) -> Word:
    start, end = (round(time + seconds, 3) for time in (word["start_s"], word["end_s"]))
    return Word(text=word["text"], start_s=start, end_s=end, confidence=word["confidence"])
