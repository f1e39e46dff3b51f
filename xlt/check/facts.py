"""What the statistics of a set are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from xlt.check.datadir import DataDir
from xlt.check.words import count


@dataclass(frozen=True)
class Facts:
    """One set in numbers; durations in seconds, of the utterances that have one."""

    data: DataDir

    @cached_property
    def durations(self) -> dict[str, float]:
        return {
            utt: dur_s for utt in self.data.table("utt2dur") if (dur_s := self.data.seconds(utt)) is not None
        }

    @property
    def minutes(self) -> float | None:
        return sum(self.durations.values()) / 60 if self.durations else None

    @cached_property
    def rates(self) -> list[float]:
        """Characters a second of each utterance."""
        return [
            len(text) / self.durations[utt]
            for utt, text in self.data.table("text").items()
            if utt in self.durations
        ]

    @property
    def speakers(self) -> int:
        return len(set(self.data.table("utt2spk").values()))

    def unseen(self, train: DataDir) -> float:
        """The share of running words that train does not have."""
        total = count(self.data.words)
        new = sum(seen.count for word, seen in self.data.words.items() if word not in train.words)
        return new / total if total else 0.0
