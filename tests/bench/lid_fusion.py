"""Language identification by more than the classifier: does it help between corpora?

    python -m tests.bench.lid_fusion egs [--clips 10] [--test 5] [--out lid_fusion.json]

after stages 1 to 6 of the recipes egs/cat, dan, ell, fra, ron, rus and spa. Three sources tell the language of a piece:

- classifier: as in tests.bench.lid, on the encoder's upper layers;
- heads: the mean log probability of the likeliest token of each frame by each language's CTC head. Heads differ in it
  whatever they hear: it is compared with their mean and deviation on the development pieces;
- token: log probabilities of Whisper's language tokens behind the same encoder output, by its decoder, which no bundle
  of several languages holds.

Each corpus but Tux Paint, which the heads have heard, is the test once. The others but Tux Paint are the development
side: pieces of each are told by a classifier that has heard neither it nor the test. On them a weight for each source
(no less than 0, so that classifier alone is a temperature) is fitted to the likelihood of the languages, which all weigh
the same, and the threshold of "none of these" is found: strangers are pieces whose own language is taken from the choice.
The classifier with which the test is told has heard all corpora but the test. Five minutes of processor time.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.bench.lid import BINS, CORPORA, RESAMPLES, STRANGERS, balanced, speech
from xlt.audio.files import SAMPLE_RATE
from xlt.core.log import Progress
from xlt.features.backbone import Backbone
from xlt.features.extract import Setup
from xlt.fetch.files import cache_root
from xlt.lid.classifier import best_threshold, calibrated, fit
from xlt.lid.pool import examples, pooled, upper_layers
from xlt.lid.training import FEWEST, held_apart
from xlt.upstreams import upstream_class
from xlt.upstreams.mels import GRID, HOP

HEARD_BY_HEADS = "tuxpaint"
SOURCES = ("classifier", "heads", "token")
MIXES = (("classifier",), ("heads",), ("token",), ("classifier", "heads"), ("classifier", "token"), SOURCES)
LANGUAGES = tuple(sorted({lang for _, codes, _ in CORPORA.values() for lang in codes}))
DURATIONS_S = (1.0, 2.0)
ENCODER = "whisper_base"
_START = 50258  # <|startoftranscript|>; tokens of languages follow it
Key = tuple[str, str]  # corpus, language


class Heard(NamedTuple):
    """``learnt``: (corpus, language) → examples of each piece to learn from; by (corpus, language, duration) for N
    pieces: ``pooled`` (N, D), ``heads`` and ``token`` (N, L).
    """

    learnt: dict[Key, list[np.ndarray]]
    pooled: dict[tuple, np.ndarray]
    heads: dict[tuple, np.ndarray]
    token: dict[tuple, np.ndarray]


class Ears:
    """The encoder, and what stands behind it."""

    def __init__(self, recipes: Path):
        from transformers.models.whisper.tokenization_whisper import LANGUAGES as CODES

        from xlt.features import load_trained
        from xlt.formats.model_folder import read_info
        from xlt.models.family import open_model
        from xlt.models.whisper.weights import published
        from xlt.text.languages import get

        source = upstream_class(ENCODER).find(ENCODER, None, cache_root(None))
        self.backbone = Backbone(Setup(source, "last", "float32", 80.0), list(range(7)))
        self.last = Setup(source, "last", "float32", 80.0)
        self.upper = Setup(source, upper_layers(self.backbone.num_layers), "float32", 80.0)
        self.heads = []
        for lang in LANGUAGES:
            folder = recipes / lang / "exp" / "main"
            encode = load_trained(read_info(folder)["features"], folder, self.backbone)
            self.heads.append((encode, open_model(folder)))
        self.whisper: Any = published(Path(source.folder)).eval()
        codes = list(CODES)
        self.tokens = [_START + 1 + codes.index(get(lang).iso1) for lang in LANGUAGES]

    def hear(self, wave: np.ndarray) -> tuple[np.ndarray, list[float], np.ndarray]:
        """What the classifier reads (2 D,), how sure each head is, and the log probability of each token."""
        import torch

        frames = -(-len(wave) // HOP)
        whole = np.pad(wave, (0, -len(wave) % GRID))  # the decoder hears the silence behind it, too
        (last,) = self.backbone.encode([whole], self.last, None)
        with torch.inference_mode():
            asked = {
                "input_ids": torch.tensor([[_START]]),
                "encoder_hidden_states": torch.from_numpy(last)[None],
            }
            hidden = self.whisper.model.decoder(**asked).last_hidden_state[0, 0]
            token = torch.log_softmax(self.whisper.proj_out.weight[self.tokens] @ hidden, 0).numpy()
        sure = []
        for encode, model in self.heads:
            found, lengths = model.log_probs([encode([whole])[0][:frames]])
            sure.append(float(found[0, : lengths[0]].max(dim=-1).values.mean()))
        (upper,) = self.backbone.encode([whole], self.upper, None)
        return pooled(upper[:frames]), sure, token


def heard(recipes: Path, sets: dict[Key, list[np.ndarray]], test: int) -> Heard:
    """The first ``test`` pieces of each set, cut to each duration, are told; all but strangers are learnt."""
    ears, rng, found = Ears(recipes), np.random.default_rng(0), Heard({}, {}, {}, {})
    with Progress("heard", sum(map(len, sets.values())), "pieces") as bar:
        for key, waves in sets.items():
            if key[0] != "strangers":
                found.learnt[key] = [
                    examples(ears.backbone.encode([wave], ears.upper, None)[0], ears.backbone.frame_rate, rng)
                    for wave in waves
                ]
            for dur_s in DURATIONS_S:
                rows = [ears.hear(wave[: round(dur_s * SAMPLE_RATE)]) for wave in waves[:test]]
                for part, values in zip(found[1:], zip(*rows, strict=True), strict=True):
                    part[*key, dur_s] = np.stack(values)
            bar.add(len(waves))
    return found


def classifier_without(found: Heard, *corpora: str):
    """What the other corpora teach, or None if that is fewer than two languages."""
    clips = defaultdict(list)
    for (corpus, lang), own in found.learnt.items():
        if corpus not in corpora:
            clips[lang] += own
    fitted, held = held_apart({lang: own for lang, own in sorted(clips.items()) if len(own) > FEWEST})
    made = fit({lang: np.concatenate(own) for lang, own in fitted.items()})
    return calibrated(made, {lang: np.concatenate(own) for lang, own in held.items()})


def sources(found: Heard, classifier: Any, keys: list[tuple]) -> tuple[np.ndarray, np.ndarray]:
    """(S, N, L) of the pieces of ``keys``, -inf for languages that the classifier does not know; and the
    columns of their languages (N,), -1 for strangers.
    """
    own = np.full((sum(len(found.pooled[key]) for key in keys), len(LANGUAGES)), -np.inf)
    columns = [LANGUAGES.index(lang) for lang in classifier.languages]
    own[:, columns] = np.log(classifier.probabilities(np.concatenate([found.pooled[key] for key in keys])))
    rows = [np.concatenate([part[key] for key in keys]) for part in (found.heads, found.token)]
    labels = [
        LANGUAGES.index(key[1]) if key[1] in LANGUAGES else -1 for key in keys for _ in found.pooled[key]
    ]
    return np.stack([own, *rows]), np.array(labels)


class Fusion(NamedTuple):
    """``mean`` and ``scale`` of the heads' confidences (L,); a weight for each source (S,); ``threshold``."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    threshold: float = 0.0

    def log_probs(self, rows: np.ndarray) -> np.ndarray:
        """(S, N, L) → (N, L)."""
        from scipy.special import log_softmax

        known = np.isfinite(rows[0])
        parts = np.stack([np.where(known, rows[0], 0), (rows[1] - self.mean) / self.scale, rows[2]])
        return log_softmax(np.where(known, np.tensordot(self.weights, parts, 1), -np.inf), axis=1)


