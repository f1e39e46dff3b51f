"""Models of symbols and of words, asked by tokens; figures worked out by hand."""

import math

import pytest

from tests.lm.tables import Bigrams
from xlt.lm.mixture import Mixture, Part
from xlt.lm.spelled import TAKEN, Spelled, Without, asked_by, frequencies, spelling
from xlt.lm.words import Words
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer

LETTERS = Bigrams(
    {
        "<s>": {"a": 0.5, "b": 0.3, " ": 0.1, "</s>": 0.1},
        "a": {"a": 0.1, "b": 0.4, " ": 0.3, "</s>": 0.2},
        "b": {"a": 0.6, "b": 0.1, " ": 0.1, "</s>": 0.2},
        " ": {"a": 0.7, "b": 0.3},
        "<unk>": {"a": 1.0},
    }
)


def mixture_of(model, symbols):
    return Mixture([Part("texts", model)], [1.0], symbols)


@pytest.fixture
def tokenizer(tmp_path):
    def make(kind="char", texts=("ab ba",), **more):
        train_tokenizer(list(texts), kind, more.pop("size", 0), tmp_path, "text", **more)
        return Tokenizer(tmp_path)

    return make


@pytest.fixture
def pieces(tokenizer, tmp_path):
    """A bpe tokenizer with these pieces."""

    def make(*pieces):
        found = tokenizer("char")
        found.type = "bpe"
        found.tokens = ["<blank>", "<unk>", *pieces, "<sos/eos>"]
        found.ids = {token: i for i, token in enumerate(found.tokens)}
        return found

    return make


def score(model, tokenizer, tokens):
    """p of each token, and of the end."""
    found, state = [], model.start()
    for token in tokens:
        logp, state = model.score(state, tokenizer.ids[token])
        found.append(math.exp(logp))
    return [*found, math.exp(model.end(state))]


def test_characters_are_asked_one_by_one(tokenizer):
    found = tokenizer()
    model = Spelled(mixture_of(LETTERS, [" ", "a", "b"]), found, "char")
    assert score(model, found, ["a", "b", "<space>", "b"]) == pytest.approx([0.5, 0.4, 0.1, 0.3, 0.2])


def test_pieces_cost_what_their_characters_do_and_the_first_space_nothing(pieces):
    found = pieces("▁a", "b", "▁", "▁ba")
    model = Spelled(mixture_of(LETTERS, [" ", "a", "b"]), found, "char")
    # "ab ba": the text has no space before its first word
    expected = [0.5, 0.4, 0.1 * 0.3 * 0.6, 0.2]
    assert score(model, found, ["▁a", "b", "▁ba"]) == pytest.approx(expected)
    assert score(model, found, ["▁", "b"]) == pytest.approx([1.0, 0.3, 0.2])


def test_both_ways_to_cut_a_text_cost_the_same(pieces):
    found = pieces("▁a", "a", "b", "▁", "▁ba")
    model = Spelled(mixture_of(LETTERS, [" ", "a", "b"]), found, "char")
    one, other = (score(model, found, way) for way in (["▁a", "b", "▁ba"], ["▁", "a", "b", "▁", "b", "a"]))
    assert math.prod(one) == pytest.approx(math.prod(other))


def test_the_token_of_a_language_costs_nothing(tokenizer):
    found = tokenizer(languages=["ron_Latn"])
    model = Spelled(mixture_of(LETTERS, [" ", "a", "b"]), found, "char")
    assert score(model, found, ["<ron_Latn>", "a", "b"]) == pytest.approx([1.0, 0.5, 0.4, 0.2])


def test_phones_of_several_letters_are_one_symbol_each(tokenizer):
    phones = Bigrams(
        {
            "<s>": {"tʃ": 0.25, "a": 0.75},
            "tʃ": {"a": 0.5, "</s>": 0.5},
            "a": {"tʃ": 0.125, "</s>": 0.875},
            "<unk>": {"a": 1},
        }
    )
    found = tokenizer("phone", ["tʃ a tʃ"])
    model = Spelled(mixture_of(phones, ["tʃ", "a"]), found, "token")
    assert score(model, found, ["tʃ", "a", "tʃ"]) == pytest.approx([0.25, 0.5, 0.125, 0.5])
    assert spelling(found, "token")[found.ids["tʃ"]] == ["tʃ"]


