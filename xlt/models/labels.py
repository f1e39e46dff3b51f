"""What a model learns of a teacher (``train.teacher``) beside the training set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from xlt.audio.augment import ORIGINAL
from xlt.audio.augment.sounds import Sounds
from xlt.features.speech import Speech, joined
from xlt.formats.model_folder import Trained
from xlt.metrics.align import Counts


class Clip(NamedTuple):
    """What a teacher hears: the copy ``recipe`` of the sound file ``path``; ``key`` and ``sounds``: see
    :meth:`xlt.audio.augment.Copy.wave`.
    """

    path: str
    recipe: str = ORIGINAL
    key: str = ""
    sounds: Sounds | None = None


class Threshold(NamedTuple):
    """The least ``confidence`` of a text that is learned, the ``kept`` texts of dev that have it, and the
    share of wrong characters in these (``cer``) and in all of them (``cer_of_all``).
    """

    confidence: float
    kept: int
    cer: float
    cer_of_all: float


def threshold(confidences: Sequence[float], counts: Sequence[Counts], most: float) -> Threshold | None:
    """The lowest confidence for which the texts that have it, or more, are wrong in at most a share ``most``
    of their characters; None if there is none.

    ``counts``: edits of each text against its reference.
    """
    order = sorted(range(len(counts)), key=lambda place: -confidences[place])
    errors = characters = 0
    found: tuple[float, int, float] | None = None
    for number, place in enumerate(order, 1):
        errors, characters = errors + counts[place].errors, characters + counts[place].n_ref
        alike = number < len(order) and confidences[order[number]] == confidences[place]
        if not alike and characters and errors <= most * characters:
            found = confidences[place], number, errors / characters
    if found is None:
        return None
    return Threshold(*found, errors / max(1, characters))


@dataclass(frozen=True)
class Labels:
    """What is learned of ``teacher``: speech of ``train.unlabelled`` with its texts, and its CTC outputs.

    ``speech``: of the whole set, None without one; ``texts``: what of it is learned; ``facts``: how that was
    chosen, for ``xlt.json``; ``posteriors``: table of the outputs (T, V) for all that is learned, None if
    they are not used; ``inputs``: files that all this depends on.
    """

    teacher: Trained
    speech: Speech | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    posteriors: Path | None = None
    inputs: Sequence[Path] = ()

    def joined(self, own: Speech, folder: Path) -> Speech:
        """The training speech ``own`` and this, as tables in ``folder``."""
        if self.speech is None:
            return own
        return joined(own, self.speech, self.texts, folder)