def fused(rows: np.ndarray, labels: np.ndarray, mix: tuple[str, ...]) -> Fusion:
    """The weights of the sources in ``mix`` under which the development pieces are likeliest, each language
    weighing the same.
    """
    from scipy.optimize import minimize

    heads = rows[1]
    langs = sorted(set(labels.tolist()))
    mean = np.mean([heads[labels == lang].mean(axis=0) for lang in langs], axis=0)
    scale = np.sqrt(np.mean([((heads[labels == lang] - mean) ** 2).mean(axis=0) for lang in langs], axis=0))
    places = [SOURCES.index(name) for name in mix]
    known = np.isfinite(rows[0][np.arange(len(labels)), labels])
    share = (1 / np.bincount(labels, minlength=len(LANGUAGES)).clip(1))[labels] * known

    def made(values: np.ndarray) -> Fusion:
        weights = np.zeros(len(SOURCES))
        weights[places] = values
        return Fusion(mean, scale, weights)

    def loss(values: np.ndarray) -> float:
        found = made(values).log_probs(rows)[np.arange(len(labels)), labels]
        return -float((share[known] * found[known]).sum()) / float(share.sum()) + 1e-4 * float(
            values @ values
        )

    best = minimize(loss, np.full(len(mix), 0.5), bounds=[(0, 50)] * len(mix), method="L-BFGS-B").x
    return made(best)._replace(threshold=threshold(made(best), rows, labels))


def threshold(fusion: Fusion, rows: np.ndarray, labels: np.ndarray) -> float:
    """Above which pieces that are told rightly are kept and those whose language is taken away are not."""
    found = fusion.log_probs(rows)
    right = found.argmax(axis=1) == labels
    without = rows.copy()
    without[0, np.arange(len(labels)), labels] = -np.inf
    strange = np.exp(fusion.log_probs(without).max(axis=1))
    return best_threshold(np.exp(found.max(axis=1))[right].tolist(), strange.tolist())