def test_a_model_with_numbers_of_its_own_is_asked_by_its_symbols(tokenizer):
    found = tokenizer()
    model = Spelled(asked_by(LETTERS, ["<unk>", " ", "a", "b"]), found, "char")
    assert score(model, found, ["b", "a"]) == pytest.approx([0.3, 0.6, 0.2])


def test_the_frequencies_of_the_texts_are_taken_off(tokenizer):
    """Of "aaab", p(a) = 3/4 and p(b) = 1/4; the mean log p, by frequency, stays what it was."""
    found = tokenizer(texts=["aaab"])
    logs = frequencies(["aaab"], found)
    assert logs == pytest.approx({"a": math.log(0.75), "b": math.log(0.25)})
    plain = Spelled(mixture_of(LETTERS, ["a", "b"]), found, "char")
    mean = 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    expected = [0.5 / (0.75 / math.exp(mean)) ** TAKEN, 0.4 / (0.25 / math.exp(mean)) ** TAKEN, 0.2]
    assert score(Without(plain, logs, found), found, ["a", "b"]) == pytest.approx(expected)


def test_a_token_that_no_text_has_keeps_its_score(tokenizer):
    found = tokenizer(texts=["ab"])
    plain = Spelled(mixture_of(LETTERS, ["a", "b"]), found, "char")
    without = Without(plain, {"a": 0.0}, found)  # all letters are a, so a loses nothing, either
    assert score(without, found, ["a", "b"]) == pytest.approx(score(plain, found, ["a", "b"]))


SPELLED = Bigrams(
    {
        "<s>": {"a": 0.5, "b": 0.5},
        "a": {"b": 0.6, "</s>": 0.4},
        "b": {"a": 0.2, "b": 0.2, "</s>": 0.6},
        "<unk>": {"a": 1.0},
    }
)
WORDS = Bigrams(
    {
        "<s>": {"ab": 0.5, "b": 0.3, "<unk>": 0.2},
        "ab": {"b": 0.4, "</s>": 0.5, "<unk>": 0.1},
        "b": {"ab": 0.2, "</s>": 0.7, "<unk>": 0.1},
        "<unk>": {"ab": 0.5, "</s>": 0.5},
    }
)


def words_of(found):
    spelled = Mixture([Part("words", SPELLED, restart=True)], [1.0], [" ", "a", "b"], end_share=0.2)
    return Words(WORDS, spelled, found)


def test_words_cost_what_the_model_of_words_says(tokenizer):
    """How far a word is spelled plays no part once it is whole: looking ahead cancels."""
    found = tokenizer()
    ps = score(words_of(found), found, ["a", "b", "<space>", "b"])
    assert ps[:2] == pytest.approx([0.5, 0.6])  # inside a word, what its letters cost
    assert math.prod(ps[:3]) == pytest.approx(0.5)  # then the word's own probability takes their place
    assert math.prod(ps) == pytest.approx(0.5 * 0.4 * 0.7)


def test_an_unknown_word_costs_its_spelling_too(tokenizer):
    found = tokenizer()
    total = math.prod(score(words_of(found), found, ["b", "b", "<space>", "a", "b"]))
    assert total == pytest.approx((0.2 * 0.5 * 0.2 * 0.6) * 0.5 * 0.5)


def test_no_words_are_only_an_end(tokenizer):
    found = tokenizer()
    model = words_of(found)
    assert model.end(model.start()) == -math.inf  # WORDS gives no empty text
    doubled = score(model, found, ["<space>", "a", "b", "<space>", "<space>", "b"])
    assert math.prod(doubled) == pytest.approx(0.5 * 0.4 * 0.7)  # spaces in a row are one


def test_words_of_pieces_are_those_of_their_letters(pieces):
    found = pieces("▁a", "b", "▁b")
    total = math.prod(score(words_of(found), found, ["▁a", "b", "▁b"]))
    assert total == pytest.approx(0.5 * 0.4 * 0.7)
