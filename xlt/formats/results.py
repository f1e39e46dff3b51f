"""score.json and results/<tag>.json, which have one form, and results/examples/<tag>.json.

Stage 8 writes :class:`Scores` into ``score.json``, stage 9 copies them to ``results/<tag>.json``: what tables
are made of. What is only looked at, :class:`Details`, stands in a file of its own. Each key is one line.

Keys of :class:`Scores`; all before ``combination`` are ``{name of a set: …}``, and so is ``data``.
``docs/scores.md`` explains them.

- ``sets``: ``{metric: {value, ci95: [low, high], n_ref, sub, del, ins}}`` for the metrics of
  :data:`xlt.core.registry.METRICS`. Rates are over the sum of a set's reference tokens, as sclite's; sub, del
  and ins are null where a metric has none.
- ``signature``: ``{metric: line}``.
- ``means``: ``{metric: {value, ci95}}``, the mean of the utterances' own scores, as in the ML-SUPERB
  leaderboard.
- ``counts``: ``{ids, metrics: {metric: {errors, n_ref}}}``: the errors and the reference tokens of each
  utterance, in the order of ids, for paired tests. ``ids`` is the SHA-256 of the ids, a line each without the
  last end of line, 20 hex digits: only counts of the same utterances can be paired.
- ``languages``: ``{language: {metric: …}}`` of sets with several.
- ``language_accuracy``: ``{value, ci95, n, predicted: {language: {predicted: utterances}}}`` of models that
  predict the language (``tokens.language_tag``), in percent.
- ``forgetting``: ``{before, after, difference, relative}`` of test sets of mixed recipes.
- ``greedy``: ``{metric: {before, after, difference, relative}}``: what a search with language models changed,
  against CTC's best path.
- ``parts``: ``{decoder: {metric: {before, after, difference, relative}}}``: the same of combined decoders,
  against what each of them would have written alone: ``beam``, CTC with language models, ``partner``, the
  same of a second CTC, and ``attention``.
- ``decoding``: ``{method, real_time_factor, cpu_s_per_s: {part: seconds}}``: what the texts were decoded by,
  and the CPU-seconds that a second of speech took.
- ``slices``: ``{tag: {n, slices: {value: {n, few, scores}}, worst, spread}}``: error rates by speaker,
  duration, language, and the user's tags; ``few``: too few utterances to say much.
- ``micro``: ``{classes: {class: …}, all, rest, absent: {class: why}}``: WER over the reference words of a
  class, over those of any class (micro-WER) and over the others; ``n``: utterances with such words; null
  without any. Not of phones.
- ``script``: characters outside the language's script, ``{chars, outside, share}`` in percent a side; or
  ``{absent: why}``. Not of phones.
- ``data``: the size of the set, and whether its voices were in the training speech. An utterance whose
  reference is empty after normalisation has no rate: it is in no figure, and listed here.
- ``combination``: rule and weights of combined decoders, as chosen on dev.
- ``whisper``: of models of the family whisper_ed, which part was tuned, and Whisper's token of each language.
- ``pretraining``: of encoders that `xlt pretrain` made, method, hours of speech, epochs, steps, parameters
  that were trained, and seconds of work.
- ``lm``: what the language model was made of, its perplexity and unknown words on dev, and the weights that
  were tuned there; where one was used.
- ``experiment``, ``config``, ``versions``, ``environment``, ``command``, ``commit``, and, where we trained,
  ``training``, ``features``, ``stages``: what the scores rest on.

Version 1, without the key ``format``, had the sets beside these keys; it is upgraded on reading, and so are
its older names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

from xlt.core import digests, jsons
from xlt.core.errors import DataError
from xlt.core.files import sha256
from xlt.formats.typed import check
from xlt.formats.versioned import Format


class Interval(TypedDict):
    value: float
    ci95: Annotated[list[float], 2]


Entry = TypedDict(
    "Entry",
    {
        "value": float,
        "ci95": Annotated[list[float], 2],
        "n_ref": int,
        "sub": int | None,
        "del": int | None,
        "ins": int | None,
    },
)


class Detailed(Entry):
    mean: Interval


class Errors(TypedDict):
    """Of each utterance."""

    errors: list[int]
    n_ref: list[int]


class Counts(TypedDict):
    ids: str
    metrics: dict[str, Errors]


class LanguageAccuracy(Interval):
    n: int
    predicted: dict[str, dict[str, int]]


class Change(TypedDict):
    before: Interval
    after: Interval
    difference: Interval
    relative: float | None


class Whisper(TypedDict):
    tuned: str
    languages: dict[str, str]


class Decoding(TypedDict):
    method: str
    real_time_factor: NotRequired[float | None]
    cpu_s_per_s: NotRequired[dict[str, float] | None]


class Slice(TypedDict):
    n: int
    few: bool
    scores: dict[str, Detailed]


class Spread(TypedDict):
    low: float
    mean: float
    high: float
    deviation: float
    over: int


class Slices(TypedDict):
    n: int
    slices: dict[str, Slice]
    worst: str | None
    spread: Spread | None


class ClassErrors(Detailed):
    n: int
    correct: int
    note: NotRequired[str]


class Micro(TypedDict):
    classes: dict[str, ClassErrors]
    all: ClassErrors | None
    rest: ClassErrors | None
    absent: dict[str, str]


class Outside(TypedDict):
    chars: int
    outside: int
    share: float | None


class Offender(TypedDict):
    char: str
    name: str
    count: int


class Script(TypedDict, total=False):
    scripts: list[str]
    references: Outside
    hypotheses: Outside
    utterances: int
    offenders: list[Offender]
    absent: str


class SetFacts(TypedDict):
    """``voices``: whose, e.g. ``new voices`` (:mod:`xlt.score.voices`); ``folds``: of cross-validation."""

    utterances: int
    speech_min: float | None
    empty_references: list[str]
    empty_hypotheses: int
    voices: NotRequired[str]
    folds: NotRequired[int]


class Experiment(TypedDict):
    tag: str
    name: str
    lang: str
    language: str
    normaliser: str
    peer: bool
    describe: NotRequired[str]


class Training(TypedDict):
    set: str
    speech_min: float | None
    utterances: int | None
    epochs: NotRequired[int]
    parameters: NotRequired[int]
    cpu_s: NotRequired[float]  # of stage 6, all threads
    epoch_s: NotRequired[float]  # of an epoch, as the first steps foretold


class Machine(TypedDict):
    processor: str
    cores: int
    memory_gib: int
    system: str


class LmFacts(TypedDict, total=False):
    """``parts``, ``sources``, ``dev`` as in lm.json; ``fusion``: method, lm_weight, length_bonus;
    ``model``: of the user's own; ``commit``: of the decoding."""

    unit: str
    parts: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    dev: dict[str, Any]
    model: dict[str, Any]
    fusion: dict[str, Any]
    commit: str


