"""A bundle without a model for servers under test: each second of sound is a piece that says how loud it is.

What it does on the way is told by the loudness: see :data:`TRICKS`.
"""

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile

from tests.stream.fakes import letters
from xlt.audio.cut import Cut, Lengths
from xlt.core.errors import ConfigError, DataError
from xlt.lid.classifier import Decision

LANGUAGES = ("ron_Latn", "ell_Grek")
TRICKS = {9: "die", 8: "hang", 7: "defect", 6: "slow"}  # by the loudness of a second in tenths

SECRET = "what Ana said"


class Head:
    """As :class:`xlt.bundle.transcribe.Transcriber`, as far as a server asks. Greek has no CTC head."""

    def __init__(self, folder, lang):
        self.folder, self.lang, self.one = Path(folder), lang, threading.Lock()
        self.recogniser = SimpleNamespace(has_ctc=lang != "ell_Grek")
        self.clips = SimpleNamespace(lengths=Lengths(3.0, 6.0), voice=False)

    def hotwords(self, words, weight=None):
        for word in words:
            if "@" in word:
                raise DataError(
                    f"words: the model cannot write {word!r}: @ not among its characters; take it out"
                )
        return dict.fromkeys(words, 2.0)

    def pieces(self, path, hotwords=None, channel=None, vad=None, heard=lambda seconds: None, noticed=None):
        for cut in self.cuts(path, channel, vad, heard, noticed):
            yield self.piece(cut, hotwords)

    def cuts(self, path, channel=None, vad=None, heard=lambda seconds: None, noticed=None):
        from xlt.audio.files import read_blocks

        samples = np.concatenate(list(read_blocks(path, 16000, channel, noticed)))
        for second in range(max(1, len(samples) // 16000)):
            heard(1.0)
            yield Cut(second * 16000, samples[second * 16000 : (second + 1) * 16000])

    def streams(self, chunk_s=None, dtype=None):
        """Greek does, as :mod:`tests.stream.fakes` says."""
        if self.lang != "ell_Grek":
            raise ConfigError(f"{self.folder}: its model hears whole pieces only; train one that streams")
        return Streams()

    def piece(self, cut, hotwords=None):
        return self._said(cut.start / 16000, cut.samples, hotwords)

    def _said(self, start_s, samples, hotwords):
        loud = round(10 * float(np.median(np.abs(samples)))) if len(samples) else 0
        trick = TRICKS.get(loud)
        if trick == "die" and not self._died_before():
            os._exit(9)
        if trick == "hang":
            time.sleep(60)
        if trick == "slow":
            time.sleep(0.2)
        if trick == "defect":
            raise RuntimeError(SECRET)
        end_s = start_s + len(samples) / 16000
        text = " ".join([*([f"n {loud}"] if loud else []), *sorted(hotwords or {})])
        words = [
            {"text": word, "start_s": start_s, "end_s": end_s, "confidence": 0.3 if loud == 5 else 0.5}
            for word in text.split()
        ]
        return {"start_s": start_s, "end_s": end_s, "text": text, "score": -1.0, "words": words}

    def _died_before(self):
        """Whether the file ``twice`` is not there, and this process's predecessor has died of it."""
        mark = self.folder / "died"
        if mark.exists() and not (self.folder / "always").exists():
            return True
        mark.touch()
        return False


class Streams:
    """As :class:`xlt.bundle.streaming.Streams`: a letter for each half second."""

    whole_clips = False

    def open(self, hotwords=None):
        return Letters(hotwords)


class Letters:
    def __init__(self, hotwords):
        self.hotwords, self.heard = sorted(hotwords or {}), np.zeros(0, np.float32)

    def push(self, samples, last=False):
        self.heard = np.concatenate([self.heard, samples])

    @property
    def partial(self):
        return " ".join([letters(self.heard), *self.hotwords])

    @property
    def stable(self):
        return letters(self.heard)[:-1]


class Identifier:
    """Tells languages by loudness; two tenths are French, which the bundle has not, four are in none."""

    classifier = SimpleNamespace(languages=(*LANGUAGES, "fra"))

    def __call__(self, samples):
        loud = round(10 * float(np.median(np.abs(samples))))
        best = "fra" if loud == 2 else LANGUAGES[loud > 4]
        return Decision(None if loud == 4 else best, best, 0.4 if loud == 4 else 0.9)


class Bundle:
    def __init__(self, folder):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; give one")
        languages = folder / "languages"
        self.folder = folder
        self.identify = Identifier if (folder / "tells").exists() else None
        self.languages = tuple(languages.read_text().split()) if languages.exists() else LANGUAGES

    def head(self, lang=None):
        if lang is None and len(self.languages) > 1:
            raise ConfigError("--lang: name one")
        return Head(self.folder, lang or self.languages[0])


def open_bundle(folder):
    return Bundle(folder)


def write(path, *tenths, rate=16000, channels=1, **more):
    """A sound file with a tone a second, as loud as said in tenths."""
    times = np.arange(rate) / rate
    tone = np.sign(np.sin(2 * np.pi * 220 * times)).astype(np.float32)
    samples = np.concatenate([tone * loud / 10 for loud in tenths])
    soundfile.write(path, np.stack([samples] * channels, axis=1), rate, **more)
    return path