def told(found: Heard, dur_s: float, made: dict[frozenset[str], Any]) -> dict[str, dict[str, float]]:
    """Mix of sources → figures in percent, those of the development side among them. ``made``: classifiers
    by the corpora that they have not heard, to which those that are lacking are added.
    """

    def without(*corpora: str) -> Any:
        key = frozenset(corpora)
        if key not in made:
            made[key] = classifier_without(found, *corpora)
        return made[key]

    tests = [corpus for corpus in CORPORA if corpus != HEARD_BY_HEADS]
    tallies = {mix: _Tally() for mix in MIXES}
    for test in tests:
        rows, labels = [], []
        for corpus in tests:
            if corpus != test:
                keys = [(corpus, lang, dur_s) for lang in CORPORA[corpus][1]]
                part, own = sources(found, without(test, corpus), keys)
                rows.append(part)
                labels.append(own)
        dev, answers = np.concatenate(rows, axis=1), np.concatenate(labels)
        classifier = without(test)
        keys = [(test, lang, dur_s) for lang in CORPORA[test][1] if lang in classifier.languages]
        pieces, truth = sources(found, classifier, keys)
        strange, _ = sources(found, classifier, [("strangers", lang, dur_s) for lang in STRANGERS])
        for mix, tally in tallies.items():
            tally.add(test, fused(dev, answers, mix), dev, answers, pieces, truth, strange)
    return {"+".join(mix): tally.figures() for mix, tally in tallies.items()}


class _Tally:
    """Of a mix, over the corpora."""

    def __init__(self):
        self.cells: dict[Key, float] = {}
        self.dev: list[float] = []
        self.dev_loss: list[float] = []
        self.sure: list[float] = []
        self.right: list[bool] = []
        self.kept: list[bool] = []
        self.refused: list[bool] = []
        self.weights: list[list[float]] = []

    def add(self, test: str, fusion: Fusion, dev, answers, pieces, truth, strange) -> None:
        found = fusion.log_probs(dev)
        by_lang = [answers == lang for lang in sorted(set(answers.tolist()))]
        hits = found.argmax(axis=1) == answers
        self.dev.append(float(np.mean([hits[own].mean() for own in by_lang])))
        losses = -np.maximum(found[np.arange(len(answers)), answers], np.log(1e-4))
        self.dev_loss.append(float(np.mean([losses[own].mean() for own in by_lang])))
        found = fusion.log_probs(pieces)
        sure, hits = np.exp(found.max(axis=1)), found.argmax(axis=1) == truth
        for lang in set(truth.tolist()):
            self.cells[test, LANGUAGES[lang]] = float(hits[truth == lang].mean())
        self.sure += sure.tolist()
        self.right += hits.tolist()
        self.kept += (sure[hits] >= fusion.threshold).tolist()
        self.refused += (np.exp(fusion.log_probs(strange).max(axis=1)) < fusion.threshold).tolist()
        self.weights.append([round(float(weight), 3) for weight in fusion.weights])

    def figures(self) -> dict[str, Any]:
        rng, names = np.random.default_rng(0), sorted({corpus for corpus, _ in self.cells})
        drawn = [balanced(self.cells, rng.choice(names, len(names))) for _ in range(RESAMPLES)]
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        sure, right = np.array(self.sure), np.array(self.right)
        where = np.minimum((sure * BINS).astype(int), BINS - 1)
        gaps = [
            (where == n).mean() * abs(sure[where == n].mean() - right[where == n].mean()) for n in set(where)
        ]
        shares = {
            "dev": np.mean(self.dev),
            "balanced": balanced(self.cells, names),
            "low": low,
            "high": high,
            "calibration_error": sum(gaps),
            "kept": np.mean(self.kept),
            "refused": np.mean(self.refused),
        }
        made = {name: round(100 * float(value), 1) for name, value in shares.items()}
        return made | {
            "dev_loss": round(float(np.mean(self.dev_loss)), 3),
            "pieces": len(right),
            "weights": self.weights,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipes", type=Path, help="folder with LANG/exp/main of each language")
    parser.add_argument("--clips", type=int, default=10, help="pieces of each language and corpus")
    parser.add_argument("--test", type=int, default=5, help="of them that are told")
    parser.add_argument("--out", type=Path, help="JSON of all figures")
    args = parser.parse_args()
    found = heard(args.recipes, speech(args.clips), args.test)
    classifiers: dict[frozenset[str], Any] = {}
    figures = {str(dur_s): told(found, dur_s, classifiers) for dur_s in DURATIONS_S}
    for dur_s, mixes in figures.items():
        for mix, row in mixes.items():
            print(dur_s, mix, json.dumps(row))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