class Scored(TypedDict):
    """What belongs to the sets."""

    sets: dict[str, dict[str, Entry]]
    signature: dict[str, dict[str, str]]
    means: NotRequired[dict[str, dict[str, Interval]]]
    counts: NotRequired[dict[str, Counts]]
    languages: NotRequired[dict[str, dict[str, dict[str, Entry]]]]
    language_accuracy: NotRequired[dict[str, LanguageAccuracy]]
    forgetting: NotRequired[dict[str, Change]]
    greedy: NotRequired[dict[str, dict[str, Change]]]
    parts: NotRequired[dict[str, dict[str, dict[str, Change]]]]
    decoding: NotRequired[dict[str, Decoding]]
    slices: NotRequired[dict[str, dict[str, Slices]]]
    micro: NotRequired[dict[str, Micro]]
    script: NotRequired[dict[str, Script]]


class Scores(Scored):
    """The whole of score.json and of results/<tag>.json."""

    format: int
    data: dict[str, SetFacts]
    experiment: Experiment
    config: dict[str, Any]
    versions: dict[str, str]
    environment: Machine
    command: str
    commit: str
    combination: NotRequired[dict[str, Any]]
    whisper: NotRequired[Whisper]
    lm: NotRequired[LmFacts]
    pretraining: NotRequired[dict[str, Any]]
    training: NotRequired[Training]
    features: NotRequired[dict[str, Any]]
    stages: NotRequired[dict[str, float]]


class Example(TypedDict):
    """``rate``: by what systems are compared by."""

    id: str
    rate: float
    ref: str
    hyp: str


class Confusions(TypedDict):
    unit: str
    n: dict[str, int]
    pairs: dict[str, dict[str, int]]
    left_off: int


class Details(TypedDict, total=False):
    """The whole of results/examples/<tag>.json: ``{set: {worst, median}}``, ``{set: …}``, and the characters
    of the training texts."""

    format: int
    examples: dict[str, dict[str, list[Example]]]
    confusions: dict[str, Confusions]
    alphabet: dict[str, int]


_IN_DETAILS = ("examples", "confusions", "alphabet")


