"""Epochs in which each category of utterances (a language, an accent, or recipes mixed in) has a given share.

ESPnet's own category sampler (``catpow``) draws categories at random, puts them into batches unsorted, counts
a batch without its padding and makes an epoch a fifth longer. Here the shares are kept exactly, batches are
as those of ESPnet's length sampler, and an epoch has as much speech as it is told. Within a category every
utterance comes as often as every other: a category is gone through in one random order after the other, and
an epoch goes on where the one before ended.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
from espnet2.samplers.abs_sampler import AbsSampler

from xlt.core.errors import DataError
from xlt.formats.tables import read_table, write_table
from xlt.nets.batching import espnet_batches

_CATEGORIES, _DRAWS = "utt2category", "category2draws"


@dataclass(frozen=True)
class Plan:
    """``category``: of each utterance; ``draws``: utterances that an epoch takes of each category, not always
    whole.
    """

    category: dict[str, str]
    draws: dict[str, float]

    def write(self, folder: Path) -> None:
        """Put it beside ``speech_shape``, where :class:`xlt.models.espnet.task.XltTask` looks for it. Names
        of categories are percent-encoded, as those of accents have spaces."""
        write_table(folder / _CATEGORIES, {utt: quote(name) for utt, name in self.category.items()})
        write_table(folder / _DRAWS, {quote(name): repr(count) for name, count in self.draws.items()})

    @classmethod
    def read(cls, folder: Path) -> Plan | None:
        """The plan in ``folder``; None if there is none."""
        if not (folder / _DRAWS).exists():
            return None
        draws = {unquote(name): float(count) for name, count in read_table(folder / _DRAWS).items()}
        return cls(
            {utt: unquote(name) for utt, name in read_table(folder / _CATEGORIES).items()},
            draws,
        )


def frames_by_category(frames: Mapping[str, int], category: Mapping[str, str]) -> dict[str, list[int]]:
    """Frames of the utterances of each category; DataError for an utterance without one."""
    found: dict[str, list[int]] = {}
    for utt, length in frames.items():
        if utt not in category:
            raise DataError(f"utterance {utt!r} has no category to be balanced by; run stage 1 (data) again")
        found.setdefault(category[utt], []).append(length)
    return dict(sorted(found.items()))


def power_shares(frames: Mapping[str, int], category: Mapping[str, str], exponent: float) -> dict[str, float]:
    """``{category: share}`` ∝ (frames of the category) ** exponent: 1 as the speech is, 0 all alike (MMS,
    Pratap et al. 2023).
    """
    weights = {
        name: sum(lengths) ** exponent for name, lengths in frames_by_category(frames, category).items()
    }
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def plan(
    frames: Mapping[str, int],
    category: Mapping[str, str],
    share: Mapping[str, float],
    epoch_frames: float | None = None,
) -> Plan:
    """Draws by which ``share`` of an epoch's utterances are of each category.

    ``frames``: of every utterance; ``share``: sums to 1; ``epoch_frames``: expected frames of an epoch, None
    = all there are, so that there are about as many batches as without a plan. DataError for a category
    without utterances, or utterances without a share.
    """
    lengths = frames_by_category(frames, category)
    if lengths.keys() != share.keys() or not math.isclose(sum(share.values()), 1) or min(share.values()) < 0:
        raise DataError(
            f"shares {dict(share)} do not fit the categories {', '.join(lengths)}: expected a share of each, "
            "1 in all"
        )
    mean = sum(
        share[name] * sum(own) / len(own) for name, own in lengths.items()
    )  # frames of an utterance drawn
    total = (sum(frames.values()) if epoch_frames is None else epoch_frames) / mean
    return Plan({utt: category[utt] for utt in frames}, {name: total * share[name] for name in lengths})


class PlanSampler(AbsSampler):
    """The batches of each epoch by a plan, for ESPnet's SequenceIterFactory, which calls ``generate(epoch +
    seed)``.

    Batches hold utterances of like length, the longest first, and are cut as ESPnet's LengthBatchSampler cuts
    them: as soon as their padded frames are above ``batch_frames``. The same epoch and seed give the same
    batches.
    """

    def __init__(self, plan: Plan, frames: dict[str, int], batch_frames: int, min_batch_size: int, seed: int):
        self.plan, self.frames, self.seed = plan, frames, seed
        self.batch_frames, self.min_batch_size = batch_frames, min_batch_size
        self.members: dict[str, list[str]] = {name: [] for name in plan.draws}
        for utt in sorted(frames, key=str.encode):
            self.members[plan.category[utt]].append(utt)
        self.size = len(self.generate(seed + 1))

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(self.generate(self.seed + 1))

    def drawn(self, epoch: int) -> list[str]:
        """The utterances of an epoch, counted from 1; some may come several times."""
        found = []
        for name, draws in self.plan.draws.items():
            members, order, now = self.members[name], np.empty(0, np.int64), -1
            for place in range(math.floor(draws * (epoch - 1)), math.floor(draws * epoch)):
                turn, index = divmod(place, len(members))
                if turn != now:
                    rng = np.random.default_rng([self.seed, zlib.crc32(name.encode()), turn])
                    order, now = rng.permutation(len(members)), turn
                found.append(members[order[index]])
        return found

    def generate(self, seed: int) -> list[tuple[str, ...]]:
        drawn = sorted(self.drawn(seed - self.seed), key=lambda u: (self.frames[u], u))
        cut = espnet_batches(drawn, self.frames.__getitem__, self.batch_frames, self.min_batch_size)
        return [tuple(reversed(batch)) for batch in cut]


class Shard(AbsSampler):
    """Every ``parts``-th utterance of each batch, for the process ``rank`` of a distributed training."""

    def __init__(self, sampler: PlanSampler, rank: int, parts: int):
        self.sampler, self.rank, self.parts = sampler, rank, parts

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(self._own(list(self.sampler)))

    def generate(self, seed: int) -> list[tuple[str, ...]]:
        return self._own(self.sampler.generate(seed))

    def _own(self, batches: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return [batch[self.rank :: self.parts] for batch in batches]
