"""A model for sessions under test: it writes a letter for each half second of a piece."""

import numpy as np

from xlt.audio.cut import Lengths
from xlt.audio.voice import FRAME

RATE = 16000
CHUNK = RATE // 2


def sound(*parts, rate=RATE):
    """(seconds, loudness from 0 to 1) … → samples."""
    return np.concatenate([np.full(round(s * rate), loud, np.float32) for s, loud in parts])


def letters(samples):
    """One for each whole half second: ``a`` for a loudness of 0.1, ``i`` for 0.9, - for silence."""
    whole = samples[: len(samples) // CHUNK * CHUNK].reshape(-1, CHUNK)
    return "".join("-abcdefghi"[min(9, round(10 * float(np.median(np.abs(one)))))] for one in whole)


class Live:
    """What is stable is all but the last letter. ``heard``: its samples."""

    def __init__(self, model, start):
        self.model, self.start, self.heard, self.closed = model, start, np.zeros(0, np.float32), False
        model.opened.append(self)

    @property
    def text(self):
        return letters(self.heard)

    @property
    def stable(self):
        return self.text[:-1]

    def push(self, samples):
        self.heard = np.concatenate([self.heard, samples])

    def end(self, cut):
        return piece(cut, f"one pass: {self.text}")

    def close(self):
        self.closed = True


class Fake:
    """``opened``: all that were; ``cuts``: the pieces that had a second pass."""

    def __init__(self, usual_s=5.0, longest_s=20.0):
        self.lengths, self.opened, self.cuts = Lengths(usual_s, longest_s), [], []

    def voice(self):
        return lambda samples: (np.abs(samples).reshape(-1, FRAME).mean(axis=1) > 0.05).astype(np.float32)

    def open(self, start):
        return Live(self, start)

    def final(self, cut):
        self.cuts.append(cut)
        return piece(cut, letters(cut.samples).upper())


def piece(cut, text):
    start_s, end_s = cut.start / RATE, (cut.start + len(cut.samples)) / RATE
    return {"start_s": start_s, "end_s": end_s, "text": text, "score": -1.0, "words": []}
