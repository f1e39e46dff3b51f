"""Faults that Kaldi's rules do not know: training data in the test set, texts that cannot be learned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from xlt.check.datadir import DataDir, Fault
from xlt.config import Config
from xlt.data import normalise_utterance, normaliser_of
from xlt.trained import origin, what_is_heard

Sets = dict[str, DataDir]


def _shared(sets: Sets, table: str) -> Iterator[tuple[DataDir, int, str, str]]:
    """(directory, line, utterance, where else) of each value of ``table`` that an earlier set has, too, in its language."""
    first: dict[tuple[str, str | None], tuple[str, str]] = {}
    for data in sets.values():
        own = {}
        for line in data.lines.get(table, []):
            # the same word in two languages is not the same text, but a recording is one in any language
            value = line.value, data.table("utt2lang").get(line.key) if table == "text" else None
            if value in first:
                other = first[value]
                yield data, line.number, line.key, f"{other[1]} of {other[0]}"
            own.setdefault(value, (data.name, line.key))
        first = {**own, **first}


def no_shared_utterances(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """No utterance id in two sets."""
    first: dict[str, str] = {}
    for data in sets.values():
        for line in data.lines.get("utt2spk", []):
            if first.setdefault(line.key, data.name) != data.name:
                yield Fault("error", data.where("utt2spk", line.number), f"{line.key!r} is in {first[line.key]}, too",
                            "an utterance belongs to one set; remove it from the other")


def no_shared_audio(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """No recording in two sets, whatever it is called."""
    for data, number, utt, other in _shared(sets, "utt2audio"):
        yield Fault("error", data.where("utt2audio", number), f"{utt!r} is the same recording as {other}",
                    "remove one of them: a model must not have heard what it is tested on")


def shared_texts(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Texts that two sets share; a corpus with its own split may want them, so this is a warning."""
    found: dict[str, list[str]] = defaultdict(list)
    for data, number, _, other in _shared(sets, "text"):
        found[data.name].append(f"line {number} is the text of {other}")
    for name, cases in found.items():
        data = sets[name]
        share = 100 * len(cases) / len(data.lines["text"])
        yield Fault("warning", data.where("text"), f"{len(cases)} texts ({share:.0f}%) are in another set, too (first: "
                    f"{cases[0]})", "scores on them say little about new sentences")


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


def unheard_by_the_source(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Of what the model that training starts from has heard, and those before it, and of what is mixed in, nothing in dev and
    test: no recording, no content that the corpus knows to be the same."""
    source, heard = origin(cfg), {}
    if source and source.heard is None:
        yield Fault("warning", str(source.folder), "does not say what it was trained on",
                    "make sure that it has not heard dev and test, or train it again with this version")
    elif source:
        heard = {utt: (*values, str(source.folder)) for utt, values in source.heard.items()}
    root = next(iter(sets.values())).folder.parent
    for recipe, (train, _) in cfg.mixed.items():
        heard |= {utt: (*line.split(" ", 1), f"../{recipe}") for utt, line in what_is_heard(root / train).items()}
    for table, place, what in (("utt2audio", 0, "recording"), ("utt2content", 1, "content")):
        known = {values[place]: (utt, values[2]) for utt, values in heard.items() if values[place] not in ("-", utt)}
        for data in sets.values():
            for line in data.lines.get(table, []) if data.name != cfg.train_set else []:
                if line.value in known:
                    utt, where = known[line.value]
                    yield Fault("error", data.where(table, line.number), f"{line.key!r} has the {what} of {utt!r}, a training "
                                f"utterance of {where}", "remove it here, or train without it there")


CHECKS = (no_shared_utterances, no_shared_audio, unheard_by_the_source, shared_texts, normalised, unseen_characters,
          too_long_for_ctc)
