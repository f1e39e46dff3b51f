"""KenLM binaries and users' files."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tests.errors import raises
from tests.lm.test_estimate import ASKED, LETTERS, POEM, TEXT, WORDS, steps
from xlt.core.errors import DataError
from xlt.lm.arpa import write_arpa
from xlt.lm.estimate import estimate
from xlt.lm.kenlm import KenLM, open_lm, unit_of
from xlt.lm.ngram import NGram

FIXTURES = Path(__file__).parent.parent / "fixtures" / "lm"


@pytest.mark.parametrize(
    ("name", "split", "expected", "perplexity"),
    [
        ("words.binary", str.split, WORDS, 10.169580518574014),
        ("letters.binary", list, LETTERS, 2.6910214595427324),
    ],
)
def test_binaries_answer_as_kenlms_query(name, split, expected, perplexity):
    model = open_lm(FIXTURES / name)
    assert isinstance(model, KenLM)
    for text, logps in zip(ASKED, expected, strict=True):
        assert steps(model, split(text)) == pytest.approx(logps, abs=1e-6)
    assert model.perplexity(map(split, ASKED)) == pytest.approx(perplexity, rel=1e-6)
    assert model.order == max(3, 6 * (split is list))


def test_states_are_values():
    """They are keys of a search, equal where they hold the same context."""
    binary, ours = open_lm(FIXTURES / "letters.binary"), estimate(TEXT, 6)
    for model in (binary, ours):
        states = []
        for text in ("xthe", "zthe", "thee", ""):
            state = model.empty()
            for symbol in text:
                _, state = model.step(state, model.id(symbol))
            states.append(state)
        assert states[0] == states[1] != states[2] and len(set(states)) == 3
        assert states[3] == model.empty() != model.start()


def test_unknown_symbols_of_a_binary_are_unk():
    model = open_lm(FIXTURES / "words.binary")
    assert model.id("dog") == model.id("<unk>") == 2
    assert model.id("roof") == model.id("roof") > 2
    assert model.knows("roof") and not model.knows("dog")


def test_memory_of_answers_is_bounded(monkeypatch):
    monkeypatch.setattr("xlt.lm.kenlm._MEMO", 3)
    model = open_lm(FIXTURES / "letters.binary")
    assert [steps(model, text) for text in ASKED] == [pytest.approx(logps, abs=1e-6) for logps in LETTERS]
    assert len(model._memo) <= 3


@pytest.mark.parametrize("space", ["<space>", "▁", "|"])
@pytest.mark.parametrize("name", ["lm.arpa", "lm.gz", "lm"])
def test_spaces_are_spelled_in_several_ways(space, name, tmp_path):
    model = estimate(TEXT, 4)
    write_arpa(NGram([space if s == " " else s for s in model.symbols], model.levels()), tmp_path / "plain")
    raw = (tmp_path / "plain").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name == "lm.gz" else raw)
    read = open_lm(tmp_path / name)
    assert unit_of(read, TEXT) == "char"
    assert [read.logp(text) for text in ASKED] == pytest.approx([model.logp(text) for text in ASKED])


def test_units():
    assert unit_of(open_lm(FIXTURES / "letters.binary"), POEM) == "char"
    assert unit_of(open_lm(FIXTURES / "words.binary"), POEM) == "word"
    assert (
        unit_of(
            estimate([text.split() for text in TEXT] + [[char] for char in "abcdefghijklmnoprstuvw"], 2), POEM
        )
        == "word"
    )
    assert unit_of(estimate(["我们吃饭"], 2), ["我们吃"]) == "char"
    assert unit_of(estimate(["ab"], 2), ["a"]) == "char"


@pytest.mark.parametrize(
    ("texts", "sample"),
    [
        (["ana are mere"], "покажи дом"),
        ([text.upper().split() for text in TEXT], "the roof"),
        ([text.replace(" ", "") for text in TEXT], "the roof"),  # no space
        ([["▁the", "▁ra", "in"]], "the roof"),
        (TEXT, ""),
    ],
)
def test_models_that_do_not_fit_the_texts(texts, sample):
    with raises(DataError, where="lm.model"):
        unit_of(estimate(texts, 2), [sample])


def binary(at: int, byte: int) -> bytes:
    raw = bytearray((FIXTURES / "letters.binary").read_bytes())
    raw[at] = byte
    return bytes(raw)


@pytest.mark.parametrize(
    ("raw", "where", "fact"),
    [
        ((FIXTURES / "letters.binary").read_bytes()[:-300], "lm.bin", "damaged"),
        ((FIXTURES / "letters.binary").read_bytes()[:90], "lm.bin", "damaged"),
        (binary(88, 7), "lm.bin", 6),  # of order 7
        (binary(56, 0x55), "lm.bin", "build_binary"),  # one of the numbers that tell processors apart
        (b"PK\x03\x04 a zip file", "lm.bin:1", "\\data\\"),
        (b"", "lm.bin:0", "\\end\\"),
    ],
)
def test_files_that_are_no_model(raw, where, fact, tmp_path):
    (tmp_path / "lm.bin").write_bytes(raw)
    with raises(DataError, fact, where=where):
        open_lm(tmp_path / "lm.bin")


def test_a_missing_file(tmp_path):
    for path in (tmp_path / "lm.bin", tmp_path):
        with raises(DataError, where=path.name):
            open_lm(path)


def test_all_probabilities_of_a_binary_sum_to_one():
    model = open_lm(FIXTURES / "letters.binary")
    symbols = [1, 2, *(model.id(char) for char in sorted(set("".join(TEXT))))]
    for text in ("", "the", "the o", "q"):
        state = model.start()
        for char in text:
            _, state = model.step(state, model.id(char))
        assert sum(np.exp(model.step(state, symbol)[0]) for symbol in symbols) == pytest.approx(1, abs=1e-5)
