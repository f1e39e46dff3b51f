"""The characters of the texts: what the normaliser would change, what cannot be recognised."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from xlt.check.datadir import Fault, Sets
from xlt.config import Config
from xlt.data import normalise_utterance, normaliser_of


def normalised(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Texts as the normaliser would leave them; else the tokens are not those that are scored."""
    name = normaliser_of(cfg)
    for data in sets.values():
        of = normalise_utterance(cfg, data.table("utt2lang"), data.where("utt2lang"))
        odd = [line for line in data.lines.get("text", []) if of(line.key, line.value) != line.value]
        if odd:
            yield Fault("warning", data.where("text", odd[0].number), f"{len(odd)} texts are not normalised by {name} "
                        f"(here: {odd[0].value[:60]!r})", "make the data with stage 1, or set data.normaliser")


def unseen_characters(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Characters of dev and test that train never shows: they cannot be recognised. Of phones stage 4 says the same."""
    train = sets.get(cfg.train_set)
    if train is None or cfg.tokens.type == "phone":
        return
    known = set("".join(train.table("text").values()))
    for data in sets.values():
        count: dict[str, int] = defaultdict(int)
        for text in data.table("text").values():
            for char in set(text) - known:
                count[char] += 1
        if count:
            shown = ", ".join(f"{char} (U+{ord(char):04X}) in {n}" for char, n in sorted(count.items())[:10])
            yield Fault("warning", data.where("text"), f"{len(count)} characters that {train.name} never has: {shown}",
                        "expect errors on them, or train on more text")


CHECKS = (normalised, unseen_characters)
