"""A kind of copies that only tests have: louder or softer, with noise from the generator that it is given."""

from __future__ import annotations

import dataclasses

from xlt.audio.augment import ORIGINAL
from xlt.core.settings import FeaturesConfig


class Gain:
    setting = "gain"
    off: list = []

    @staticmethod
    def recipes(value):
        return [ORIGINAL, *(f"gain:{factor}" for factor in value)]

    @staticmethod
    def words(value):
        return ", gains " + " ".join(map(str, value))

    def __init__(self, argument):
        self.factor, self.tag = float(argument), f"gain{argument}"

    def length(self, samples):
        return samples

    def apply(self, wave, rng):
        return (self.factor * wave + rng.normal(0, 0.001, len(wave))).astype("float32")


@dataclasses.dataclass(frozen=True)
class GainFeatures(FeaturesConfig):
    """The settings as they would be with a key more, ``features.gain``."""

    gain: list = dataclasses.field(default_factory=list)


def with_gain(cfg, *factors: float):
    """The configuration ``cfg`` with ``features.gain``."""
    return dataclasses.replace(cfg, features=GainFeatures(**vars(cfg.features), gain=list(factors)))
