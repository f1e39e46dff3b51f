"""Training data in held-out sets: what was heard or read in training says nothing about new speech."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator

from xlt.check.datadir import DataDir, Sets
from xlt.check.faults import Fault, Line
from xlt.core.config import Config
from xlt.formats.model_folder import origin, what_is_heard


def no_shared_utterances(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """No utterance id in two sets."""
    first: dict[str, str] = {}
    for data in sets.values():
        for line in data.lines.get("utt2spk", []):
            if first.setdefault(line.key, data.name) != data.name:
                yield Fault(
                    "error",
                    data.where("utt2spk", line.number),
                    f"{line.key!r} is in {first[line.key]}, too",
                    "an utterance belongs to one set; remove it from the other",
                )


def no_shared_audio(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """No recording in two sets, whatever it is called."""
    first: dict[str, str] = {}
    for data in sets.values():
        own = {}
        for line in data.lines.get("utt2audio", ()):
            if line.value in first:
                yield Fault(
                    "error",
                    data.where("utt2audio", line.number),
                    f"{line.key!r} is the same recording as {first[line.value]}",
                    "remove one of them: a model must not have heard what it is tested on",
                )
            own.setdefault(line.value, f"{line.key} of {data.name}")
        first = {**own, **first}


def unheard_by_the_source(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Of what the model that training starts from has heard, and those before it, and of what is mixed in,
    nothing in dev and test: no recording, no content that the corpus knows to be the same."""
    source, heard = sets.once("source", lambda: origin(cfg)), []
    if source and source.heard is None:
        yield Fault(
            "warning",
            str(source.folder),
            "does not say what it was trained on",
            "make sure that it has not heard dev and test, or train it again with this version",
        )
    elif source:
        heard = [(utt, *values, str(source.folder)) for utt, values in source.heard.items()]
    for recipe, (train, _) in cfg.mixed.items():
        heard += [
            (utt, *line.split(" ", 1), f"../{recipe}")
            for utt, line in what_is_heard(sets.data / train).items()
        ]
    for table, place, what in (("utt2audio", 1, "recording"), ("utt2content", 2, "content")):
        known = {
            values[place]: (values[0], values[3]) for values in heard if values[place] not in ("-", values[0])
        }
        for data in sets.values():
            for line in data.lines.get(table, []) if data.name != cfg.train_set else []:
                if line.value in known:
                    utt, where = known[line.value]
                    yield Fault(
                        "error",
                        data.where(table, line.number),
                        f"{line.key!r} has the {what} of {utt!r}, a training utterance of {where}",
                        "remove it here, or train without it there",
                    )


def heard_speakers(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Speakers of dev and test whose utterances the model of train.init has heard: its ids begin with their
    speakers'.
    """
    source = sets.once("source", lambda: origin(cfg))
    if source is None or not source.heard:
        return
    heard = {utt[:place] for utt in source.heard for place, char in enumerate(utt) if char in "-_"}
    for data in sets.values():
        utts = data.table("utt2spk") if data.name != cfg.train_set else {}
        known = heard & set(utts.values())
        cases = [line for line in data.lines.get("utt2spk", ()) if line.value in known] if known else []
        if cases:
            yield _share(
                data,
                "utt2spk",
                cases,
                f"utterances are of speakers that {source.folder} has heard, first {cases[0].value!r}",
                "scores on them say little about other speakers",
            )


def shared_speakers(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Speakers of dev and test whom train has, too; where the whole corpus has one, it cannot be
    otherwise.
    """
    spoken = {name: set(data.table("utt2spk").values()) for name, data in sets.items()}
    if len(set().union(*spoken.values())) == 1:
        return  # speakers_told_apart says so
    for data in sets.values():
        known = spoken.get(cfg.train_set, set()) if data.name != cfg.train_set else set()
        cases = [line for line in data.lines.get("utt2spk", ()) if line.value in known]
        if cases:
            yield _share(
                data,
                "utt2spk",
                cases,
                f"utterances are of speakers that {cfg.train_set} has, too, first {cases[0].value!r}",
                "scores on them say little about new speakers: give each speaker to one set",
            )


def shared_texts(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Texts that two sets share; a corpus with its own split may want them, so this is a warning."""
    for data, cases in _by_text(sets, lambda text: text).items():
        yield _share(
            sets[data],
            "text",
            [line for line, _ in cases],
            f"texts are in another set, too (first: line {cases[0][0].number} is the text of {cases[0][1]})",
            "scores on them say little about new sentences",
        )


def near_texts(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Texts that differ from one of another set by spaces, signs and capitals only."""
    same = {
        name: {line.key for line, _ in cases} for name, cases in _by_text(sets, lambda text: text).items()
    }
    known: dict[str, str] = {}

    def letters(text: str) -> str:
        words = text.split()
        for word in words:
            if word not in known:
                known[word] = core(word)
        return "".join(map(known.__getitem__, words))

    for name, cases in _by_text(sets, letters).items():
        new = [(line, other) for line, other in cases if line.key not in same.get(name, ())]
        if new:
            yield _share(
                sets[name],
                "text",
                [line for line, _ in new],
                "texts are those of another set but for spaces, signs and capitals (first: line"
                f" {new[0][0].number} is nearly the text of {new[0][1]})",
                "scores on them say little about new sentences",
            )


def core(word: str) -> str:
    """The letters, marks and numbers of a word, in one case and one form."""
    return "".join(
        char
        for char in unicodedata.normalize("NFKC", word.casefold())
        if unicodedata.category(char)[0] in "LMN"
    )


def _by_text(sets: Sets, of: Callable[[str], str]) -> dict[str, list[tuple[Line, str]]]:
    """By set, the lines of text that training or dev have, too, in the same language and as ``of`` sees them,
    and where. Two test sets may share texts: one may be the other with noise.
    """
    first: dict[tuple[str, str | None], str] = {}
    found: dict[str, list[tuple[Line, str]]] = defaultdict(list)
    for data in sets.values():
        own, langs = {}, data.table("utt2lang")
        for line in data.lines.get("text", ()):
            value = of(line.value), langs.get(line.key)  # the same word in two languages is not the same text
            if value in first:
                found[data.name].append((line, first[value]))
            elif value[0]:
                own.setdefault(value, f"{line.key} of {data.name}")
        if not first or data.name == "dev":  # the training set comes first
            first |= own
    return found


def _share(data: DataDir, table: str, lines: list[Line], what: str, remedy: str) -> Fault:
    share = 100 * len(lines) / len(data.table(table))
    return Fault(
        "warning",
        data.where(table, lines[0].number),
        f"{len(lines)} ({share:.3g}%) {what}",
        remedy,
        tuple(line.key for line in lines[:3]),
    )


CHECKS = (
    no_shared_utterances,
    no_shared_audio,
    unheard_by_the_source,
    heard_speakers,
    shared_speakers,
    shared_texts,
    near_texts,
)
