"""The files results/*.json of a recipe, and experiments that differ in nothing but the seed."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.audio.augment import SETTINGS, in_words
from xlt.core import jsons
from xlt.core.config import defaults
from xlt.core.errors import DataError
from xlt.core.log import epochs as counted
from xlt.formats.costs import FOLDER, Costs, read_costs
from xlt.formats.pretrained import hours
from xlt.formats.results import Details, Entry, Scores, from_json, read_details
from xlt.formats.results import Experiment as About
from xlt.metrics.metric import PHONES, TEXT, main_metric
from xlt.score.rungs import ATTENTION, COMBINED, GREEDY, PARTNER, method
from xlt.text.languages import get

_MAIN = {main_metric(TEXT), main_metric(PHONES)}
EXAMPLES = "examples"  # the folder in results/ for what no table is made of
ESPNET, _PEER = "espnet", "peer_"  # the oldest family; tags of what others do
_RENAMED = {"ctc_ssl": "fast"}  # presets that older results call otherwise
_TUNED = {"all": "tuned", "decoder": "decoder tuned", "lora": "lora adapters", "nothing": "as published"}


@dataclass(frozen=True)
class Result:
    """One results/<tag>.json, and results/examples/<tag>.json and results/costs/<tag>.json if they are
    there.
    """

    tag: str
    document: Scores
    details: Details = field(default_factory=Details)
    costs: Costs | None = None

    @property
    def config(self) -> dict[str, Any]:
        return self.document["config"]

    @property
    def experiment(self) -> About:
        return self.document["experiment"]

    @property
    def kind(self) -> str:
        """Of its transcripts: text or phones."""
        phones = self.config.get("tokens.type") == "phone" and not self.config.get("lm.spell")
        return PHONES if phones else TEXT

    @property
    def peer(self) -> bool:
        return self.experiment["peer"]

    @property
    def published(self) -> bool:
        """Whether the model is used as somebody else has published it."""
        own = self.family == ESPNET or not self.config.get("train.zero_shot") or self.config.get("train.init")
        return self.peer or not own

    @property
    def rival(self) -> bool:
        """Whether it is here to be compared with: a published model, or one that was trained as others do,
        whose tag begins with peer_.
        """
        return self.published or self.experiment["name"].startswith(_PEER)

    @property
    def family(self) -> str:
        """The family of the model, ``espnet`` where a result is older than the others."""
        return self.config.get("train.family", ESPNET)

    @property
    def seed(self) -> int:
        return self.config.get("seed", 0)

    @property
    def speech_min(self) -> float | None:
        """Minutes of the training speech; None of a peer, or where nobody knows."""
        training = self.document.get("training")
        return training["speech_min"] if training else None

    def sets(self) -> list[str]:
        """Names of the scored sets, in the file's order."""
        return list(self.document["sets"])

    def languages(self, name: str) -> list[str]:
        """The languages of a set that have scores of their own; none where the set is of one language."""
        return list(self.document.get("languages", {}).get(name, {}))

    def score(self, name: str, metric: str, lang: str | None = None) -> Entry:
        """A metric of a set, or of the utterances of one of its languages."""
        if lang is None:
            return self.document["sets"][name][metric]
        return self.document["languages"][name][lang][metric]

    def has(self, name: str, metric: str) -> bool:
        """Whether set ``name`` was scored by ``metric``: phones have no CER."""
        return metric in self.document["sets"].get(name, {})


@dataclass(frozen=True)
class Typical:
    """The median over seeds, with the interval of the ``run`` nearest to it, the first seed among equals."""

    value: float
    low: float
    high: float
    run: Result


@dataclass(frozen=True)
class Experiment:
    """Runs that differ only in the seed, ordered by it."""

    name: str
    runs: list[Result]

    def scored(self, name: str, metric: str, lang: str | None = None) -> list[Result]:
        """The runs with a score of a set, or of a language in it."""
        if lang is None:
            return [run for run in self.runs if run.has(name, metric)]
        scores = [(run, run.document.get("languages", {}).get(name, {}).get(lang, {})) for run in self.runs]
        return [run for run, own in scores if metric in own]

    @property
    def metric(self) -> str:
        """The error rate that the experiment is compared by: ``per`` of phones, else ``cer``."""
        return main_metric(self.runs[0].kind)

    @property
    def rank(self) -> tuple:
        """Best on dev first, by CER; those without a dev score last."""
        dev = self.median("dev", main_metric(TEXT))
        return dev is None, dev or 0.0, self.name

    def values(self, name: str, metric: str, lang: str | None = None) -> list[float]:
        return [run.score(name, metric, lang)["value"] for run in self.scored(name, metric, lang)]

    def median(self, name: str, metric: str, lang: str | None = None) -> float | None:
        values = self.values(name, metric, lang)
        return statistics.median(values) if values else None

    def typical(self, name: str, metric: str, lang: str | None = None) -> Typical | None:
        """What is shown of the seeds; None without such a score."""
        middle = self.median(name, metric, lang)
        if middle is None:
            return None
        runs = self.scored(name, metric, lang)
        nearest = min(runs, key=lambda run: abs(run.score(name, metric, lang)["value"] - middle))
        low, high = nearest.score(name, metric, lang)["ci95"]
        return Typical(middle, low, high, nearest)


