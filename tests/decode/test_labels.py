"""Texts of an attention decoder in the tokens of CTC."""

import pytest

from tests.decode.test_times import said, tokenizer_of
from xlt.decode.combined import FLOOR, LEAST, ctc_scores, finite, lm_score
from xlt.decode.forward import ctc_losses
from xlt.decode.labels import labels, written_times
from xlt.decode.times import Timed


@pytest.fixture
def chars(tmp_path):
    return tokenizer_of(tmp_path, ["ana e"], languages=["ron_Latn"])


def test_characters_that_the_tokens_lack_are_left_out(chars):
    a, n, e, space = (chars.ids[token] for token in ("a", "n", "e", "<space>"))
    found = labels("aña eß", chars)
    assert found.ids == [a, a, space, e] and found.missing == 2
    assert found.token_of == [0, None, 1, 2, 3, None]
    assert labels("ana", chars).ids == [a, n, a] and labels("", chars).ids == []


def test_pieces_stand_for_several_characters(tmp_path):
    bpe = tokenizer_of(tmp_path, ["aba abab ba"] * 20, "bpe", 8)
    found = labels("abab ba", bpe)
    assert found.ids == bpe.encode("abab ba") and found.missing == 0
    written = ["".join(bpe.tokens[i] for i in found.ids)[1 + place] for place in range(7)]
    assert "".join(written).replace("▁", " ") == "abab ba" and len(found.token_of) == 7
    for char, place in zip("abab ba", found.token_of, strict=True):
        assert char.replace(" ", "▁") in bpe.tokens[found.ids[place]]


def test_phones(tmp_path):
    phones = tokenizer_of(tmp_path, ["a b tʃ"], "phone")
    found = labels("tʃ x a", phones)
    assert found.ids == [phones.ids["tʃ"], phones.ids["a"]] and found.missing == 1
    assert found.token_of == [0, 0, 0, None, None, 1]


def test_words_without_a_token_have_the_place_between_their_neighbours(chars):
    tag, space, a, e = (chars.ids[token] for token in ("<ron_Latn>", "<space>", "a", "e"))
    path = [tag, 0, a, a, space, 0, 0, space, 0, e, 0, 0]
    ids = [tag, a, space, space, e]
    times = written_times(said(path, len(chars.tokens)), ids, "aß ß e", chars, 50.0)
    assert times == [Timed("aß", 0.04, 0.08), Timed("ß", 0.08, 0.18), Timed("e", 0.18, 0.2)]
    path = [0, 0, a, 0]
    times = written_times(said(path, len(chars.tokens)), [space, a, space], "ß a ß", chars, 50.0)
    assert [time.text for time in times] == ["ß", "a", "ß"]
    assert times[0].start_s == 0.0 and times[-1].end_s == 0.08
    times = written_times(said([0, 0, 0, 0], len(chars.tokens)), [], "ßß", chars, 50.0)
    assert times == [Timed("ßß", 0.0, 0.08)]


def test_scores_of_several_texts_at_once(chars):
    import torch

    a, e = chars.ids["a"], chars.ids["e"]
    probs = torch.full((2, len(chars.tokens)), 1e-9)
    probs[0, [0, a]] = torch.tensor([0.4, 0.6])
    probs[1, [0, a, e]] = torch.tensor([0.5, 0.2, 0.3])
    # a: aa 0.12, a- 0.30, -a 0.08; ae: 0.18; nothing: 0.20
    losses = ctc_losses(probs.log(), [[a], [a, e], [], [a, a]])
    assert torch.tensor(losses[:3]).neg().exp().tolist() == pytest.approx([0.5, 0.18, 0.2], abs=1e-5)
    assert losses[3] == float("inf") and ctc_losses(probs.log(), []) == []
    texts = [labels(text, chars) for text in ("a", "aß", "aa")]
    scores = ctc_scores(probs.log(), [one.ids for one in texts], texts)
    half = torch.tensor(0.5).log().item()
    assert scores == pytest.approx([half, half + FLOOR, 2 * LEAST], abs=1e-4)


def test_scores_that_are_infinite():
    assert finite([-1.0, float("-inf"), -3.0]) == [-1.0, -3.0 + LEAST, -3.0]
    assert finite([float("-inf")]) == [LEAST]


def test_scores_of_language_models(chars):
    class Each:
        """−1 for each token, −0.5 for the end; the state counts."""

        def start(self):
            return 0

        def score(self, state, token):
            return -1.0, state + 1

        def end(self, state):
            return -0.5 * state

    part = labels("anß", chars)
    assert lm_score(Each(), part.ids, part) == -2.0 - 1.0 + FLOOR
