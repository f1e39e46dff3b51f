"""Altered copies of training speech: kinds of them, one a file, named in the registry AUGMENTATIONS.

A copy is named by its recipe: ``speed:0.9``, the kind and its argument; ``""`` is the utterance. What a
kind is called elsewhere (a setting, the ids of its copies, words of a table) is the kind's own matter, so
that nothing else knows it by name. Stage 3 keeps ``utt2source`` beside the features, which later stages read.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from xlt.core.registry import AUGMENTATIONS
from xlt.core.settings import FeaturesConfig

if TYPE_CHECKING:
    import numpy as np

ORIGINAL = ""  # recipe of the utterance itself


class Augmentation(Protocol):
    """A kind of altered copies; made with the argument of a recipe. A worked example:

    >>> class Gain:
    ...     setting, off = "gain", []  # features.gain: [0.5, 2.0]
    ...
    ...     @staticmethod
    ...     def recipes(value):
    ...         return [ORIGINAL, *(f"gain:{factor:g}" for factor in value)]
    ...
    ...     @staticmethod
    ...     def words(value):
    ...         return ", gains " + " ".join(map(str, value))
    ...
    ...     def __init__(self, argument):
    ...         self.factor, self.tag = float(argument), f"gain{argument}"
    ...
    ...     def length(self, samples):
    ...         return samples
    ...
    ...     def apply(self, wave, rng):
    ...         return self.factor * wave
    >>> Gain.recipes([0.5]), Gain("0.5").tag
    (['', 'gain:0.5'], 'gain0.5')
    """

    setting: ClassVar[str]  # key below ``features`` that asks for copies, in feats.json too
    off: ClassVar[Any]  # its value that asks for none
    tag: str  # of the copies' ids, ``<tag>-<utterance>``, and of what their features are stored under

    @staticmethod
    def recipes(value: Any) -> list[str]:
        """The recipes that a value of the setting asks for, in order, ORIGINAL among them if it stays."""
        ...

    @staticmethod
    def words(value: Any) -> str:
        """A value other than ``off`` in the tables of results, e.g. ``, speeds 0.9 1.0 1.1``."""
        ...

    def __init__(self, argument: str): ...

    def length(self, samples: int) -> int:
        """The number of samples of the copy, of those of the utterance."""
        ...

    def apply(self, wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The copy of a wave (N,) at 16 kHz, float32; all randomness comes from ``rng``."""
        ...


@dataclass(frozen=True)
class Copy:
    """A copy of any utterance, by its recipe."""

    recipe: str = ORIGINAL

    @functools.cached_property
    def _kind(self) -> Augmentation:
        kind, _, argument = self.recipe.partition(":")
        return AUGMENTATIONS.get(kind)(argument)

    def name(self, of: str) -> str:
        """Id of the copy of an utterance, or a speaker, as Kaldi's recipes have it: ``sp0.9-<of>``."""
        return of if self.recipe == ORIGINAL else f"{self._kind.tag}-{of}"

    def content_key(self, sha: str) -> str:
        """What the features are stored under; ``sha``: hash of the utterance's audio."""
        return sha if self.recipe == ORIGINAL else f"{sha}-{self._kind.tag}"

    def audio_hash(self, content_key: str) -> str:
        """The hash of which :meth:`content_key` made this."""
        return content_key if self.recipe == ORIGINAL else content_key.removesuffix(f"-{self._kind.tag}")

    def length(self, samples: int) -> int:
        """The number of samples of the copy, of those of the utterance."""
        return samples if self.recipe == ORIGINAL else self._kind.length(samples)

    def wave(self, wave: np.ndarray, content_key: str) -> np.ndarray:
        """The copy of ``wave`` (N,); the same for the same audio and recipe."""
        if self.recipe == ORIGINAL:
            return wave
        import numpy as np

        seed = int.from_bytes(hashlib.sha256(content_key.encode()).digest()[:8])
        return self._kind.apply(wave, np.random.default_rng(seed))


def kinds() -> list[type[Augmentation]]:
    """All that there are."""
    return [AUGMENTATIONS.get(name) for name in AUGMENTATIONS.entries]


def values(features: FeaturesConfig | None) -> dict[str, Any]:
    """``{key below features: its value}`` of all kinds; of None, as for a set without copies."""
    return {
        kind.setting: kind.off if features is None else getattr(features, kind.setting, kind.off)
        for kind in kinds()
    }


def copies(features: FeaturesConfig | None) -> list[Copy]:
    """The copies that the settings ask for, the utterance itself among them unless a kind leaves it out."""
    asked = values(features)
    lists = [kind.recipes(asked[kind.setting]) for kind in kinds() if asked[kind.setting] != kind.off]
    found = dict.fromkeys(recipe for recipes in lists for recipe in recipes)
    if any(ORIGINAL not in recipes for recipes in lists):
        found.pop(ORIGINAL, None)
    return list(map(Copy, found or [ORIGINAL]))


def in_words(facts: dict[str, Any]) -> str:
    """What tables say of the copies of a feats.json."""
    return "".join(
        kind.words(facts[kind.setting]) for kind in kinds() if facts.get(kind.setting, kind.off) != kind.off
    )
