"""A model that hears how loud each 20 ms are, and recordings for it: each letter has a loudness of its own,
its sound lasts 60 ms, and silence follows for 20 ms.
"""

import functools
import random
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile

from xlt.align.work import Align, Aligner
from xlt.audio.cut import Lengths
from xlt.audio.files import SAMPLE_RATE
from xlt.text.normalise import normalise
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer

LETTERS = "abcdefghi"
FRAME = SAMPLE_RATE // 50
SPACE_LEVEL = 0.02
LETTER = [1, 1, 1, 0]  # frames with and without sound


def speech(text, pause_s=0.4):
    """Samples of a text; a space is faint for 60 ms."""
    levels = []
    for char in text:
        place = LETTERS.find(char)
        levels += [SPACE_LEVEL] * 3 if place < 0 else [(place + 1) / 10 * on for on in LETTER]
    levels += [0.0] * round(50 * pause_s)
    return np.repeat(np.array(levels, np.float32), FRAME)


class Hearing:
    """A transcriber; its log probabilities are sharp, with some doubt in each frame."""

    def __init__(self, folder):
        folder.mkdir()
        train_tokenizer([LETTERS + " "], "char", 0, folder, "letters")
        tokenizer = Tokenizer(folder)
        self.clips = SimpleNamespace(lengths=Lengths(4.0, 8.0), voice=False)
        self.recogniser = SimpleNamespace(
            has_ctc=True,
            tokenizer=tokenizer,
            frame_rate=50.0,
            model=self,
            spell=lambda t: [normalise(t, "generic-v2")],
        )
        self._of_level = [0, *(tokenizer.ids[letter] for letter in LETTERS)]

    def encode(self, waves):
        return waves

    def forget(self):
        pass

    def log_probs(self, waves):
        (wave,) = waves
        wave = np.pad(wave, (0, -len(wave) % FRAME)).reshape(-1, FRAME)
        loud = np.abs(wave).max(axis=1).tolist()
        space = self.recogniser.tokenizer.ids["<space>"]
        heard = [space if abs(one - SPACE_LEVEL) < 0.001 else self._of_level[round(10 * one)] for one in loud]
        rng = np.random.default_rng(len(heard))
        probs = -4 - 4 * rng.random((len(heard), len(self.recogniser.tokenizer.tokens)))
        probs[np.arange(len(heard)), heard] = -0.02
        return probs[None].astype(np.float32), np.array([len(heard)])


def sentences(count, seed=0):
    rng = random.Random(seed)
    word = lambda: "".join(rng.choices(LETTERS, k=rng.randint(2, 7)))  # noqa: E731
    return [" ".join(word() for _ in range(6)) for _ in range(count)]


def record(path, texts, pause_s=0.4):
    """Write them one after another; seconds at which each begins and ends."""
    parts, at, times = [np.zeros(SAMPLE_RATE // 2, np.float32)], 0.5, []
    for text in texts:
        parts.append(speech(text, pause_s))
        times.append((at, at + len(parts[-1]) / SAMPLE_RATE - pause_s))
        at += len(parts[-1]) / SAMPLE_RATE
    Path(path).parent.mkdir(exist_ok=True)
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE, subtype="FLOAT", format="WAV")
    return times


class Remote(Align):
    """The work of ``xlt align`` with such a model, for other processes."""

    @functools.cached_property
    def aligner(self):
        with tempfile.TemporaryDirectory() as folder:
            return Aligner(self.setup, Hearing(Path(folder) / "tokens"), None)
