"""Altered copies of speech: kinds of alterations, one a file, named in the registry AUGMENTATIONS.

A copy is named by its recipe: kinds with their arguments, one after another, ``room+noise:5..20``; ``#2``
behind it is another draw of the same, and ``@`` begins the digest of the noise that it was made with. ``""``
is the utterance itself. Stage 3 keeps ``utt2source`` beside the features, which later stages read.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from xlt.audio.augment.chunk import Mask
from xlt.core.errors import ConfigError, DataError
from xlt.core.registry import AUGMENTATIONS
from xlt.core.settings import FeaturesConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np

    from xlt.audio.augment.sounds import Sounds

ORIGINAL = ""  # recipe of the utterance itself
MASKS = ("chunk_s", "left_s", "look_ahead_s")  # keys below features: how much the encoder hears at once
SETTINGS = ("speed", "augment", *MASKS)  # keys below features that ask for copies
_CHAIN = re.compile(r"(?P<kinds>[^\s#@]+)(#(?P<draw>[1-9]\d*))?(@(?P<digest>[0-9a-f]+))?")


class Augmentation(Protocol):
    """A kind of alteration; made with the argument behind its name, ``""`` without one. ValueError, with what
    is expected, for an argument that it does not understand. A worked example:

    >>> class Louder:  # features.augment: ["louder:2"]
    ...     sounds = ()
    ...
    ...     def __init__(self, argument):
    ...         self.factor = float(argument)
    ...
    ...     def length(self, samples):
    ...         return samples
    ...
    ...     def apply(self, wave, rng, sounds):
    ...         return self.factor * wave
    >>> Louder("2").apply(0.25, None, None)
    0.5

    A kind may have a ``tag``, which begins the ids of its copies instead of its name and argument. One that
    changes what the encoder hears of a sound, not the sound, has a ``mask``
    (:class:`~xlt.audio.augment.chunk.Chunk`).
    """

    sounds: tuple[str, ...] | None  # the names in data.noise that it draws from, None: all that are there

    def __init__(self, argument: str): ...

    def length(self, samples: int) -> int:
        """The number of samples of the copy, of those of the utterance."""
        ...

    def apply(self, wave: np.ndarray, rng: np.random.Generator, sounds: Sounds | None) -> np.ndarray:
        """The copy of a wave (N,) at 16 kHz, float32; all randomness comes from ``rng``."""
        ...


@dataclass(frozen=True)
class Copy:
    """A copy of any utterance, by its recipe; ValueError for one that is none, once something is asked.

    ``usual``: its mask is that of the set, and no part of its ids.
    """

    recipe: str = ORIGINAL
    usual: bool = False

    @functools.cached_property
    def _parts(self) -> tuple[list[str], str, str]:
        hit = _CHAIN.fullmatch(self.recipe)
        if hit is None:
            raise ValueError("expected kinds with their arguments, such as room+noise:5..20")
        return hit["kinds"].split("+"), hit["draw"] or "", hit["digest"] or ""

    @functools.cached_property
    def kinds(self) -> list[Augmentation]:
        """The alterations, in their order."""
        found = []
        for part in self._parts[0] if self.recipe else ():
            name, _, argument = part.partition(":")
            if name not in AUGMENTATIONS:
                known = ", ".join(kind for kind in AUGMENTATIONS.names() if kind != "chunk")  # refused below
                raise ValueError(f"there is no kind {name!r}; expected {known}{AUGMENTATIONS.hint(name)}")
            try:
                found.append(AUGMENTATIONS.get(name)(argument))
            except ValueError as err:
                raise ValueError(f"{part!r}: {err}") from None
        return found

    def _joined(self, named: Callable[[Augmentation], str | None]) -> str:
        """Kinds by what ``named`` says of each, None: its name and argument; ``""`` if none is left."""
        parts = zip(self._parts[0], self.kinds, strict=True)
        names = [re.sub("[:/]", "_", part) if (own := named(kind)) is None else own for part, kind in parts]
        draw = f"#{self._parts[1]}" if self._parts[1] else ""
        return "+".join(filter(None, names)) + draw

    @functools.cached_property
    def _tag(self) -> str:
        def named(kind: Augmentation) -> str | None:
            return "" if self.usual and hasattr(kind, "mask") else getattr(kind, "tag", None)

        return self._joined(named)

    @property
    def mask(self) -> Mask | None:
        """What the encoder hears of it at once, None: the whole."""
        found = [kind.mask for kind in self.kinds if hasattr(kind, "mask")]
        return found[-1] if found else None

    def under(self, mask: Mask, usual: bool = False) -> Copy:
        """The same under ``mask``, which may be ``usual``."""
        if usual and not mask.chunk_s:
            return self
        kinds, *draw = self.recipe.split("#")
        return Copy("#".join(["+".join(filter(None, [kinds, mask.recipe])), *draw]), usual)

    @property
    def draws(self) -> bool:
        """Whether it draws from data/noise, where there is one."""
        return any(kind.sounds is None or kind.sounds for kind in self.kinds)

    def with_noise(self, digest: str) -> Copy:
        """The same with the ``digest`` of data/noise, if it draws from that; ``""``: there is none."""
        return Copy(f"{self.recipe}@{digest}", self.usual) if digest and self.draws else self

    def name(self, of: str) -> str:
        """Id of the copy of an utterance, or a speaker, as Kaldi's recipes have it: ``sp0.9-<of>``."""
        return f"{self._tag}-{of}" if self.recipe != ORIGINAL and self._tag else of

    def content_key(self, sha: str) -> str:
        """What the features are stored under; ``sha``: hash of the utterance's audio."""
        return f"{sha}{self._ending}"

    def audio_hash(self, content_key: str) -> str:
        """The hash of which :meth:`content_key` made this."""
        return content_key.removesuffix(self._ending)

    @functools.cached_property
    def _ending(self) -> str:
        if self.recipe == ORIGINAL:
            return ""
        own = self._joined(lambda kind: getattr(kind, "stored_as", getattr(kind, "tag", None)))
        return (f"-{own}" if own else "") + (f"@{self._parts[2]}" if self._parts[2] else "")

    def length(self, samples: int) -> int:
        """The number of samples of the copy, of those of the utterance."""
        for kind in self.kinds:
            samples = kind.length(samples)
        return samples

    def wave(self, wave: np.ndarray, key: str, sounds: Sounds | None = None) -> np.ndarray:
        """The copy of ``wave`` (N,); the same for the same wave, recipe and ``key``, which is the content key
        of what is stored. DataError where ``sounds`` are not the noise that the recipe names.
        """
        if self.recipe == ORIGINAL:
            return wave
        import numpy as np

        digest = self._parts[2]
        if digest and (sounds is None or sounds.digest != digest):
            where = sounds.folder if sounds else "data/noise"
            raise DataError(
                f"{where}: is not the noise that copies {self.recipe} were made with; run stages 1 (data) and"
                " 3 (features) again"
            )
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]))
        for kind in self.kinds:
            wave = kind.apply(wave, rng, sounds)
        return wave


