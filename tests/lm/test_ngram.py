"""N-gram models in memory and as .npz."""

import math
import pickle

import numpy as np
import pytest

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.lm.estimate import estimate
from xlt.lm.ngram import Level, NGram

TEXTS = ["ana are mere", "ana e mare", "are ana mere", "pe mare"]


@pytest.fixture
def model():
    return estimate(TEXTS, 5)


def test_unknown_symbols_are_unk(model):
    assert model.symbols[:3] == ("<s>", "</s>", "<unk>")
    assert model.id("ß") == 2 == model.id("<unk>")
    assert model.symbols[model.id("r")] == "r"


def test_contexts_with_one_future_are_one_state():
    """At order 2 nothing depends on more than one symbol."""
    model = estimate(["ba", "ca", "adab"], 2)
    states = []
    for text in ("ba", "ca", "a", "ab", "axb", "ax", "x"):
        state = model.empty()
        for symbol in text:
            _, state = model.step(state, model.id(symbol))
        states.append(state)
    assert states[0] == states[1] == states[2] != states[3] == states[4]
    assert states[5] == states[6] == model.empty()  # nothing is known to follow <unk>


def test_no_sentence_has_no_perplexity(model):
    assert math.isnan(model.perplexity([]))


def test_memory_of_answers_is_bounded(model, monkeypatch):
    monkeypatch.setattr("xlt.lm.ngram._MEMO", 3)
    first = [model.logp(text) for text in TEXTS]
    assert [model.logp(text) for text in TEXTS] == first
    assert len(model._memo) <= 3


def equal(one: NGram, other: NGram) -> bool:
    return (
        one.symbols == other.symbols
        and one.counts == other.counts
        and one.fallback_orders == other.fallback_orders
        and all(
            np.array_equal(a, b)
            for level, again in zip(one.levels(), other.levels(), strict=True)
            for a, b in zip(level[:4], again[:4], strict=True)
        )
        and all(one.logp(text) == other.logp(text) for text in [*TEXTS, "pere", "ß", ""])
    )


@pytest.mark.parametrize("texts", [TEXTS, ["a"], ["a\u00a0b", "\u2028 "]])
def test_saved_models_come_back(texts, tmp_path):
    model = estimate(texts, 6)
    model.save(tmp_path / "a.npz")
    model.save(tmp_path / "b.npz")
    assert equal(NGram.load(tmp_path / "a.npz"), model)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_models_go_to_other_processes(model):
    assert equal(pickle.loads(pickle.dumps(model)), model)


def test_a_missing_file(tmp_path):
    with raises(DataError, where="lm.npz"):
        NGram.load(tmp_path / "lm.npz")


@pytest.mark.parametrize("part", [0, 0.01, 0.5, 0.99])
def test_a_cut_file(model, tmp_path, part):
    path = tmp_path / "lm.npz"
    model.save(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(part * len(raw))])
    with raises(DataError, "damaged", where="lm.npz"):
        NGram.load(path)


def test_any_damaged_byte_is_seen_or_harmless(model, tmp_path):
    path = tmp_path / "lm.npz"
    model.save(path)
    raw = path.read_bytes()
    seen = 0
    for at in range(0, len(raw), 11):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x5A]) + raw[at + 1 :])
        try:
            assert equal(NGram.load(path), model)
        except DataError:
            seen += 1
    assert seen > 50


@pytest.mark.parametrize(
    "change",
    [
        {"format": [7]},
        {"counts": [1, 2]},
        {"counts": []},
        {"symbol": "drop"},
        {"symbol": "reverse"},
        {"logp": "nan"},
        {"children": "drop"},
        {"symbols": np.frombuffer(b"a\nb\nc", np.uint8)},
        {"symbols": np.array([0xFF], np.uint8)},
        {"backoff": None},
    ],
)
def test_arrays_that_do_not_fit(model, tmp_path, change):
    path = tmp_path / "lm.npz"
    model.save(path)
    arrays = dict(np.load(path))
    for name, new in change.items():
        old = arrays.pop(name)
        if isinstance(new, str):
            new = {"drop": old[:-1], "reverse": old[::-1], "nan": old * np.nan}[new]
        if new is not None:
            arrays[name] = np.asarray(new)
    np.savez(path, **arrays)
    with raises(DataError, where="lm.npz"):
        NGram.load(path)


def test_missing_suffixes_are_passed_over():
    """ "b c" is not there: behind "a b c" the state is that of "c" (by hand)."""
    zero = np.zeros
    ones = Level(zero(6, int), np.arange(6), -np.arange(1.0, 7), np.array([0, 0, 0, -0.1, -0.2, -0.3]))
    twos = Level(np.array([3, 5]), np.array([4, 3]), np.array([-0.5, -0.6]), np.array([-0.25, 0]))
    threes = Level(np.array([0]), np.array([5]), np.array([-0.125]), zero(1))
    model = NGram(["<s>", "</s>", "<unk>", "a", "b", "c"], [ones, twos, threes])
    state, total = model.empty(), 0.0
    for symbol, expected in [("a", -4), ("b", -0.5), ("c", -0.125), ("a", -0.6), ("c", -0.1 - 6)]:
        logp, state = model.step(state, model.id(symbol))
        assert logp == pytest.approx(expected)
        total += logp
    assert model.logp("abcac") == pytest.approx(total - 0.3 - 2)  # <s> has no weight of its own
