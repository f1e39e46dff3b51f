import pytest
import torch

from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode.beam import Beam
from xlt.decode.confidence import word_posteriors
from xlt.decode.decoder import Decoded
from xlt.decode.evidence import evidence, stretches
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer

BEAM = from_json(DecodeConfig, "decode", {"method": "beam"}, "test")


class Silent:
    """A model of which only the tokens are asked."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer


@pytest.fixture
def tokenizer(tmp_path):
    train_tokenizer(["mere pere are"], "char", 0, tmp_path, "text", ["ron_Latn"])
    return Tokenizer(tmp_path)


def heard(tokenizer, text, doubts, pause=3, tag=()):
    """Log probabilities (T, V): each letter for a frame, then blanks; ``doubts``: at each letter that is one,
    the other letter that it may be, with 0.4 to 0.6."""
    ids, rows = tokenizer.ids, []

    def frame(**tokens):
        row = torch.full((len(tokenizer.tokens),), 1e-9)
        for token, p in tokens.items():
            row[ids.get({"space": "<space>", "blank": "<blank>"}.get(token, token), 0)] = p
        rows.append(row)

    for token in tag:
        frame(**{token: 1.0})
    for letter in text:
        letter = "space" if letter == " " else letter
        frame(**({letter: 0.6, doubts[letter]: 0.4} if letter in doubts else {letter: 1.0}))
        for _ in range(pause):
            frame(blank=1.0)
    return torch.stack(rows).log()


def test_stretches_part_the_words_and_leave_the_spaces_out(tokenizer):
    text = "mere are pere"
    probs = heard(tokenizer, text, {})
    ids = tokenizer.encode(text)
    # a letter every 4 frames: the spaces are in frames 16 and 32 of 52
    found = stretches(ids, probs, tokenizer, 9)
    assert [part.words for part in found] == [["mere"], ["are"], ["pere"]]
    assert [part.tokens for part in found] == [(0, 4), (5, 8), (9, 13)]
    assert [part.frames for part in found] == [(0, 16), (17, 32), (33, 52)]
    # "mere" ends in frame 13, "are" in frame 29: 17 frames take both
    assert [part.words for part in stretches(ids, probs, tokenizer, 17)] == [["mere", "are"], ["pere"]]
    assert stretches([], probs, tokenizer, 10) == []


def test_the_token_of_a_language_belongs_to_the_first_stretch(tokenizer):
    (tag,) = tokenizer.tags
    probs = heard(tokenizer, "mere are", {}, tag=["<ron_Latn>"])
    found = stretches([tag, *tokenizer.encode("mere are")], probs, tokenizer, 10)
    assert [(part.tokens, part.frames) for part in found] == [((0, 5), (0, 17)), ((6, 9), (18, 33))]


def test_each_word_of_a_long_utterance_has_rivals(tokenizer):
    # "m" may be "p" with 0.4, twenty times: 2^20 texts, of which a list has 16
    text = " ".join(["mere"] * 20)
    probs = heard(tokenizer, text, {"m": "p"})
    decoder = Beam(Silent(tokenizer), BEAM, ())
    found = decoder.search(probs.numpy())
    assert tokenizer.decode(found.ids) == text
    ballots = evidence(found, probs, tokenizer, decoder, 10.0)
    assert len(ballots) == 10  # stretches of two words, which have four texts
    for ballot in ballots:
        assert word_posteriors(ballot, 1.0) == pytest.approx([0.6, 0.6], abs=1e-3)
    # as a whole, 16 texts have one rival for each of 15 words, and that makes 0.6 look like 0.9
    (whole,) = evidence(found, probs, tokenizer, decoder, 1000.0)
    assert word_posteriors(whole, 1.0).min() > 0.9


def test_a_search_without_a_list_has_no_evidence(tokenizer):
    probs = heard(tokenizer, "mere", {})
    decoder = Beam(Silent(tokenizer), BEAM, ())
    assert evidence(Decoded(tokenizer.encode("mere"), 0.0), probs, tokenizer, decoder, 50.0) == []
