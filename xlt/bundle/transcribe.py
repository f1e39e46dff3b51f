"""A loaded bundle: the text of sound files of any format, rate and length."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from xlt.audio.files import SAMPLE_RATE
from xlt.formats.transcripts import Piece, Word


class Transcriber:
    """A loaded bundle. Call it with a sound file's path: pieces with ``start_s``, ``end_s``, ``text``,
    ``score``, and with ``tokens.language_tag`` the ``lang`` that the model told.

    DataError if the bundle is damaged, not whole, or of a newer xlt. Threads may share it: the model, whose
    search keeps a state, works for one of them at a time.
    """

    def __init__(self, bundle: Path):
        from xlt import lm
        from xlt.bundle import LM, MANIFEST, PARTNER, check_files, read_manifest
        from xlt.core.settings import DecodeConfig
        from xlt.core.stored import from_json
        from xlt.decode.confidence import Calibration
        from xlt.decode.recognise import Recogniser
        from xlt.features import load_trained
        from xlt.formats.model_folder import read_info

        manifest = read_manifest(bundle)
        check_files(bundle, manifest)
        decode = from_json(DecodeConfig, "decode", manifest["decode"], str(bundle / MANIFEST))
        if decode.hotwords:
            decode = dataclasses.replace(decode, hotwords=str(bundle / decode.hotwords))
        self._one = threading.Lock()
        self.encode = load_trained(read_info(bundle, "copy the bundle again")["features"], bundle)
        second = bundle / PARTNER if (bundle / PARTNER).is_dir() else None
        if second:
            features = read_info(second, "copy the bundle again")["features"]
            self.encode = _both(self.encode, load_trained(features, second))
        kind = manifest.get("lm", lm.NONE)
        load = functools.partial(lm.load, bundle / LM, kind)
        self.recogniser = Recogniser(bundle, decode, load, second)
        sure = manifest.get("confidence")
        self.calibration = Calibration.from_json(sure, str(bundle / MANIFEST)) if sure else None

    def hotwords(
        self, words: Path | Mapping[str, float] | Iterable[str], weight: float | None = None
    ) -> dict[str, float]:
        """Words and phrases for :meth:`__call__`, or a file of them (:mod:`xlt.lm.hotwords`), normalised.

        ``weight``: natural log probability for each of their characters, decode.hotword_weight if None;
        words may have factors of it. ConfigError or DataError for what the model cannot write.
        """
        from xlt.decode.recognise import refuse_hotwords
        from xlt.lm.hotwords import read_hotwords, spelled_hotwords

        refuse_hotwords(self.recogniser.decode)
        by = self.recogniser.decode.hotword_weight if weight is None else weight
        spell, tokenizer = self.recogniser.spell, self.recogniser.tokenizer
        if isinstance(words, Path):
            factors = read_hotwords(words, spell, tokenizer, "--words")
        else:
            factors = spelled_hotwords(words, spell, tokenizer)
        return {word: factor * by for word, factor in factors.items()}

    def __call__(self, path: str, hotwords: Mapping[str, float] | None = None) -> list[Piece]:
        """Transcribe a file, preferring ``hotwords``, as :meth:`hotwords` gives them; DataError if it cannot
        be read as audio.
        """
        from xlt.audio.files import read_wav
        from xlt.audio.segment import cut_at_silences

        rate = SAMPLE_RATE
        samples = read_wav(path, rate)  # (N,)
        ranges = cut_at_silences(samples, rate)
        with self._one:
            feats = self.encode([samples[a:b] for a, b in ranges])
            hypotheses = [
                self.recogniser([matrix], hotwords=hotwords, calibration=self.calibration)[0]
                for matrix in feats
            ]
        pieces: list[Piece] = []
        for (start, end), found in zip(ranges, hypotheses, strict=True):
            piece: Piece = {
                "start_s": start / rate,
                "end_s": end / rate,
                "text": found.text,
                "score": round(found.score, 4),
                "words": [_shifted(word, start / rate) for word in found.words],
            }
            if self.recogniser.tokenizer.tags:
                piece["lang"] = found.lang
            if found.looped:
                piece["looped"] = True
            pieces.append(piece)
        return pieces


def _both(own: Callable[[list], list], other: Callable[[list], list]) -> Callable[[list], list]:
    """Waves → what each of two models reads of them."""
    from xlt.decode.partner import Both

    return lambda waves: [Both(*pair) for pair in zip(own(waves), other(waves), strict=True)]


def _shifted(word: Word, start_s: float) -> Word:
    """The same with times from the beginning of the recording."""
    start, end = (round(time + start_s, 3) for time in (word["start_s"], word["end_s"]))
    return Word(text=word["text"], start_s=start, end_s=end, confidence=word["confidence"])