def _from_1(old: dict[str, Any]) -> dict[str, Any]:
    """The sets had no key of their own, counts were of the set's first metric, and names were others."""
    names = list(old["signature"])
    new: dict[str, Any] = {"sets": {name: old[name] for name in names}}
    new |= {key: value for key, value in old.items() if key not in names}
    if "language_told" in new:
        told = new.pop("language_told")
        new["language_accuracy"] = {name: _renamed(one, "told", "predicted") for name, one in told.items()}
    if "counts" in new:
        new["counts"] = {name: _counts(one, new["sets"][name]) for name, one in new["counts"].items()}
    if "slices" in new:
        new["slices"] = {
            name: {tag: _slices(one) for tag, one in tags.items()} for name, tags in new["slices"].items()
        }
    if "examples" in new:
        new["examples"] = {
            name: {kind: [_example(row) for row in rows] for kind, rows in kinds.items()}
            for name, kinds in new["examples"].items()
        }
    return new


def _renamed(found: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if key == old else key: value for key, value in found.items()}


def _counts(old: dict[str, Any], scores: dict[str, Any]) -> dict[str, Any]:
    first = "cer" if "cer" in scores else "per"
    metrics = {first: {"errors": old["errors"], "n_ref": old["n_ref"]}}
    if "wer" in old:
        metrics["wer"] = old["wer"]
    return {"ids": old["ids"], "metrics": metrics}


def _slices(old: dict[str, Any]) -> dict[str, Any]:
    parts = {}
    for value, one in old["slices"].items():
        scores = {key: score for key, score in one.items() if key not in ("n", "few")}
        parts[value] = {"n": one["n"], "few": one["few"], "scores": scores}
    return {**old, "slices": parts}


def _example(old: dict[str, Any]) -> dict[str, Any]:
    return _renamed(old, "cer" if "cer" in old else "per", "rate")


SCORES = Format("score.json", 2, {1: _from_1})
DETAILS = Format("results/examples/<tag>.json", 1)


def dump(document: Mapping[str, Any]) -> str:
    """The text of a file: a line for each key, in the order of the document."""
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in document.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def from_json(document: Any, where: str | Path) -> tuple[Scores, Details]:
    """Scores in today's form, and the details that older files have among them.

    Raises DataError for a newer version, ValueError, which says what is wrong, for anything else.
    """
    try:
        found = SCORES.upgraded(document, where)
    except (KeyError, TypeError, AttributeError) as err:
        raise ValueError(f"{type(err).__name__} {err}") from None
    details = {key: found.pop(key) for key in _IN_DETAILS if key in found}
    check(found, Scores)
    _check_sets(found)
    check_details(details)
    return found, details  # type: ignore[return-value]


def _check_sets(found: Any) -> None:
    """ValueError unless each set that has scores has its size, and signatures that end in their seed."""
    for part in ("data", "signature"):
        if lacking := found["sets"].keys() - found[part].keys():
            raise ValueError(f"{part} lacks {min(lacking)!r}")
    for name in found["sets"]:
        for key, line in found["signature"][name].items():
            if not re.search(r" \| seed:\d{1,9}$", line):
                raise ValueError(f"signature.{name}.{key}: found {line!r:.60}, expected '… | seed:N'")


def read(path: Path, complaint: str, remedy: str) -> Scores:
    """The scores in a file; DataError, ``PATH: COMPLAINT (why); REMEDY``, where there are none."""
    try:
        return from_json(jsons.parse(path.read_text(encoding="utf-8"), finite=True), path)[0]
    except (OSError, ValueError) as err:
        raise DataError(f"{path}: {complaint} ({err}); {remedy}") from None


def refuse_altered(path: Path) -> None:
    """DataError if ``exp/<tag>/score.json`` is not what stage 8 has written there."""
    made = digests.recorded(path.parent / "score").get("score.json")
    if made is not None and path.is_file() and sha256(path) != made:
        raise DataError(
            f"{path}: altered by hand or damaged since stage 8 (score) made it; make it again with --stage 8"
        )


def of_stage_8(path: Path) -> Scores:
    """The scores in ``exp/<tag>/score.json``; DataError unless stage 8 has written them."""
    refuse_altered(path)
    return read(path, "not a score.json of stage 8", "run stage 8 (score) again")


def read_details(path: Path) -> Details:
    """Raises DataError for a newer version, ValueError as :func:`from_json`."""
    found = jsons.parse(path.read_text(encoding="utf-8"), finite=True)
    if not isinstance(found, dict):
        raise ValueError(f"found {type(found).__name__}, expected an object")
    found = DETAILS.upgraded(found, path)
    check_details(found)
    return found  # type: ignore[return-value]


def check_details(found: Any) -> None:
    """ValueError unless these are Details whose confusions are of characters that were said."""
    check(found, Details)
    for name, one in found.get("confusions", {}).items():
        unsaid = one["pairs"].keys() - {""} - one["n"].keys()
        if unsaid:
            raise ValueError(f"confusions.{name}: no count of {min(unsaid)!r}")
