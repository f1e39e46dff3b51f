import random
import re

import pytest

from tests.errors import raises
from xlt.core.errors import ConfigError, DataError
from xlt.lm.hotwords import LONGEST_CHARS, MOST_WORDS, Hotwords, read_hotwords, spell_by, spelled_hotwords
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer


def tokenizer_of(folder, texts, kind="char", size=0, languages=()):
    train_tokenizer(texts, kind, size, folder, "text", languages)
    return Tokenizer(folder)


@pytest.fixture
def latin(tmp_path):
    return tokenizer_of(tmp_path, ["abcdefghijklmnopqrstuvwxyz ăâîșț'-"])


def steps(model, tokenizer, text):
    """What each token of a text earns, and at last its end."""
    state, found = model.start(), []
    for token in tokenizer.encode(text):
        score, state = model.score(state, token)
        found.append(score)
    return [*found, model.end(state)]


def total(model, tokenizer, text):
    return sum(steps(model, tokenizer, text))


@pytest.mark.parametrize(
    "text, scores",
    [
        ("ana", [2, 2, 2, 0]),
        ("an", [2, 2, -4]),  # the end breaks what is no word
        ("ana e", [2, 2, 2, 0, 0, 0]),
        ("anna", [2, 2, -4, 0, 0]),
        ("anaș", [2, 2, 2, -6, 0]),  # a longer word is another word
        ("dana", [0, 0, 0, 0, 0]),  # and so is one that begins earlier
        ("e ana", [0, 0, 2, 2, 2, 0]),
    ],
)
def test_each_character_of_a_word_earns_its_weight_until_the_match_breaks(latin, text, scores):
    assert steps(Hotwords({"ana": 1.0}, latin, 2.0), latin, text) == scores


def test_a_phrase_that_breaks_leaves_the_words_in_it_their_weight(latin):
    model = Hotwords({"new york": 1.0, "new": 1.0, "york hall": 1.0}, latin, 1.0)
    assert steps(model, latin, "new york") == [1] * 8 + [0]
    # "new york ha" is open at first as "new york", then nothing more is: "york hall" would overlap
    assert total(model, latin, "new york hall") == 8
    # "new yo" breaks at the x: the space and "yo" are given back, "new" is kept
    assert steps(model, latin, "new yox") == [1, 1, 1, 1, 1, 1, -3, 0]
    assert total(model, latin, "old york hall") == 9


def test_what_follows_a_broken_phrase_is_read_again(latin):
    model = Hotwords({"a b c d": 1.0, "a": 1.0, "b c x": 1.0}, latin, 1.0)
    assert total(model, latin, "a b c x") == 1 + 5
    assert total(model, latin, "a b c") == 1


def test_factors_multiply_the_weight_and_an_open_match_hopes_for_the_best_word(latin):
    model = Hotwords({"ana": 1.0, "anamaria": 3.0}, latin, 2.0)
    assert steps(model, latin, "ana") == [6, 6, 6, -12]
    assert total(model, latin, "anamaria") == 8 * 6


@pytest.mark.parametrize(
    "text, expected", [("我在北京大学", 4), ("北京", 2), ("北大", 0), ("a北京b", 2), ("北 京", 0)]
)
def test_scripts_without_spaces_match_anywhere(tmp_path, text, expected):
    tokenizer = tokenizer_of(tmp_path, ["我在北京大学ab "])
    assert total(Hotwords({"北京": 1.0, "北京大学": 1.0}, tokenizer, 1.0), tokenizer, text) == expected


def test_a_thai_word_does_not_end_before_a_mark_of_its_last_letter(tmp_path):
    tokenizer = tokenizer_of(tmp_path, ["กดมิ"])
    model = Hotwords({"กม": 1.0}, tokenizer, 1.0)
    assert total(model, tokenizer, "ดกมด") == 2
    assert total(model, tokenizer, "ดกมิด") == 0


def test_pieces_of_subwords_are_matched_by_their_characters(tmp_path):
    texts = ["ana are mere", "ana nu are pere", "mere are ana"] * 3
    tokenizer = tokenizer_of(tmp_path, texts, "bpe", 16)
    assert len(tokenizer.encode("ana are mere")) < len("ana are mere")
    model = Hotwords({"are mere": 1.0}, tokenizer, 1.0)
    assert total(model, tokenizer, "ana are mere") == 8
    assert total(model, tokenizer, "are mere are") == 8
    assert total(model, tokenizer, "ana are pere") == 0


