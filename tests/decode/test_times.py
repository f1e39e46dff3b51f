import pytest
import torch

from xlt.decode.times import Timed, token_spans, word_times
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer


def tokenizer_of(folder, texts, kind="char", size=0, languages=()):
    train_tokenizer(texts, kind, size, folder, "text", languages)
    return Tokenizer(folder)


def said(path, count):
    """Log probabilities (T, V) of which each frame is nearly sure of the token that ``path`` has there."""
    probs = torch.full((len(path), count), 0.01)
    probs[torch.arange(len(path)), torch.tensor(path)] = 1.0
    return (probs / probs.sum(dim=1, keepdim=True)).log()


def test_spans_of_labels_that_repeat():
    #                   0  1  2  3  4  5  6  7
    assert token_spans(said([0, 3, 3, 0, 3, 4, 4, 0], 6), [3, 3, 4]) == [(1, 3), (4, 5), (5, 7)]
    assert token_spans(said([0, 0], 6), []) == []


def test_labels_that_do_not_fit_are_spread():
    assert token_spans(said([3, 3, 3], 6), [3, 3, 4]) == [(0, 1), (1, 2), (2, 3)]  # a blank between 3 and 3
    assert token_spans(said([3, 3], 6), [3, 4, 3, 4]) == [(0, 1), (0, 1), (1, 2), (1, 2)]


def test_times_of_words(tmp_path):
    tokenizer = tokenizer_of(tmp_path, ["ana e"], languages=["ron_Latn"])
    tag, space, a, e, n = (tokenizer.ids[t] for t in ("<ron_Latn>", "<space>", "a", "e", "n"))
    path = [tag, 0, a, a, n, 0, a, space, 0, e, 0, 0]
    found = word_times(said(path, len(tokenizer.tokens)), [tag, a, n, a, space, e], tokenizer, 50.0)
    assert found == [Timed("ana", 0.04, 0.14), Timed("e", 0.18, 0.2)]


def test_times_of_pieces_phones_and_characters(tmp_path):
    for name in ("bpe", "phone", "han"):
        (tmp_path / name).mkdir()
    tokenizer = tokenizer_of(
        tmp_path / "bpe", ["ana are mere", "ana nu are pere", "mere are ana"] * 3, "bpe", 16
    )
    ids = tokenizer.encode("ana are")
    path = [token for token in ids for _ in range(2)]
    words = word_times(said(path, len(tokenizer.tokens)), ids, tokenizer, 10.0)
    assert [word.text for word in words] == ["ana", "are"]
    assert words[0].start_s == 0 and words[1].end_s == len(path) / 10
    tokenizer = tokenizer_of(tmp_path / "phone", ["t͡s aː"], "phone")
    ids = tokenizer.encode("t͡s aː")
    found = word_times(said([ids[0], 0, ids[1]], len(tokenizer.tokens)), ids, tokenizer, 10.0)
    assert found == [Timed("t͡s", 0.0, 0.1), Timed("aː", 0.2, 0.3)]
    tokenizer = tokenizer_of(tmp_path / "han", ["你好"])
    ids = tokenizer.encode("你好")
    found = word_times(said([ids[0], 0, ids[1]], len(tokenizer.tokens)), ids, tokenizer, 10.0)
    assert found == [Timed("你", 0.0, 0.1), Timed("好", 0.2, 0.3)]


def test_the_best_alignment_is_taken_not_the_first(tmp_path):
    # label 3 is likelier in the frames 2 and 3 than in frame 0
    probs = said([3, 0, 3, 3, 0], 5)
    probs[0, 3] = probs[0, 0] - 1.0
    assert token_spans(probs, [3]) == [(2, 4)]


@pytest.mark.parametrize("rate, end", [(50.0, 0.02), (25.0, 0.04)])
def test_frames_become_seconds_by_the_models_rate(tmp_path, rate, end):
    tokenizer = tokenizer_of(tmp_path, ["a"])
    assert word_times(said([tokenizer.ids["a"], 0], 4), [tokenizer.ids["a"]], tokenizer, rate) == [
        Timed("a", 0.0, end)
    ]


def test_words_of_a_transducer_are_where_their_tokens_came(tmp_path):
    tokenizer = tokenizer_of(tmp_path, ["ab c"])
    ids = tokenizer.encode("ab c")
    found = word_times(said([0] * 8, len(tokenizer.tokens)), ids, tokenizer, 25.0, frames=[1, 3, 3, 6])
    assert found == [Timed("ab", 0.04, 0.16), Timed("c", 0.24, 0.28)]
