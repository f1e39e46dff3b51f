"""The alphabet audit: each character of the texts, where it comes from, and whether it can be learned and
recognised.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xlt.check import encoding, forms, letters, signs, source_text
from xlt.check.characters import audit, named, page, visible
from xlt.check.datadir import DataDir, Sets
from xlt.check.encoding import Finding
from xlt.check.faults import Fault
from xlt.check.words import Seen, count
from xlt.core.config import Config
from xlt.data.normalisers import normalise_utterance, normaliser_of
from xlt.formats.model_folder import initial_model

RARE = 5  # characters that train has less often than this are hardly learned


def normalised(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Texts as the normaliser would leave them; else the tokens are not those that are scored."""
    name = normaliser_of(cfg)
    for data in sets.values():
        of = normalise_utterance(cfg, data.table("utt2lang"), str(data.where("utt2lang")))
        known: dict[
            str, dict[str, bool]
        ] = {}  # of each language: no rule looks beyond white space, so words are enough
        odd = []
        for line in data.lines.get("text", ()):
            right = known.setdefault(data.table("utt2lang").get(line.key, ""), {})
            words = line.value.split()
            for word in words:
                if word not in right:
                    right[word] = of(line.key, word) == word
            if not all(map(right.__getitem__, words)) or " ".join(words) != line.value:
                odd.append(line)
        if odd:
            yield Fault(
                "warning",
                data.where("text", odd[0].number),
                "{count} texts are not normalised by {normaliser} (here: {text!r})",
                "make the data with stage 1, or set data.normaliser",
                tuple(line.key for line in odd[:3]),
                {"count": len(odd), "normaliser": name, "text": odd[0].value[:60]},
            )


def _floor(new: dict[str, Seen], data: DataDir) -> dict[str, Any]:
    """Of characters that cannot be recognised: how many, how often, the least CER in %, and their names."""
    times, total = count(new), sum(map(len, data.table("text").values()))
    return {
        "count": len(new),
        "times": times,
        "floor": 100 * times / max(1, total),
        "characters": named(new),
    }


def unseen_characters(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Characters of held-out sets that train never shows: they cannot be recognised. Of phones stage 4 says
    the same.
    """
    train = sets.get(cfg.train_set)
    if train is None or cfg.tokens.type == "phone":
        return
    known = train.characters
    for data in sets.values():
        new = {char: seen for char, seen in data.characters.items() if char not in known}
        if new:
            yield Finding(data, new).fault(
                "warning",
                "{count} characters that are not in {train}, {times} times, so CER is at least {floor:.3g}%:"
                " {characters}",
                "train on text that has them",
                train=train.name,
                **_floor(new, data),
            )


def rare_characters(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Characters that train has a few times only."""
    train = sets.get(cfg.train_set)
    if train is None or cfg.tokens.type == "phone":
        return
    rare = {char: seen for char, seen in train.characters.items() if seen.count < RARE}
    if rare:
        yield Finding(train, rare).fault(
            "note",
            "{count} characters occur fewer than {limit} times: {characters}",
            "they will hardly be learned; correct those that are misspellings",
            count=len(rare),
            limit=RARE,
            characters=", ".join(f"{visible(char)} {rare[char].count}" for char in sorted(rare)),
        )


def unknown_to_the_model(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Characters that the model of train.init has no row for."""
    source = sets.once("source", lambda: initial_model(cfg))
    theirs = source.characters if source and cfg.tokens.type != "phone" else None
    if theirs is None or (cfg.train.init_tokens == "new" and not cfg.train.zero_shot):
        return
    for data in sets.values() if cfg.train.zero_shot else [sets[cfg.train_set]]:
        new = {char: seen for char, seen in data.characters.items() if char not in theirs}
        if new and cfg.train.zero_shot:
            yield Finding(data, new).fault(
                "warning",
                "{count} characters that {model} cannot write, {times} times, so CER is at least"
                " {floor:.3g}%: {characters}",
                "train on this language, without train.zero_shot",
                model=str(source.folder),
                **_floor(new, data),
            )
        elif new:
            yield Finding(data, new).fault(
                "note",
                "{count} characters have no row in {model}: {characters}",
                "their rows are new and learn from this recipe's speech alone",
                count=len(new),
                model=str(source.folder),
                characters=named(new),
            )


def section(sets: Sets, cfg: Config, out: Path) -> str:
    """The table of all characters; ``alphabet.json`` has it too, whole."""
    source = sets.once("source", lambda: initial_model(cfg))
    model = source.characters if source else None
    return page(
        audit(sets, model), list(sets), model is not None, out / "alphabet.json"
    ) + source_text.section(sets, cfg)


CHECKS = (
    normalised,
    *encoding.CHECKS,
    *letters.CHECKS,
    *forms.CHECKS,
    unseen_characters,
    rare_characters,
    unknown_to_the_model,
    *source_text.CHECKS,
    *signs.CHECKS,
)
