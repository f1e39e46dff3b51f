"""Training data in the test set: what was heard or read in training says nothing about new speech."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from xlt.check.datadir import DataDir, Fault, Sets
from xlt.config import Config
from xlt.trained import origin, what_is_heard


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


def unheard_by_the_source(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Of what the model that training starts from has heard, and those before it, and of what is mixed in, nothing in dev and
    test: no recording, no content that the corpus knows to be the same."""
    source, heard = origin(cfg), {}
    if source and source.heard is None:
        yield Fault("warning", str(source.folder), "does not say what it was trained on",
                    "make sure that it has not heard dev and test, or train it again with this version")
    elif source:
        heard = {utt: (*values, str(source.folder)) for utt, values in source.heard.items()}
    for recipe, (train, _) in cfg.mixed.items():
        heard |= {utt: (*line.split(" ", 1), f"../{recipe}") for utt, line in what_is_heard(sets.data / train).items()}
    for table, place, what in (("utt2audio", 0, "recording"), ("utt2content", 1, "content")):
        known = {values[place]: (utt, values[2]) for utt, values in heard.items() if values[place] not in ("-", utt)}
        for data in sets.values():
            for line in data.lines.get(table, []) if data.name != cfg.train_set else []:
                if line.value in known:
                    utt, where = known[line.value]
                    yield Fault("error", data.where(table, line.number), f"{line.key!r} has the {what} of {utt!r}, a training "
                                f"utterance of {where}", "remove it here, or train without it there")


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


CHECKS = (no_shared_utterances, no_shared_audio, unheard_by_the_source, shared_texts)
