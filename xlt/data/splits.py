"""Which utterance is in which set: as the corpus says; else by speaker; with few speakers by text."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from xlt.core.errors import ConfigError, DataError
from xlt.data import folds
from xlt.data.corpora import Utterance
from xlt.data.groups import (
    DEV_SHARE,
    MIN_SPEAKERS,
    SPLITS,
    Size,
    connect,
    position,
    split,
    split_sized,
    split_speakers,
)

TWO_VOICES = 0.6  # of the speech; where two voices have more, the others are odd ones
FEWEST = 10  # utterances of a set of new voices
NEW_VOICES = "test_new_voices"


def assign(
    utts: Mapping[str, Utterance],
    durations: Mapping[str, float],
    groups: Mapping[str, str],
    how: str,
    together: Sequence[tuple[str, str]] = (),
    sized: bool = False,
) -> tuple[dict[str, str], dict]:
    """``{utterance: set}``, and how that was done: ``by`` (corpus, speaker or text), ``why``, ``speakers`` of
    each set, ``question`` (which voices test has: new or known ones), ``largest`` (the speakers with most of
    the speech, and their shares).

    ``durations``: seconds; ``groups``: utterances that say the same have the same group; ``how``: the setting
    data.split; ``together``: pairs of utterances that share speech, whose speakers stay together; ``sized``:
    dev and test are filled up where the hash leaves them small, and a set test_new_voices is made where two
    voices have most of the speech. Where the corpus' own split has no dev, or no test, it is taken from
    train. Its further sets stay as they are; but where train is chosen here, their utterances that have its
    voices, or its sentences, are in no set. DataError if the own split has no train, ConfigError if there are
    too few speakers for what is asked.
    """
    extra = {name: utt.split for name, utt in utts.items() if utt.split and utt.split not in SPLITS}
    rest = {name: utt for name, utt in utts.items() if name not in extra}
    given = {name: utt.split for name, utt in rest.items() if utt.split}
    missing = [part for part in ("dev", "test") if part not in given.values()]
    if not rest or (given and "train" not in given.values()):
        raise DataError(
            f"the corpus has only {' and '.join(sorted({*given.values(), *extra.values()}))}, expected train"
            " as well; give its utterances another set, or none at all: then all are split"
        )
    if not given:
        new = _new_voices(rest, durations, groups, together) if sized and how == "auto" else {}
        extra |= new
        rest = {name: utt for name, utt in rest.items() if name not in new}
        found, by, why = _own(rest, durations, groups, "text" if new else how, together, sized)
        if new:
            why += f"; two voices have most of the speech, {len(new)} clips of others are {NEW_VOICES}"
        voices = {name: utt.speaker for name, utt in utts.items()}
        extra = _not_in_train(extra, found, voices if by == "speaker" else groups)
    elif missing:
        train = {name: utt for name, utt in rest.items() if given[name] == "train"}
        found, by, why = _own(train, durations, groups, how, together, sized)
        found = given | {name: part for name, part in found.items() if part in missing}
        why = f"the corpus has no {' and no '.join(missing)}: taken from its train; {why}"
    else:
        found, by, why = given, "corpus", "the corpus has its own split"
    if set(found.values()) != set(SPLITS):
        why += "; there is too little for three sets"
    found |= extra
    facts = {"by": by, "why": why, "speakers": count_speakers(found, utts)}
    return found, {**facts, "question": question(found, utts), "largest": _largest(utts, durations)}


def cross_validate(
    utts: Mapping[str, Utterance],
    durations: Mapping[str, float],
    groups: Mapping[str, str],
    count: int,
) -> tuple[dict[str, str], dict[str, str], dict]:
    """``{utterance: set}`` of the final model, which has no test set; ``{utterance: fold and half}``
    (:mod:`xlt.data.folds`); and how that was done, as :func:`assign` says it.

    Train, dev and test of the corpus, if it has them, are put together; its further sets stay, without the
    utterances whose sentences, or voices, folds have.
    """
    extra = {name: utt.split for name, utt in utts.items() if utt.split and utt.split not in SPLITS}
    own = {name: utt for name, utt in utts.items() if name not in extra}
    voices = {name: utt.speaker for name, utt in utts.items()}
    parts, by, why = folds.parts(
        durations, {name: voices[name] for name in own}, {name: groups[name] for name in own}, count
    )
    marks = voices if by == "speaker" else groups
    found = folds.sets_of(parts, None, count) | _not_in_train(extra, dict.fromkeys(own, "train"), marks)
    asked = {question(folds.sets_of(parts, fold, count), utts) for fold in range(1, count + 1)}
    return (
        found,
        parts,
        {
            "by": by,
            "why": why,
            "folds": count,
            "speakers": count_speakers(found, utts) | {"test": len({voices[name] for name in own})},
            "question": asked.pop() if len(asked) == 1 else "known and new voices",
            "largest": _largest(utts, durations),
        },
    )


def count_speakers(found: Mapping[str, str], utts: Mapping[str, Utterance]) -> dict[str, int]:
    """``{set: speakers}`` of the split ``found``; train, dev and test first."""
    parts = (*SPLITS, *sorted(set(found.values()) - set(SPLITS)))
    return {part: len({utts[name].speaker for name in found if found[name] == part}) for part in parts}


def of_other_speakers(found: Mapping[str, str], utts: Mapping[str, Utterance], wanted: list) -> list[str]:
    """The utterances of train and dev whose speaker is not in ``wanted``, the setting data.train_speakers;
    ConfigError if one in it is nobody.
    """
    there = sorted({utt.speaker for utt in utts.values()})
    for speaker in wanted:
        if speaker not in there:
            close = difflib.get_close_matches(str(speaker), there, n=1)
            raise ConfigError(
                f"data.train_speakers={wanted}: the corpus has no speaker {speaker!r}"
                + (f"; did you mean {close[0]}?" if close else "")
                + f"; it has {', '.join(there[:10])}"
                + (" …" if len(there) > 10 else "")
            )
    return [n for n, part in found.items() if part in ("train", "dev") and utts[n].speaker not in wanted]


def question(found: Mapping[str, str], utts: Mapping[str, Utterance]) -> str:
    """Which voices test has in the split ``found``: new ones, or those of train."""
    train, test = ({utts[n].speaker for n, part in found.items() if part == own} for own in ("train", "test"))
    if not train & test:
        return "new voices"
    return "known voices" if test <= train else "known and new voices"


def _largest(utts: Mapping[str, Utterance], durations: Mapping[str, float]) -> dict[str, float]:
    """The three speakers with most of the speech, and their shares."""
    speech: dict[str, float] = defaultdict(float)
    for name, utt in utts.items():
        speech[utt.speaker] += durations[name]
    total = sum(speech.values()) or 1.0
    most = sorted(speech, key=lambda speaker: (-speech[speaker], speaker))[:3]
    return {speaker: round(speech[speaker] / total, 3) for speaker in most}


def _new_voices(
    utts: Mapping[str, Utterance],
    durations: Mapping[str, float],
    groups: Mapping[str, str],
    together: Sequence[tuple[str, str]],
) -> dict[str, str]:
    """``{utterance: test_new_voices}`` of a corpus in which two of at least five voices have most of the
    speech: some of the others, by hash, up to 10% of the speech. A split by speaker would test on these
    alone, and without them nothing would tell how new voices fare. Empty for other corpora, and where too
    little is left.
    """
    share = _largest(utts, durations)
    voices = {utt.speaker for utt in utts.values()}
    main = set(list(share)[:2])
    overlapping = {name for pair in together for name in pair}
    if len(voices) < MIN_SPEAKERS or sum(list(share.values())[:2]) < TWO_VOICES:
        return {}
    total = sum(durations[name] for name in utts)
    found: dict[str, str] = {}
    taken = Size(0, 0.0)
    for voice in sorted(voices - main, key=lambda voice: (position(voice, "split"), voice)):
        own = [name for name, utt in utts.items() if utt.speaker == voice]
        size = Size(len(own), sum(durations[name] for name in own))
        if taken.seconds + size.seconds > DEV_SHARE * total and taken.enough or overlapping & set(own):
            continue
        found |= dict.fromkeys(own, NEW_VOICES)
        taken = taken.plus(size)
    rest = {groups[name] for name in utts if name not in found}
    free = [name for name in found if groups[name] not in rest]
    return found if len(free) >= FEWEST and len(rest) >= len(SPLITS) else {}


def _not_in_train(
    extra: dict[str, str], found: Mapping[str, str], marks: Mapping[str, str]
) -> dict[str, str]:
    """Those of ``extra`` whose voice or sentence, ``marks``, train does not have."""
    train = {marks[name] for name, part in found.items() if part == "train"}
    return {name: part for name, part in extra.items() if marks[name] not in train}


def _own(
    utts: Mapping[str, Utterance],
    durations: Mapping[str, float],
    groups: Mapping[str, str],
    how: str,
    together: Sequence[tuple[str, str]],
    sized: bool,
) -> tuple[dict[str, str], str, str]:
    pairs = [(utts[a].speaker, utts[b].speaker) for a, b in together if a in utts and b in utts]
    voices = connect({utt.speaker for utt in utts.values()}, pairs)
    speech: dict[str, float] = defaultdict(float)
    for name, utt in utts.items():
        speech[voices[utt.speaker]] += durations[name]
    count = f"{len(voices)} speaker" + "s" * (len(voices) != 1)
    if len(speech) < len(voices):
        count += f" in {len(speech)} groups that talk at once"
    if how == "speaker" and len(speech) < 3:
        raise ConfigError(
            f"data.split: speaker needs at least three speakers, the corpus has {count}; set data.split=text"
        )
    shared = len({name for pair in together for name in pair if name in utts})
    overlapping = f"; {shared} clips share speech with others and stay with them" if shared else ""
    if how == "speaker" or (how == "auto" and len(speech) >= MIN_SPEAKERS):
        place = split_speakers(speech)
        return (
            {name: place[voices[utt.speaker]] for name, utt in utts.items()},
            "speaker",
            f"{count}; no voice is in two sets{overlapping}",
        )
    sizes: dict[str, Size] = defaultdict(lambda: Size(0, 0.0))
    for name in utts:
        sizes[groups[name]] = sizes[groups[name]].plus(Size(1, durations[name]))
    place = split_sized(sizes) if sized else split(sizes)
    why = (
        "no sentence is in two sets"
        if how == "text"
        else f"{count}, fewer than {MIN_SPEAKERS}; no sentence is in two sets"
    )
    return {name: place[groups[name]] for name in utts}, "text", why + overlapping
