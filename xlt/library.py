"""What ``import xlt`` offers: transcription and scores, to be called from programs.

Nothing is printed, no file is written, and it does not matter in which folder the process stands. All of it
may be called from several threads. Errors that the caller can mend are :class:`xlt.core.errors.XltError`.

>>> import xlt
>>> transcriber = xlt.load(bundle)  # the folder that stage 10 made
>>> found = transcriber(recording)  # the path of a sound file
>>> str(found) == found.text == found.segments[0].text
True
>>> found.segments[0].start_s
0.0
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlt.formats.transcripts import Piece
    from xlt.score.compare import Difference


@dataclass(frozen=True)
class Word:
    """A word, in scripts without spaces a character, with its times in seconds. ``confidence``: the
    probability that it is right, None for a bundle whose decoder is greedy.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float | None


@dataclass(frozen=True)
class Segment:
    """A part of a recording, times in seconds. ``score``: the log probability of its text; ``lang``: the
    language that the model predicted, None if it predicts none.
    """

    start_s: float
    end_s: float
    text: str
    score: float
    lang: str | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True)
class Transcription:
    """The text of a recording; ``str()`` gives it. ``segments``: the parts in which somebody speaks, cut at
    pauses; none in a recording without speech.

    >>> found = Transcription("good day", (Segment(0.0, 0.5, "good", -0.1), Segment(0.7, 1.2, "day", -0.2)))
    >>> print(found)
    good day
    """

    text: str
    segments: tuple[Segment, ...]

    def __str__(self) -> str:
        return self.text


class Transcriber:
    """A loaded bundle: call it with the path of a sound file of any format, sampling rate and length.

    Several threads may share one; the model itself works for one of them at a time.
    """

    def __init__(self, bundle: str | os.PathLike[str], lang: str | None = None):
        from xlt.bundle import open_bundle

        self.bundle, self.lang = Path(bundle), lang
        self._pieces = open_bundle(self.bundle).head(lang)

    def __call__(
        self,
        sound: str | os.PathLike[str],
        *,
        words: Mapping[str, float] | Iterable[str] = (),
        words_weight: float | None = None,
        vad: bool | None = None,
    ) -> Transcription:
        """``words``: words and phrases to prefer in this recording, such as names; a mapping gives factors
        of their weight. ``words_weight``: log probability added for each of their characters; None: that of
        the bundle, mostly 2. ``vad``: True: only what voice activity detection takes for speech; False:
        everything, cut at quiet places; None: as the bundle says.

        DataError if the file is missing or no audio, and for words that the model cannot write.
        """
        from xlt.text.normalise import put_together

        if isinstance(words, str):
            raise TypeError(f"words={words!r}: expected a list of words")
        hotwords = self._pieces.hotwords(words, words_weight)
        segments = tuple(map(_segment, self._pieces(os.fspath(sound), hotwords, vad)))
        return Transcription(put_together([segment.text for segment in segments]), segments)

    def __repr__(self) -> str:
        return f"xlt.load({str(self.bundle)!r}{'' if self.lang is None else f', {self.lang!r}'})"


def _segment(piece: Piece) -> Segment:
    words = tuple(Word(**word) for word in piece["words"])
    return Segment(piece["start_s"], piece["end_s"], piece["text"], piece["score"], piece.get("lang"), words)


def load(bundle: str | os.PathLike[str], lang: str | None = None) -> Transcriber:
    """The recogniser in a folder that stage 10 (bundle) made, e.g. ``egs/ron/exp/main/bundle``; it takes some
    seconds. ``lang``: which one of a bundle of several languages, e.g. ``ron``. DataError if the folder is
    none, is damaged, or is of a newer xlt; ConfigError for a language that it does not have.
    """
    return Transcriber(bundle, lang)


def cer(refs: Sequence[str] | str, hyps: Sequence[str] | str) -> float:
    """The character error rate of hypotheses against their references, in percent: errors over all
    utterances by characters of the references, as stage 8 counts them. The texts are taken as they are.

    ValueError if there are not as many hypotheses as references, or if a reference has no text.

    >>> round(cer(["o casă", "apă"], ["o masă", "apa"]), 1)
    22.2
    >>> cer("mere", "pere")
    25.0
    """
    from xlt.metrics.cer import tokens

    return _rate(tokens, refs, hyps)


def wer(refs: Sequence[str] | str, hyps: Sequence[str] | str) -> float:
    """The word error rate, as :func:`cer`.

    >>> round(wer(["o casă", "apă"], ["o masă", "apă"]), 1)
    33.3
    """
    from xlt.metrics.wer import tokens

    return _rate(tokens, refs, hyps)


def _rate(tokens: Callable[[str], list[str]], refs: Sequence[str] | str, hyps: Sequence[str] | str) -> float:
    from xlt.metrics.align import count_edits

    refs, hyps = ([texts] if isinstance(texts, str) else list(texts) for texts in (refs, hyps))
    if len(refs) != len(hyps):
        raise ValueError(f"{len(refs)} references and {len(hyps)} hypotheses: give one for each")
    empty = [number for number, ref in enumerate(refs) if not ref.strip()]
    if empty or not refs:
        raise ValueError(f"reference {empty[0]} has no text" if empty else "no references")
    counts = [count_edits(tokens(ref), tokens(hyp)) for ref, hyp in zip(refs, hyps, strict=True)]
    return 100 * sum(count.errors for count in counts) / sum(count.n_ref for count in counts)


def compare(a: str | os.PathLike[str], b: str | os.PathLike[str], set: str | None = None) -> list[Difference]:
    """How experiment ``b`` differs from ``a``, on each set that both have or on ``set``, by each metric: a
    paired bootstrap over utterances, as ``xlt score --compare`` does.

    ``a``, ``b``: folders ``exp/<tag>``, a score.json or results/<tag>.json. A difference has ``set``,
    ``metric``, ``rates`` of both in percent, ``found`` (the difference with its interval, and p) and
    ``b_is_better``, None if nothing is decided. ConfigError or DataError if they do not compare.
    """
    from xlt.score.compare import compare as differences
    from xlt.score.compare import read

    return differences(read(Path(a)), read(Path(b)), set)
