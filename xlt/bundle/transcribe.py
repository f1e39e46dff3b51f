"""A loaded bundle: the text of sound files of any format, rate and length."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.audio.files import SAMPLE_RATE, Heard
from xlt.core.errors import DataError
from xlt.formats.transcripts import Piece, Word

if TYPE_CHECKING:
    import numpy as np

    from xlt.audio.cut import Cut
    from xlt.audio.voice import Voice
    from xlt.bundle.streaming import Streams
    from xlt.decode.recognise import Hypothesis
    from xlt.features.backbone import Backbone
    from xlt.lm.model import LanguageModel
    from xlt.models.onnx.shared import Shared
    from xlt.tokens.tokenizer import Tokenizer

TRIM_EVERY = 16  # pieces: 3 MB each are left, where the encoder is Whisper's
FLOOR = 10 ** (-65 / 20)  # a piece whose loudest 0.1 s have less than -65 dBFS is silence


class Transcriber:
    """A loaded bundle. Call it with a sound file's path: pieces with ``start_s``, ``end_s``, ``text``,
    ``score``, and with ``tokens.language_tag`` the ``lang`` that the model told; :meth:`pieces` gives them
    one after another.

    DataError if the bundle is damaged, not whole, or of a newer xlt. Threads may share it: the model, whose
    search keeps a state, works for one of them at a time, which holds ``one``. ``backbone``: what it shares
    with others; UpstreamError if it was trained on another one.
    """

    def __init__(self, bundle: Path, backbone: Backbone | Shared | None = None):
        from xlt import lm
        from xlt.audio.voice import NETWORK
        from xlt.bundle.clips import Clips
        from xlt.bundle.manifest import LM, MANIFEST, PARTNER, check_files, read_manifest
        from xlt.core.settings import DecodeConfig
        from xlt.core.stored import from_json
        from xlt.decode.confidence import Calibration
        from xlt.decode.partner import Encoders
        from xlt.decode.recognise import Recogniser
        from xlt.features import load_trained
        from xlt.formats.model_folder import ONNX, packed_upstream, read_info
        from xlt.models.onnx.shared import Shared

        manifest = read_manifest(bundle)
        check_files(bundle, manifest)
        decode = from_json(DecodeConfig, "decode", manifest["decode"], str(bundle / MANIFEST))
        if decode.hotwords:
            decode = dataclasses.replace(decode, hotwords=str(bundle / decode.hotwords))
        self.folder = bundle
        self.one = threading.Lock()
        self._heard = 0  # pieces since memory was given back
        info = read_info(bundle, "copy the bundle again")
        features, alone = info["features"], backbone is None
        if features.get("on_the_fly") and not alone:
            raise DataError(f"{bundle}: its model encodes by itself, which no head does; copy it again")
        if info["family"] == ONNX and alone and not features.get("on_the_fly"):
            raise DataError(
                f"{bundle}: was exported without its encoder; give the bundle"
                f" {bundle.parent.parent}, with --lang {bundle.name}"
            )
        self.encode: Any  # a function of waves, or Encoders, which mypy takes for a tuple alone
        if isinstance(backbone, Shared):
            self.encode = backbone.encoder(features, bundle)
        else:
            self.encode = load_trained(features, bundle, backbone)
        second = bundle / PARTNER if (bundle / PARTNER).is_dir() else None
        if second:
            features = read_info(second, "copy the bundle again")["features"]
            self.encode = Encoders(self.encode, load_trained(features, second))
        kind = manifest.get("lm", lm.NONE)
        load = functools.partial(_load_lms, bundle / LM, kind)
        self.recogniser = Recogniser(bundle, decode, load, second)
        sure = manifest.get("confidence")
        self.calibration = Calibration.from_json(sure, str(bundle / MANIFEST)) if sure else None
        self.clips = Clips.from_json(manifest.get("clips"), str(bundle / MANIFEST))
        # the network for voice activity: exported bundles bring it, those of several languages once
        brought = [place / NETWORK for place in (bundle, packed_upstream(bundle)) if place is not None]
        self._network = next((path for path in brought if path.exists()), None)

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

    def __call__(
        self, path: str, hotwords: Mapping[str, float] | None = None, vad: bool | None = None
    ) -> list[Piece]:
        """Transcribe a file, preferring ``hotwords``, as :meth:`hotwords` gives them; DataError if it cannot
        be read as audio. ``vad``: see :meth:`pieces`.
        """
        return list(self.pieces(path, hotwords, vad=vad))

    def pieces(
        self,
        path: str,
        hotwords: Mapping[str, float] | None = None,
        channel: int | None = None,
        vad: bool | None = None,
        heard: Callable[[float], None] = lambda seconds: None,
        noticed: Heard | None = None,
    ) -> Iterator[Piece]:
        """The same, piece by piece: what is kept of the recording does not depend on its length.

        ``channel``: the only one to listen to, from 0; without it all are averaged. ``vad``: True: only what
        Silero's voice activity detection takes for speech; False: everything, cut at quiet places; None: as
        the bundle says. ``heard`` is called with the seconds of each block that is read; ``noticed`` is told
        of a wrong header, a file that is cut short, and channels that cancel each other.
        """
        for cut in self.cuts(path, channel, vad, heard, noticed):
            yield self.piece(cut, hotwords)

    def cuts(
        self,
        path: str,
        channel: int | None = None,
        vad: bool | None = None,
        heard: Callable[[float], None] = lambda seconds: None,
        noticed: Heard | None = None,
    ) -> Iterator[Cut]:
        """What :meth:`pieces` recognises, as sound."""
        from xlt.audio.cut import pieces
        from xlt.audio.files import read_blocks

        def blocks() -> Iterator[np.ndarray]:
            for block in read_blocks(path, SAMPLE_RATE, channel, noticed):
                heard(len(block) / SAMPLE_RATE)
                yield block

        voice = self.voice() if (self.clips.voice if vad is None else vad) else None
        yield from pieces(blocks(), self.clips.lengths, voice)

    def voice(self) -> Voice:
        """Voice activity detection for one recording; UpstreamError if its network is not there."""
        from xlt.audio.voice import Voice

        return Voice(self._network)

    def streams(self, chunk_s: float | None = None, dtype: str | None = None) -> Streams:
        """The same model for streams, ``chunk_s`` seconds at once, its encoder in ``dtype``, None: as it was
        trained. ConfigError or DataError, with what to do, if it cannot.
        """
        from xlt.bundle.streaming import Streams

        return Streams(self, chunk_s, dtype)

    def piece(self, cut: Cut, hotwords: Mapping[str, float] | None = None) -> Piece:
        """The text of one of :meth:`cuts`."""
        return self.as_piece(cut, self._recognised(cut, hotwords) if is_loud(cut.samples) else None)

    def _recognised(self, cut: Cut, hotwords: Mapping[str, float] | None) -> Hypothesis:
        with self.one:
            feats = self.encode([cut.samples])
            (found,) = self.recogniser(feats, hotwords=hotwords, calibration=self.calibration)
            self.recogniser.model.forget()  # nobody asks again
            self._trim()
        return found

    def _trim(self) -> None:
        """Give memory back from time to time: arrays of clips of many lengths leave holes in glibc's heap."""
        self._heard += 1
        if self._heard >= TRIM_EVERY:
            from xlt.core.machine import trim_memory

            self._heard = 0
            trim_memory()

    def as_piece(self, cut: Cut, found: Hypothesis | None) -> Piece:
        """What was found in ``cut``; None: it is silence. Times count from the beginning of the recording."""
        start_s, end_s = _times(cut)
        if found is None:
            return empty_piece(cut)
        if self._only_blanks(found):
            return {**empty_piece(cut), "blank": True}
        piece: Piece = {
            "start_s": start_s,
            "end_s": end_s,
            "text": found.text,
            "score": round(found.score, 4),
            "words": [_shifted(word, start_s, end_s) for word in found.words],
        }
        if self.recogniser.tokenizer.tags:
            piece["lang"] = found.lang
        if found.looped:
            piece["looped"] = True
        return piece

    def _only_blanks(self, found: Hypothesis) -> bool:
        """Whether CTC's blank is likelier than all letters at all times, where other decoders still write."""
        return self.recogniser.has_ctc and not found.greedy.strip()


