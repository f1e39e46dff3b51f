"""What hotwords bring, what they cost, and how far word confidences can be trusted.

    python tests/bench/hotwords.py egs/ron egs/cat egs/ell egs/bul

after stages 1 to 7 of these recipes; prints two tables and writes results/hotwords.json. About five minutes.

Hotwords of a set are the words of its references that neither the training texts nor the word list have: what
a user would put on a list because no text has it. With them stand ten times as many distractors: such words of
the other set, and words drawn from the rarer half of the language's own list that are not said in either set.
One weight is chosen, among WEIGHTS, on the dev sets of all recipes, by the word error rate with their own
hotwords and distractors.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xlt import lm
from xlt.core.config import load
from xlt.core.context import Context
from xlt.decode import fusion
from xlt.decode.confidence import Calibration, Votes, fit, measures, right_words
from xlt.decode.evidence import evidence
from xlt.decode.recognise import Hypothesis, Recogniser
from xlt.decode.remember import remembering
from xlt.features.speech import speech
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table
from xlt.lm.sources import word_list
from xlt.metrics.bootstrap import interval
from xlt.metrics.micro import word_errors
from xlt.tokens.tokenizer import SPACE, Tokenizer

WEIGHTS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
DISTRACTORS = 10  # for each hotword
LEAST_CHARS = 4  # of a distractor
SETS = ("dev", "test")
BATCH = 16
TOGETHER = 6  # clips in a row, some 12 s
RESULTS = Path(__file__).parent / "results" / "hotwords.json"


class Language:
    """A recipe's sets, with the acoustic model's probabilities computed once."""

    def __init__(self, recipe: Path):
        self.ctx = ctx = Context(recipe, load(recipe))
        self.decode = fusion.decided(ctx)
        load_lms = functools.partial(lm.load, lm.folder(ctx), ctx.cfg.lm.type)
        self.recogniser = Recogniser(ctx.exp, self.decode, load_lms)
        self.recogniser.model = remembering(self.recogniser.model)
        self.refs = {name: read_table(ctx.data / name / "text") for name in SETS}
        self.feats = {}
        for name in SETS:
            reader = FeatureReader(speech(ctx, name).scp, ctx.recipe)
            self.feats[name] = {utt: reader[utt] for utt in self.refs[name]}
        listed = word_list(ctx.cfg, Tokenizer(ctx.exp).symbols())
        self.listed = listed.words if listed else {}
        texts = read_table(ctx.data / ctx.cfg.train_set / "text").values()
        seen = {word for text in texts for word in text.split()} | self.listed.keys()
        said = {name: {w for ref in refs.values() for w in ref.split()} for name, refs in self.refs.items()}
        self.words = {name: sorted(said[name] - seen) for name in SETS}
        self.said = said["dev"] | said["test"]

    def distractors(self, name: str) -> list[str]:
        """Words that nobody says in set ``name``."""
        rng = random.Random(0)
        (other,) = set(SETS) - {name}
        count = DISTRACTORS * len(self.words[name])
        near = [word for word in self.words[other] if word not in self.words[name]]
        rare = sorted(self.listed, key=lambda word: (self.listed[word], word))[: len(self.listed) // 2]
        rare = [word for word in rare if word not in self.said and len(word) >= LEAST_CHARS]
        return (near + rng.sample(rare, min(count, len(rare))))[:count]

    def hypotheses(
        self,
        name: str,
        words: Sequence[str] = (),
        weight: float = 0.0,
    ) -> dict[str, Hypothesis]:
        """Set ``name`` with these hotwords."""
        feats, found = self.feats[name], {}
        utts = sorted(feats, key=lambda utt: (len(feats[utt]), utt))
        hot = {word: weight for word in words if set(word) <= self.recogniser.tokenizer.symbols()}
        for start in range(0, len(utts), BATCH):
            batch = utts[start : start + BATCH]
            answers = self.recogniser([feats[utt] for utt in batch], hotwords=hot)
            found |= dict(zip(batch, answers, strict=True))
        return {utt: found[utt] for utt in feats}

    def errors(self, name: str, found: dict[str, Hypothesis]) -> np.ndarray:
        """Of each utterance: errors on hotwords, hotwords, errors on other words, other words; (N, 4)."""
        hot, rows = set(self.words[name]), []
        for utt, ref in self.refs[name].items():
            row = [0, 0, 0, 0]
            for word, counts in zip(
                ref.split(), word_errors(ref.split(), found[utt].text.split()), strict=True
            ):
                row[0 if word in hot else 2] += counts.errors
                row[1 if word in hot else 3] += 1
            rows.append(row)
        return np.array(rows)


def rates(errors: np.ndarray) -> dict[str, float]:
    """Error rates in percent of (N, 4), and numbers of words."""
    hot, hots, rest, rests = (int(n) for n in errors.sum(axis=0))
    percent = {"hotwords": (hot, hots), "others": (rest, rests), "all": (hot + rest, hots + rests)}
    return {name: round(100 * wrong / max(1, words), 1) for name, (wrong, words) in percent.items()}


def change(before: np.ndarray, after: np.ndarray, columns: Sequence[int]) -> list[float]:
    """The 95% interval of the difference of the error rates in percent, of paired (N, 4)."""
    wrong, words = columns[::2], columns[1::2]
    table = np.stack(
        [before[:, wrong].sum(1), after[:, wrong].sum(1), before[:, words].sum(1)], axis=1
    )  # (N, 3)
    low, high = interval(
        table, lambda s: 100 * (s[:, 1] - s[:, 0]) / np.maximum(1, s[:, 2]), 1000, np.random.default_rng(0)
    )
    return [round(low, 1), round(high, 1)]


CASES = ("none", "hotwords", "hotwords and distractors", "distractors only")


def on_dev(lang: Language) -> dict[float, np.ndarray]:
    """The errors on dev with its hotwords and distractors, by weight; 0 is without."""
    words = [*lang.words["dev"], *lang.distractors("dev")]
    return {
        weight: lang.errors("dev", lang.hypotheses("dev", words if weight else (), weight))
        for weight in (0.0, *WEIGHTS)
    }


def on_test(lang: Language, weight: float) -> tuple[dict, dict[str, np.ndarray]]:
    """The figures of a language, and the errors of each case on test."""
    own, others = lang.words["test"], lang.distractors("test")
    words = dict(zip(CASES, ((), own, (*own, *others), others), strict=True))
    errors = {case: lang.errors("test", lang.hypotheses("test", words[case], weight)) for case in CASES}
    before = errors["none"]
    found = {
        "hotwords": int(before[:, 1].sum()),
        "different": len(own),
        "distractors": len(others),
        "other_words": int(before[:, 3].sum()),
        "test": {case: rates(errors[case]) for case in CASES},
        "test_by_weight": {
            one: rates(lang.errors("test", lang.hypotheses("test", words[CASES[2]], one))) for one in WEIGHTS
        },
        "change": {case: changes(before, errors[case]) for case in CASES[1:]},
    }
    return found, errors


def changes(before: np.ndarray, after: np.ndarray) -> dict[str, list[float]]:
    columns = {"hotwords": [0, 1], "others": [2, 3], "all": [0, 1, 2, 3]}
    return {name: change(before, after, places) for name, places in columns.items()}


def trust(lang: Language) -> dict:
    """ECE and NCE of test before and after the calibration on dev, which stage 7 does alike."""
    by = fit(*ballots(lang, "dev", 1))
    return {
        "dev_words": by.words,
        "before": trusted(lang, Calibration(), 1),
        "after": trusted(lang, by, 1),
        "in_a_row": trusted(lang, by, TOGETHER),
    }


def trusted(lang: Language, by: Calibration, together: int) -> dict:
    votes, right = ballots(lang, "test", together)
    return measures([float(sure) for one in votes for sure in by(one)], right)


def ballots(lang: Language, name: str, together: int) -> tuple[list[Votes], list[bool]]:
    """The votes on the words of a set, and which of these are right; ``together`` clips in a row are decoded
    as one, as of a long recording.
    """
    import torch

    recogniser, utts = lang.recogniser, list(lang.refs[name])
    decoder, tokenizer = recogniser.decoder(lang.decode), recogniser.tokenizer
    space = torch.full((1, len(tokenizer.tokens)), -12.0)
    space[0, tokenizer.ids[SPACE]] = -1e-4
    votes: list[Votes] = []
    right: list[bool] = []
    for start in range(0, len(utts), together):
        batch, rows = utts[start : start + together], []
        for utt in batch:
            probs, (length,) = recogniser.model.log_probs([lang.feats[name][utt]])
            rows += [probs[0, :length], space]
        log_probs = torch.cat(rows[:-1])  # (T, V)
        found = decoder.search(log_probs.numpy())
        votes += evidence(found, log_probs, tokenizer, decoder, recogniser.frame_rate)
        right += right_words(" ".join(lang.refs[name][utt] for utt in batch), found.text(tokenizer))
    return votes, right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="+", type=Path)
    recipes = parser.parse_args().recipes
    languages = {recipe.resolve().name: Language(recipe) for recipe in recipes}
    dev = {name: on_dev(lang) for name, lang in languages.items()}
    all_dev = {weight: np.concatenate([one[weight] for one in dev.values()]) for weight in (0.0, *WEIGHTS)}
    chosen = min(WEIGHTS, key=lambda weight: (rates(all_dev[weight])["all"], weight))
    found: dict[str, dict] = {}
    pooled: dict[str, list[np.ndarray]] = {case: [] for case in CASES}
    for name, lang in languages.items():
        figures, errors = on_test(lang, chosen)
        figures["dev"] = {weight: rates(rows) for weight, rows in dev[name].items()}
        found[name] = {"bias": figures, "confidence": trust(lang)}
        for case in CASES:
            pooled[case].append(errors[case])
    together = {case: np.concatenate(parts) for case, parts in pooled.items()}
    document = {
        "weight": chosen,
        "languages": found,
        "together": {
            "dev": {weight: rates(rows) for weight, rows in all_dev.items()},
            "hotwords": int(together["none"][:, 1].sum()),
            "other_words": int(together["none"][:, 3].sum()),
            "test": {case: rates(together[case]) for case in CASES},
            "change": {case: changes(together["none"], together[case]) for case in CASES[1:]},
        },
    }
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(tables(document))


def tables(document: dict) -> str:
    """The two tables, in Markdown."""
    lines = [
        "| language | hotwords said | on them: none | alone | with distractors | on other words: none |"
        " alone | with distractors | distractors only |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows = [(name, one["bias"]) for name, one in document["languages"].items()]
    for name, one in [*rows, ("together", document["together"])]:
        hot = [f"{one['test'][case]['hotwords']:.1f}" for case in CASES[:3]]
        rest = [f"{one['test'][case]['others']:.1f}" for case in CASES]
        lines.append(f"| {' | '.join([name, str(one['hotwords']), *hot, *rest])} |")
    lines += [
        "",
        "| language | words | right | ECE before | after | in a row | NCE before | after | in a row |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in document["languages"].items():
        cases = [one["confidence"][case] for case in ("before", "after", "in_a_row")]
        before = cases[0]
        share = f"{100 * before['right']:.0f}%"
        figures = [f"{row[key]:.2f}" for key in ("ece", "nce") for row in cases]
        lines.append(f"| {' | '.join([name, str(before['words']), share, *figures])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