def load(folder: Path) -> list[Result]:
    """All results of a recipe in the order of their names; DataError for a file that is not a result.

    A file with the key ``ranking`` is one of ``xlt phones`` and left out.
    """
    results = []
    for path in sorted(folder.glob("*.json")):
        apart = folder / EXAMPLES / path.name
        at = path
        try:
            document = jsons.parse(path.read_text(encoding="utf-8"), finite=True)
            if "ranking" in document:
                continue
            scores, details = from_json(document, path)
            for name, own in scores["sets"].items():
                if not own.keys() & _MAIN:
                    raise ValueError(f"{name} has neither {' nor '.join(sorted(_MAIN))}")
            if apart.exists():
                at = apart
                details = read_details(apart)
        except (ValueError, TypeError) as err:
            raise DataError(
                f"{at}: not a result of stage 9 ({err}); delete it and run stage 9 (report) again"
            ) from None
        priced = folder / FOLDER / path.name
        costs = read_costs(priced) if priced.exists() else None
        results.append(Result(path.stem, scores, details, costs))
    return results


def experiments(results: list[Result]) -> list[Experiment]:
    """Group runs by their settings without the seed; by name. Of two runs with one seed the recipe's own,
    main, counts.

    A setting at its default is as good as none: base.yaml's keep the behaviour from before they were there,
    so that older seeds stand with newer ones.
    """
    groups: dict[str, list[Result]] = {}
    for result in results:
        settings = chosen(result)
        settings.pop("seed", None)
        same = json.dumps([result.peer, describe(result), settings], sort_keys=True)
        groups.setdefault(same, []).append(result)
    made = []
    for runs in groups.values():
        runs.sort(key=lambda run: (run.seed, run.tag != "main", run.tag))
        runs = [run for k, run in enumerate(runs) if k == 0 or run.seed != runs[k - 1].seed]
        made.append(Experiment(runs[0].experiment["name"] if len(runs) > 1 else runs[0].tag, runs))
    return sorted(made, key=lambda experiment: experiment.name)


def titles(recipes: Mapping[str, Sequence[Experiment]]) -> dict[str, str]:
    """``{recipe: name of its language}``; of several recipes of one language, all but the one that is named by
    its code say which they are: Spanish (spa_phone).
    """
    languages = {name: found[0].runs[0].experiment for name, found in recipes.items()}
    several = Counter(own["language"] for own in languages.values())
    return {
        name: own["language"]
        if several[own["language"]] == 1 or name == own["lang"].partition("_")[0]
        else f"{own['language']} ({name})"
        for name, own in languages.items()
    }


def chosen(result: Result) -> dict[str, Any]:
    """The settings of a result that are not at their defaults, by today's names."""
    settings = dict(result.config)
    if settings.get("preset") in _RENAMED:
        settings["preset"] = _RENAMED[settings["preset"]]
    return {k: v for k, v in settings.items() if k not in defaults() or defaults()[k] != v}


def describe(result: Result) -> str:
    """Features and model in a few words, e.g. ``whisper_base, blstm, char``."""
    if result.peer:
        return result.experiment["describe"]
    config = result.config
    features = _upstream(config) + _layers(_features(result))
    rest = f"{decoding(result)}{_pretrained(result)}{_start(config)}{_taught(result)}"
    return f"{features}, {_model(result)}, {_tokens(config)}, {rest}"


def _features(result: Result) -> dict:
    """What the model was given; of a family that draws speeds by itself, those."""
    found = result.document.get("features", _before_the_mix(result.config))
    if result.family == ESPNET:
        return found
    asked = {key: result.config[f"features.{key}"] for key in SETTINGS if f"features.{key}" in result.config}
    return {**found, "on_the_fly": False, **asked}


def decoding(result: Result) -> str:
    """The search, and the language model with it: ``beam + char LM (texts, words)``."""
    sets = result.sets()
    found, by = result.document.get("lm"), method(result.document, "test" if "test" in sets else sets[0])
    by += f" with {result.config['decode.partner']}" if by == COMBINED and _partner_used(result) else ""
    if not found or by in (GREEDY, ATTENTION):
        return by
    parts = [*(part["name"] for part in found["parts"]), *(["own model"] if "model" in found else [])]
    return f"{by} + {found['unit']} LM ({', '.join(parts)})"


def _partner_used(result: Result) -> bool:
    """Whether a partner had a say in a combination: one that gives what the model lacks, or a second CTC with
    a weight.
    """
    config = result.config
    lacks = result.family == ESPNET or not config.get("train.ctc_weight")
    weights = result.document.get("combination", {}).get("weights", {})
    return bool(config.get("decode.partner")) and (lacks or PARTNER in weights)


