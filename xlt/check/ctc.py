"""Whether CTC can learn an utterance at all."""

from __future__ import annotations

from collections.abc import Iterator

from xlt.check.datadir import Fault, Sets
from xlt.config import Config


def too_long_for_ctc(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """CTC needs a frame a character, and one more between two equal ones; shorter clips teach nothing, silently.

    Phones are fewer, without spaces and silent letters: stage 6 counts those that are too many once it has them.
    """
    train = sets.get(cfg.train_set) if cfg.tokens.type != "phone" else None
    for line in train.lines.get("text", []) if train else []:
        try:
            frames = float(train.table("utt2dur").get(line.key, "inf")) * cfg.train.frame_rate
        except ValueError:
            continue
        needed = len(line.value) + sum(a == b for a, b in zip(line.value, line.value[1:], strict=False))
        if frames < needed:
            yield Fault("warning", train.where("text", line.number),
                        f"{line.key!r} has {frames:.0f} frames for {needed} steps of CTC",
                        "it teaches nothing: lower data.max_chars_per_s or raise train.frame_rate")


CHECKS = (too_long_for_ctc,)
