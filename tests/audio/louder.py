"""A kind of copies that only tests have: louder or softer, with noise from the generator that it is given."""

from __future__ import annotations

from xlt.audio.augment.same_length import SameLength


class Louder(SameLength):
    def __init__(self, argument):
        self.factor, self.tag = float(argument), f"loud{argument}"

    def apply(self, wave, rng, sounds):
        return (self.factor * wave + rng.normal(0, 0.001, len(wave))).astype("float32")