def published_title(result: Result) -> str:
    """What a published model is called in the head of a column."""
    if result.peer:
        return result.experiment["describe"]
    return f"{_upstream(result.config)}, zero-shot"


def family(result: Result) -> str:
    """What a learning curve is of: the model, not how its features were stored or how much speech it had."""
    config, features = result.config, result.document.get("features", {})
    return (
        f"{config['features.upstream']}{_tuning(features.get('tuning'), '')}, {_model(result)},"
        f" {_tokens(config)}{_start(config)}{_taught(result)}"
    )


def _model(result: Result) -> str:
    """The network on the features, or the family and what was tuned of it."""
    config = result.config
    if result.family != ESPNET:
        found = result.document.get("whisper")
        tuned = f" {_TUNED.get(found['tuned'], found['tuned'])}{_token(found['languages'])}" if found else ""
        return f"{result.family}{tuned}"
    return config["train.encoder"] + (
        f" + {config['train.decoder']}" if config["train.decoder"] != "none" else ""
    )


def _token(languages: dict[str, str]) -> str:
    """`` with the token of es``: Whisper's token, where it is that of another language or a new one."""
    borrowed = [own for lang, own in languages.items() if own != get(lang).iso1]
    if not borrowed:
        return ""
    return (
        f" with the token of {', '.join(filter(None, borrowed))}"
        if any(borrowed)
        else " with a token of its own"
    )


def _upstream(config: dict) -> str:
    return config["features.upstream"] + (
        f" ({config['features.path']})" if config.get("features.path") else ""
    )


def _tokens(config: dict) -> str:
    return config["tokens.type"] + (str(config["tokens.size"]) if config["tokens.type"] == "bpe" else "")


def _start(config: dict) -> str:
    """``, from multi/exp/main``: the model that training started from, "" without one."""
    if not config.get("train.init"):
        return ""
    tokens = config.get("train.init_tokens", "new")
    how = f" ({tokens} output layer)"
    if config["train.zero_shot"]:
        how = " as it is" + (", own tokens" if tokens == "match" else "")
    mixed = "".join(f", {100 * share:g}% {name}" for name, share in config["train.mix"].items())
    return f", from {config['train.init']}{how}{mixed}"


def _pretrained(result: Result) -> str:
    """``, encoder pre-trained with bestrq on 6.4 hours, 7 epochs``; "" of encoders of others."""
    found = result.document.get("pretraining")
    if not found:
        return ""
    if not found["epochs"]:
        return ", encoder with random weights"
    return (
        f", encoder pre-trained with {found['method']} on {hours(found['hours'])}, {counted(found['epochs'])}"
    )


def _taught(result: Result) -> str:
    """``, 5.8 min labelled by ron/exp/s0``: what was learned of a teacher, "" without one."""
    found: Any = result.document.get("teacher")
    if not found:
        return ""
    place = "/".join((found["recipe"], "exp", found["tag"]))
    labels, weight = found.get("labels"), result.config.get("train.posterior_weight")
    return (f", {labels['minutes']:.1f} min labelled by {place}" if labels else f", taught by {place}") + (
        f" (posteriors {weight:g})" if weight else ""
    )


def _before_the_mix(config: dict) -> dict:
    """Features of a result that does not say them: made when ``features.layers=auto`` of Whisper meant layers
    3 to 6.
    """
    chosen = config.get("features.layers") == "auto" and config["features.upstream"] == "whisper_base"
    return {"layers": [3, 4, 5, 6]} if chosen else {}


def _layers(features: dict) -> str:
    """`` mix of cat_Latn, cm1``: the layers, and whatever else differs from one layer in 32 bits; "" where
    nothing does.
    """
    layers, mix = features.get("layers", "last"), features.get("mix") or {}
    words = {"last": "", "mix": " mix"}.get(layers) if isinstance(layers, str) else None
    if words is None:
        words = " layer " + "+".join(map(str, layers if isinstance(layers, list) else [layers]))
    words += f" of {mix['from']}" if mix.get("from") else ""
    words += f", {features['storage']}" if features.get("storage", "f32") != "f32" else ""
    words += in_words(features)
    return words + _tuning(features.get("tuning"), ", on the fly" if features.get("on_the_fly") else "")


def _tuning(tuning: dict | None, frozen: str) -> str:
    """``, tuned but for the extractor``; ``frozen`` where nothing of the upstream was trained."""
    if tuning is None:
        return frozen
    if tuning["adapter"] != "none":
        return f", {tuning['adapter']} adapters"
    return ", tuned but for the extractor" if tuning["freeze"] == "extractor" else ", tuned"


def cell(experiment: Experiment, name: str, metric: str, lang: str | None = None) -> str:
    """``9.5 [8.1, 11.0]``: the median over seeds, and the interval of the run nearest to it; – without such a
    score.
    """
    shown = experiment.typical(name, metric, lang)
    return f"{shown.value:.1f} [{shown.low:.1f}, {shown.high:.1f}]" if shown else "–"
