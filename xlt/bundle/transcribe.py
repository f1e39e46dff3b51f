"""A loaded bundle: the text of sound files of any format, rate and length."""

from __future__ import annotations

import json
from pathlib import Path

from xlt.audio.files import SAMPLE_RATE


class Transcriber:
    """A loaded bundle. Call it with a sound file's path: pieces with ``start_s``, ``end_s``, ``text``,
    ``score``, and with ``tokens.language_tag`` the ``lang`` that the model told."""

    def __init__(self, bundle: Path):
        from xlt.core.settings import DecodeConfig
        from xlt.decode.recognise import Recogniser
        from xlt.features import load_trained

        manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
        trained = json.loads((bundle / "xlt.json").read_text(encoding="utf-8"))
        self.encode = load_trained(trained["features"], bundle)
        self.recogniser = Recogniser(bundle, DecodeConfig(**manifest["decode"]))

    def __call__(self, path: str) -> list[dict]:
        """Transcribe a file; DataError if it cannot be read as audio."""
        from xlt.audio.files import read_wav
        from xlt.audio.segment import cut_at_silences

        rate = SAMPLE_RATE
        samples = read_wav(path, rate)  # (N,)
        ranges = cut_at_silences(samples, rate)
        feats = self.encode([samples[a:b] for a, b in ranges])
        pieces = []
        for (start, end), matrix in zip(ranges, feats, strict=True):
            found = self.recogniser([matrix])[0]
            pieces.append({
                "start_s": start / rate,
                "end_s": end / rate,
                "text": found.text,
                "score": round(found.score, 4),
                **({"lang": found.lang} if self.recogniser.tokenizer.tags else {}),
            })
        return pieces