def test_phones_are_matched_one_by_one(tmp_path):
    tokenizer = tokenizer_of(tmp_path, ["a t͡s b aː"], "phone")
    model = Hotwords(spelled_hotwords(["t͡s  aː"], spell_by("ron-v1"), tokenizer), tokenizer, 1.5)
    assert steps(model, tokenizer, "b t͡s aː b") == [0, 1.5, 1.5, 0, 0]
    with raises(DataError, "t͡s", "x", where="words"):
        spelled_hotwords(["t͡s x"], spell_by("ron-v1"), tokenizer)


def test_tokens_that_write_nothing_earn_nothing_and_unknown_ones_break(tmp_path):
    tokenizer = tokenizer_of(tmp_path, ["ana"], languages=["ron_Latn"])
    model = Hotwords({"ana": 1.0}, tokenizer, 1.0)
    (tag,) = tokenizer.tags
    assert model.score(model.start(), tag) == (0.0, model.start())
    state = model.score(model.start(), tokenizer.ids["a"])[1]
    assert model.score(state, tokenizer.ids["<unk>"])[0] == -1


def test_the_total_is_that_of_a_regular_expression(latin):
    """Leftmost, longest, not overlapping: what alternatives sorted by length find."""
    rng = random.Random(0)

    def draw(longest):
        words = ("".join(rng.choices("ab", k=rng.randint(1, 3))) for _ in range(rng.randint(1, longest)))
        return " ".join(words)

    for _ in range(300):
        words = {draw(3): 1.0 for _ in range(rng.randint(1, 6))}
        listed = "|".join(sorted(words, key=len, reverse=True))
        pattern = re.compile(rf"(?<!\S)(?:{listed})(?!\S)")
        model = Hotwords(words, latin, 1.0)
        for text in (draw(8) for _ in range(10)):
            assert total(model, latin, text) == sum(len(hit[0]) for hit in pattern.finditer(text))


def write(tmp_path, data):
    path = tmp_path / "names.txt"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_a_list_is_normalised_as_the_texts_are(latin, tmp_path):
    path = write(tmp_path, "\ufeffTimişoara\r\n\r\nNew  York!\t2.5\r\ntimișoara\n")
    assert read_hotwords(path, spell_by("ron-v1"), latin) == {"timișoara": 1.0, "new york": 2.5}
    both = tokenizer_of(tmp_path, ["şșabcdefghijklmnopqrstuvwxyz "])
    found = read_hotwords(path, spell_by("generic-v1+ron-v1"), both)
    assert found == {"timişoara": 1.0, "timișoara": 1.0, "new york": 2.5}


@pytest.mark.parametrize(
    "data, where, facts",
    [
        ("ana\nZürich 5\n", "names.txt:2", ["ü", "5"]),
        ("ana\n…\n", "names.txt:2", ["'…'"]),
        ("ana\tmult\n", "names.txt:1", ["'mult'"]),
        ("ana\t-1\n", "names.txt:1", ["-1"]),
        ("ana\t1e999\n", "names.txt:1", ["inf"]),
        ("ana\nAna\t2\n", "names.txt:2", ["1", "names.txt:1"]),
        (b"ana\nbogd\xe3nescu\n", "names.txt:2", ["UTF-8"]),
        ("\ufeff\n \n", "names.txt", ["empty"]),
        ("a" * (LONGEST_CHARS + 1), "names.txt:1", [LONGEST_CHARS, "lm.text"]),
    ],
)
def test_a_bad_list_names_file_and_line(latin, tmp_path, data, where, facts):
    with raises(DataError, *facts, where=where):
        read_hotwords(write(tmp_path, data), spell_by("ron-v1"), latin)


def test_a_list_that_is_missing_or_a_vocabulary_is_refused(latin, tmp_path):
    with raises(ConfigError, "none.txt", where="decode.hotwords"):
        read_hotwords(tmp_path / "none.txt", spell_by("ron-v1"), latin)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [a + b + c for a in letters for b in letters for c in letters][: MOST_WORDS + 1]
    with raises(DataError, MOST_WORDS + 1, MOST_WORDS, "lm.words", where="names.txt"):
        read_hotwords(write(tmp_path, "\n".join(words)), spell_by("ron-v1"), latin)


def test_words_of_a_program(latin):
    assert spelled_hotwords(["Cluj", "Ana"], spell_by("ron-v1"), latin) == {"cluj": 1.0, "ana": 1.0}
    assert spelled_hotwords({"Cluj": 2.0}, spell_by("ron-v1"), latin) == {"cluj": 2.0}
    with raises(DataError, "ü", where="words"):
        spelled_hotwords(["Zürich"], spell_by("ron-v1"), latin)