def empty_piece(cut: Cut) -> Piece:
    """A piece in which nothing was recognised."""
    start_s, end_s = _times(cut)
    return {"start_s": start_s, "end_s": end_s, "text": "", "score": 0.0, "words": []}


def _times(cut: Cut) -> tuple[float, float]:
    return cut.start / SAMPLE_RATE, (cut.start + len(cut.samples)) / SAMPLE_RATE


def _load_lms(folder: Path, kind: str, tokenizer: Tokenizer) -> Sequence[LanguageModel]:
    """As :func:`xlt.lm.load`; what that needed beside the models is given back."""
    from xlt import lm
    from xlt.core.machine import trim_memory

    found = lm.load(folder, kind, tokenizer)
    if found:
        trim_memory()
    return found


def is_loud(samples: np.ndarray) -> bool:
    """Whether any 0.1 s of (N,) are more than silence."""
    import numpy as np

    step = SAMPLE_RATE // 10
    parts = np.pad(samples, (0, -len(samples) % step)).reshape(-1, step)  # (n, step)
    return bool(len(parts)) and float(np.sqrt((parts**2).mean(axis=1)).max()) >= FLOOR


def _shifted(word: Word, start_s: float, end_s: float) -> Word:
    """The same with times from the beginning of the recording, within the piece from ``start_s`` to
    ``end_s``: a model's last frame may go beyond it."""
    start, end = (min(round(time + start_s, 3), round(end_s, 3)) for time in (word["start_s"], word["end_s"]))
    return Word(text=word["text"], start_s=start, end_s=end, confidence=word["confidence"])