def parsed(chain: object, setting: str, noise: Iterable[str] | None = ()) -> Copy:
    """The copy that ``chain`` asks for in ``setting``; ``noise``: names in data.noise, None: whichever.
    ConfigError for one that is none, or draws from noise that is not there.
    """
    from xlt.audio.augment.noise import COLOURS

    if not isinstance(chain, str) or not re.fullmatch(r"[^\s@]+", chain):
        raise ConfigError(
            f"{setting}={chain!r}: expected kinds with their arguments, such as room+noise:5..20"
        )
    where, copy = f"{setting}={chain}", Copy(chain)
    try:
        if any(hasattr(kind, "mask") for kind in copy.kinds):
            raise ConfigError(f"{where}: chunks are no alteration of sound; set features.chunk_s")
        wanted = {name for kind in copy.kinds for name in kind.sounds or ()}
    except ValueError as err:
        raise ConfigError(f"{where}: {err}") from None
    if noise is not None and (lacking := sorted(wanted - set(noise))):
        there = ", ".join([*sorted(noise), *COLOURS])
        raise ConfigError(
            f"{where}: there is no noise {lacking[0]!r}; there are {there}; say where it is to be found:"
            f" data.noise={{{lacking[0]}: [FOLDER]}}"
        )
    return copy


def check(features: FeaturesConfig, noise: Iterable[str]) -> None:
    """ConfigError for copies in ``features`` that cannot be made; ``noise``: names in data.noise."""
    from xlt.audio.augment.speed import SPEEDS

    for speed in features.speed:
        if not isinstance(speed, (int, float)) or isinstance(speed, bool) or not SPEEDS.holds(speed):
            raise ConfigError(f"features.speed={features.speed}: found {speed!r}, expected {SPEEDS}")
    for number, chain in enumerate(features.augment):
        parsed(chain, "features.augment", noise)
        if chain in features.augment[:number]:
            raise ConfigError(
                f"features.augment={features.augment}: {chain} is there twice, and both copies would be the"
                f" same; write {chain.partition('#')[0]}#{number + 1} for another draw"
            )
    masks(features)


