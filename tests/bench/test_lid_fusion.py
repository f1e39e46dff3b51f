"""What the bench of fused language identification computes, on numbers in place of speech."""

import numpy as np
import pytest

from tests.bench.lid_fusion import LANGUAGES, SOURCES, Fusion, Heard, fused, sources, told
from xlt.lid.classifier import Classifier

COUNT = len(LANGUAGES)


def made(rng, right, spread):
    """(N, L): a source that gives the right column one more than the others, and noise."""
    rows = rng.normal(0, spread, (len(right), COUNT))
    rows[np.arange(len(right)), right] += 1
    return rows


def test_probabilities_are_those_of_the_weighted_sum():
    """Two languages are known: classifier 0.8 and 0.2, heads one deviation above and below their means."""
    rows = np.full((3, 1, COUNT), -np.inf)
    rows[0, 0, :2] = np.log([0.8, 0.2])
    rows[1:] = 0.0
    rows[1, 0, :2] = [3.0, 1.0]
    fusion = Fusion(np.full(COUNT, 2.0), np.ones(COUNT), np.array([1.0, 0.5, 0.0]))
    found = np.exp(fusion.log_probs(rows))[0]
    first, second = 0.8 * np.exp(0.5), 0.2 * np.exp(-0.5)
    assert found[:2] == pytest.approx([first / (first + second), second / (first + second)])
    assert found[2:].tolist() == [0.0] * (COUNT - 2)


def test_what_tells_more_weighs_more():
    rng = np.random.default_rng(0)
    right = np.repeat(np.arange(COUNT), 30)
    rows = np.stack([made(rng, right, 3.0), made(rng, right, 0.2), np.zeros((len(right), COUNT))])
    both, alone = fused(rows, right, ("classifier", "heads")), fused(rows, right, ("classifier",))
    assert both.weights[1] > 5 * both.weights[0] and alone.weights[1:].tolist() == [0.0, 0.0]
    hits = [(fusion.log_probs(rows).argmax(axis=1) == right).mean() for fusion in (both, alone)]
    assert hits[0] > 0.95 > 0.6 > hits[1] and 0 < both.threshold < 1


def test_columns_are_languages_and_strangers_have_none():
    classifier = Classifier(("cat", "spa"), np.zeros(1), np.ones(1), np.array([[1.0, 0.0]]), np.zeros(2))
    keys = [("a", "spa", 1.0), ("strangers", "ita", 1.0)]
    zeros = {key: np.zeros((2, COUNT)) for key in keys}
    heard = Heard({}, {key: np.zeros((2, 1)) for key in keys}, zeros, zeros)
    rows, labels = sources(heard, classifier, keys)
    assert rows.shape == (len(SOURCES), 4, COUNT)
    assert labels.tolist() == [LANGUAGES.index("spa")] * 2 + [-1] * 2
    assert np.exp(rows[0, 0]).tolist() == [0.5 if lang in ("cat", "spa") else 0.0 for lang in LANGUAGES]


def test_no_corpus_is_in_training_and_test(monkeypatch):
    """The classifier of each test has not heard it, and that of each development corpus neither."""
    asked = []
    languages = {"tuxpaint": "cat spa", "a": "cat spa", "b": "cat spa", "c": "cat spa"}
    corpora = {name: ("", dict.fromkeys(langs.split(), ""), "") for name, langs in languages.items()}
    monkeypatch.setattr("tests.bench.lid_fusion.CORPORA", corpora)
    monkeypatch.setattr("tests.bench.lid_fusion.STRANGERS", {"ita": ("", "")})

    def without(heard, *corpora):
        asked.append(corpora)
        return Classifier(("cat", "spa"), np.zeros(1), np.ones(1), np.array([[5.0, -5.0]]), np.zeros(2))

    monkeypatch.setattr("tests.bench.lid_fusion.classifier_without", without)
    keys = [(corpus, lang, 1.0) for corpus in languages for lang in ("cat", "spa")]
    pooled = {key: np.full((3, 1), 1.0 if key[1] == "cat" else -1.0) for key in keys}
    pooled["strangers", "ita", 1.0] = np.zeros((3, 1))
    rng = np.random.default_rng(0)
    heads, token = ({key: rng.normal(0, 1, (3, COUNT)) for key in pooled} for _ in range(2))
    found = told(Heard({}, pooled, heads, token), 1.0, {})
    assert asked == [("a", "b"), ("a", "c"), ("a",), ("b", "c"), ("b",), ("c",)]
    alone = found["classifier"]
    assert (alone["dev"], alone["balanced"], alone["pieces"]) == (100.0, 100.0, 18)
    assert alone["refused"] == 0.0  # of two languages none can be taken away, so that nothing is strange
