"""Training data in held-out sets: what was heard or read in training says nothing about new speech."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from xlt.check.datadir import DataDir, Sets
from xlt.check.faults import Fault, Line, Place
from xlt.core.config import Config
from xlt.data.spans import Span, overlaps
from xlt.formats.model_folder import initial_model, teacher, training_manifest
from xlt.text.content import core


def no_shared_utterances(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """No utterance id in two sets."""
    first: dict[str, str] = {}
    for data in sets.values():
        for line in data.lines.get("utt2spk", []):
            if first.setdefault(line.key, data.name) != data.name:
                yield Fault(
                    "error",
                    data.where("utt2spk", line.number),
                    "utterance {id!r} is also in {other}",
                    "an utterance belongs to one set; remove it from the other",
                    values={"id": line.key, "other": first[line.key]},
                )


def no_shared_audio(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """No recording in two sets, whatever it is called."""
    first: dict[str, tuple[str, str]] = {}  # hash of the samples → utterance, set
    for data in sets.values():
        own: dict[str, tuple[str, str]] = {}
        for line in data.lines.get("utt2audio", ()):
            if line.value in first:
                other, name = first[line.value]
                yield Fault(
                    "error",
                    data.where("utt2audio", line.number),
                    "{id!r} is the same recording as {other} of {set}",
                    "remove one of them: a model must not have heard what it is tested on",
                    values={"id": line.key, "other": other, "set": name},
                )
            own.setdefault(line.value, (line.key, data.name))
        first = {**own, **first}


def overlapping_speech(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Clips that share speech of one recording and channel, by utt2span: in two sets an error, within one a
    warning.
    """
    of, found = {}, {}
    for data in sets.values():
        for line in data.lines.get("utt2span", ()):
            try:
                found[line.key] = Span.parse(line.value)
            except ValueError:
                expected = "START END CHANNEL RECORDING (seconds, a number from 0 or -)"
                yield Fault(
                    "error",
                    data.where("utt2span", line.number),
                    "found {value!r}",
                    f"expected {expected}; run stage 1 (data) again",
                    values={"value": line.value},
                )
            of[line.key] = data
    pairs: dict[tuple[str, str], list[tuple[str, str, float]]] = defaultdict(list)
    for first, second, shared_s in overlaps(found):
        pairs[of[first].name, of[second].name].append((first, second, shared_s))
    for (name, other), cases in pairs.items():
        first, second, shared_s = max(cases, key=lambda case: case[2])
        yield Fault(
            "error" if name != other else "warning",
            of[second].where("utt2span", of[second].number("utt2span", second)),
            "{count} pairs of clips share speech of a recording, up to {shared_s:.1f} s: {id!r} has a part of"
            " {other!r} of {set}",
            (
                "put clips that overlap into one set: a model must not have heard what it is tested on"
                if name != other
                else "nothing, if two people talk at once; else cut the clips so that each sound is in one"
            ),
            tuple(case[1] for case in cases[:3]),
            {"count": len(cases), "shared_s": shared_s, "id": second, "other": first, "set": name},
        )


def unheard_by_the_source(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Of what the model that training starts from has heard, those before it and the teacher, and of what is
    mixed in, nothing in the held-out sets: no recording, no content that the corpus knows to be the same."""
    heard = []
    source = sets.once("source", lambda: initial_model(cfg))
    for model in filter(None, (source, sets.once("teacher", lambda: teacher(cfg)))):
        if model.manifest is None:
            yield Fault(
                "warning",
                Place(str(model.folder)),
                "does not say what it was trained on",
                "make sure that it has not heard dev and test, or train it again with this version",
            )
        else:
            heard += [(utt, *values, str(model.folder)) for utt, values in model.manifest.items()]
    for recipe, (train, _) in cfg.mixed.items():
        heard += [
            (utt, *line.split(" ", 1), f"../{recipe}")
            for utt, line in training_manifest(sets.data / train).items()
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
                        "{id!r} has the {what} of {other!r}, a training utterance of {source}",
                        "remove it here, or train without it there",
                        values={"id": line.key, "what": what, "other": utt, "source": where},
                    )


def heard_speakers(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Speakers of held-out sets whose utterances the model of train.init has heard: its ids begin with their
    speakers'.
    """
    source = sets.once("source", lambda: initial_model(cfg))
    if source is None or not source.manifest:
        return
    heard = {utt[:place] for utt in source.manifest for place, char in enumerate(utt) if char in "-_"}
    for data in sets.values():
        utts = data.table("utt2spk") if data.name != cfg.train_set else {}
        known = heard & set(utts.values())
        cases = [line for line in data.lines.get("utt2spk", ()) if line.value in known] if known else []
        if cases:
            yield _share(
                data,
                "utt2spk",
                cases,
                "utterances are of speakers that {source} has heard, first {speaker!r}",
                "scores on them say little about other speakers",
                {"source": str(source.folder), "speaker": cases[0].value},
            )


def shared_speakers(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Speakers of held-out sets whom train has, too; where the whole corpus has one, it cannot be
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
                "utterances are of speakers that are also in {train}, first {speaker!r}",
                "scores on them say little about new speakers; if those matter, record some for dev and test,"
                " and keep each speaker in one set by a column split",
                {"train": cfg.train_set, "speaker": cases[0].value},
            )


def shared_texts(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Texts that two sets share; a corpus with its own split may want them, so this is a warning."""
    for data, cases in _by_text(sets, lambda text: text).items():
        yield _share(
            sets[data],
            "text",
            [line for line, _ in cases],
            "texts are also in another set (first: line {line} is the text of {other})",
            "scores on them say little about new sentences",
            {"line": cases[0][0].number, "other": cases[0][1]},
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
                "texts differ from another set in spaces, signs and capitals only (first: line {line} is"
                " nearly the text of {other})",
                "scores on them say little about new sentences",
                {"line": new[0][0].number, "other": new[0][1]},
            )


def _by_text(sets: Sets, of: Callable[[str], str]) -> dict[str, list[tuple[Line, str]]]:
    """By set, the lines of text that training or dev have, too, in the same language and as ``of`` sees them,
    and where. Two test sets may share texts: one may be the other with noise.
    """
    first: dict[tuple[str, str | None], str] = {}
    found: dict[str, list[tuple[Line, str]]] = defaultdict(list)
    for data in sets.values():
        own: dict[tuple[str, str | None], str] = {}
        langs = data.table("utt2lang")
        for line in data.lines.get("text", ()):
            value = of(line.value), langs.get(line.key)  # the same word in two languages is not the same text
            if value in first:
                found[data.name].append((line, first[value]))
            elif value[0]:
                own.setdefault(value, f"{line.key} of {data.name}")
        if not first or data.name == "dev":  # the training set comes first
            first |= own
    return found


def _share(
    data: DataDir, table: str, lines: list[Line], problem: str, remedy: str, values: dict[str, Any]
) -> Fault:
    """A warning about ``lines``, at the first of them: how many, which share, and ``problem``."""
    return Fault(
        "warning",
        data.where(table, lines[0].number),
        "{count} ({share:.3g}%) " + problem,
        remedy,
        tuple(line.key for line in lines[:3]),
        {"count": len(lines), "share": 100 * len(lines) / len(data.table(table)), **values},
    )


CHECKS = (
    no_shared_utterances,
    no_shared_audio,
    overlapping_speech,
    unheard_by_the_source,
    heard_speakers,
    shared_speakers,
    shared_texts,
    near_texts,
)