def masks(features: FeaturesConfig) -> list[Mask]:
    """What ``features.chunk_s`` asks for, the usual one first; ConfigError for what is no size."""
    return _masks(features.chunk_s, features.left_s, features.look_ahead_s)


def heard_at_once(facts: dict[str, Any]) -> Mask | None:
    """The usual mask of a feats.json, or of that part of xlt.json; None: the whole clip."""
    usual = _masks(*(facts.get(key, 0.0) for key in MASKS))[0]
    return usual if usual.chunk_s else None


def _masks(given: Any, left_s: float, look_ahead_s: float) -> list[Mask]:
    sizes = given if isinstance(given, list) else [given]
    good = all(isinstance(size, (int, float)) and not isinstance(size, bool) and size >= 0 for size in sizes)
    if not sizes or not good or len(set(sizes)) < len(sizes):
        raise ConfigError(
            f"features.chunk_s={given}: expected seconds of a chunk, or a list of different ones, 0 for the"
            " whole clip; give e.g. 0.64, or [0.64, 0.32, 1.28, 0]"
        )
    return [Mask(float(size), float(left_s), float(look_ahead_s)) for size in sizes]


def values(features: FeaturesConfig | None) -> dict[str, Any]:
    """``{key below features: its value}`` of what asks for copies; of None, as for a set without any. Where
    there are no chains, they have no key: feats.json is then as it was before there were any.
    """
    if features is None:
        return {"speed": [1.0]}
    chains = {"augment": features.augment} if features.augment else {}
    return {"speed": features.speed, **chains, **mask_values(masks(features))}


def mask_values(asked: list[Mask]) -> dict[str, Any]:
    """``{key below features: its value}`` of what is heard under ``asked``; none for whole clips."""
    if not any(mask.chunk_s for mask in asked):
        return {}
    usual = asked[0]
    sizes = [mask.chunk_s for mask in asked]
    return dict(zip(MASKS, (sizes, usual.left_s, usual.look_ahead_s), strict=True))


def copies(features: FeaturesConfig | None, digest: str = "") -> list[Copy]:
    """The copies that the settings ask for, the utterance itself among them unless features.speed leaves it
    out; ``digest``: of the noise in data/noise. ConfigError for what is no copy.
    """
    asked = values(features)
    found = [Copy(ORIGINAL if speed == 1.0 else f"speed:{speed}") for speed in asked["speed"]]
    found += [parsed(chain, "features.augment", None) for chain in asked.get("augment", [])]
    heard = masks(features) if features else []
    found = [copy.under(mask, mask == heard[0]) for mask in heard for copy in found] or found
    return [copy.with_noise(digest) for copy in found]


def in_words(facts: dict[str, Any]) -> str:
    """What tables say of the copies of a feats.json."""
    speeds, chains = facts.get("speed", [1.0]), facts.get("augment", [])
    words = ", speeds " + " ".join(map(str, speeds)) if speeds != [1.0] else ""
    words += ", copies " + " ".join(chains) if chains else ""
    sizes = facts.get("chunk_s", 0.0)
    sizes = sizes if isinstance(sizes, list) else [sizes]
    if any(sizes):
        words += ", chunks " + " ".join(f"{size:g}" if size else "whole" for size in sizes) + " s"
    return words
