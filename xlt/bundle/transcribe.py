"""A loaded bundle: the text of sound files of any format, rate and length."""

from __future__ import annotations

import threading
from pathlib import Path

from xlt.audio.files import SAMPLE_RATE
from xlt.formats.transcripts import Piece


class Transcriber:
    """A loaded bundle. Call it with a sound file's path: pieces with ``start_s``, ``end_s``, ``text``,
    ``score``, and with ``tokens.language_tag`` the ``lang`` that the model told.

    DataError if the bundle is damaged, not whole, or of a newer xlt. Threads may share it: the model, whose
    search keeps a state, works for one of them at a time.
    """

    def __init__(self, bundle: Path):
        from xlt.bundle import MANIFEST, check_files, read_manifest
        from xlt.core.settings import DecodeConfig
        from xlt.core.stored import from_json
        from xlt.decode.recognise import Recogniser
        from xlt.features import load_trained
        from xlt.formats.model_folder import read_info

        manifest = read_manifest(bundle)
        check_files(bundle, manifest)
        decode = from_json(DecodeConfig, "decode", manifest["decode"], str(bundle / MANIFEST))
        self._one = threading.Lock()
        self.encode = load_trained(read_info(bundle, "copy the bundle again")["features"], bundle)
        self.recogniser = Recogniser(bundle, decode)

    def __call__(self, path: str) -> list[Piece]:
        """Transcribe a file; DataError if it cannot be read as audio."""
        from xlt.audio.files import read_wav
        from xlt.audio.segment import cut_at_silences

        rate = SAMPLE_RATE
        samples = read_wav(path, rate)  # (N,)
        ranges = cut_at_silences(samples, rate)
        with self._one:
            feats = self.encode([samples[a:b] for a, b in ranges])
            hypotheses = [self.recogniser([matrix])[0] for matrix in feats]
        pieces: list[Piece] = []
        for (start, end), found in zip(ranges, hypotheses, strict=True):
            piece: Piece = {
                "start_s": start / rate,
                "end_s": end / rate,
                "text": found.text,
                "score": round(found.score, 4),
            }
            if self.recogniser.tokenizer.tags:
                piece["lang"] = found.lang
            pieces.append(piece)
        return pieces
