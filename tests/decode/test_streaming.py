"""A search that gets its frames bit by bit ends where one over all of them ends."""

import dataclasses
import json
import random

import numpy as np
import pytest

from tests.errors import raises
from xlt.core.config import ROOT
from xlt.core.errors import ConfigError
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode import recognise, streaming
from xlt.decode.beam import Open, PrefixSearch
from xlt.decode.decoder import Decoded
from xlt.decode.streaming import StreamingSearch
from xlt.decode.transducer import ByTransducer
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer

GREEDY = from_json(DecodeConfig, "decode", {"method": "greedy"}, "test")
BEAM = dataclasses.replace(GREEDY, method="beam", lm_weight=0.5, length_bonus=0.7)
RATE = 25.0  # frames a second


class Pairs:
    """A language model: random log p of each token by the one before it, and of the end."""

    def __init__(self, tokenizer):
        count = len(tokenizer.tokens)
        self.rows = np.log(np.random.default_rng(1).dirichlet(np.ones(count), size=count)).tolist()

    def start(self):
        return 0

    def score(self, state, token):
        return self.rows[state][token], token

    def end(self, state):
        return self.rows[state][-1]


class Table:
    """A model whose features are its log probabilities."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def log_probs(self, inputs):
        return np.stack(inputs), np.array([len(one) for one in inputs])


@pytest.fixture
def recogniser(tmp_path, monkeypatch):
    def make(decode):
        train_tokenizer(["mere pere are"], "char", 0, tmp_path, "text")
        info = json.loads((ROOT / "tests/fixtures/bundle_v1/xlt.json").read_text())
        info |= {"family": "espnet", "frame_rate": RATE, "normaliser": "ron-v1", "format": 2}
        (tmp_path / "xlt.json").write_text(json.dumps(info | {"tokens": {"type": "char"}}))
        (tmp_path / "tokens.json").unlink()
        monkeypatch.setattr(recognise, "open_model", lambda folder: Table(Tokenizer(folder)))
        return recognise.Recogniser(tmp_path, decode, lambda tokenizer: [Pairs(tokenizer)])

    return make


def doubtful(tokenizer, seed, frames):
    """Log probabilities (T, V) in which blanks and letters alternate and none is sure."""
    rng, count = np.random.default_rng(seed), len(tokenizer.tokens)
    probs = rng.dirichlet(np.full(count, 0.1), size=frames)
    probs[:, 0] += rng.uniform(0, 1.5, size=frames)
    probs[:, -1] = 1e-9
    return np.log(probs / probs.sum(axis=1, keepdims=True) + 1e-12).astype(np.float32)


def said(tokenizer, text, pause=3, after=0):
    """Each letter for a frame, then ``pause`` blanks; ``after`` more at the end."""
    ids = [tokenizer.ids["<space>" if letter == " " else letter] for letter in text]
    path = [token for letter in ids for token in (letter, *[0] * pause)] + [0] * after
    probs = np.full((len(path), len(tokenizer.tokens)), 1e-9, np.float32)
    probs[range(len(path)), path] = 1.0
    return np.log(probs)


def pushed(search, log_probs, rng):
    """Push parts of random sizes, empty ones too; what was partial and stable behind each."""
    at, seen, ended = 0, [], []
    while at < len(log_probs):
        size = rng.choice([0, 1, 2, 7, 16])
        ended += search.push(log_probs[at : at + size])
        at += size
        seen.append((search.partial, search.stable))
    return seen, ended


@pytest.mark.parametrize("decode", [GREEDY, BEAM], ids=["greedy", "beam"])
@pytest.mark.parametrize("frames", [1, 9, 40, 220])
def test_the_end_is_that_of_the_whole_and_what_is_stable_stays(recogniser, decode, frames):
    by = recogniser(decode)
    for seed in range(3):
        log_probs = doubtful(by.tokenizer, seed, frames)
        (whole,) = by([log_probs])
        search = StreamingSearch(by)
        seen, ended = pushed(search, log_probs, random.Random(seed))
        found = search.end()
        assert ended == []
        assert found._replace(score=0.0, nbest=(), words=()) == whole._replace(score=0.0, nbest=(), words=())
        assert found.score == pytest.approx(whole.score)
        assert [one.text for one in found.nbest] == [one.text for one in whole.nbest]
        for ours, theirs in zip(found.words, whole.words, strict=True):
            assert ours | {"confidence": 0} == theirs | {"confidence": 0}
            if theirs["confidence"] is not None:
                assert ours["confidence"] == pytest.approx(theirs["confidence"], abs=1e-3)
        for (partial, stable), (later, still) in zip(
            seen, [*seen[1:], (found.text, found.text)], strict=True
        ):
            assert partial.startswith(stable) and later.startswith(stable) and still.startswith(stable)
        if decode is GREEDY:
            assert seen[-1] == (whole.text, whole.text)


def test_clear_speech_is_stable_while_it_is_spoken(recogniser):
    by = recogniser(BEAM)
    search = StreamingSearch(by)
    log_probs = said(by.tokenizer, "mere are")
    search.push(log_probs[:16])
    assert (search.partial, search.stable) == ("mere", "mere")
    search.push(log_probs[16:])
    assert search.end().text == "mere are" and search.partial == search.stable == ""


def test_settling_keeps_little_of_a_long_stream_and_changes_nothing():
    rng = np.random.default_rng(0)
    log_probs = np.log(rng.dirichlet([0.6, 0.3, 0.3, 0.01], size=2000) + 1e-30)
    whole, settled = (Open(PrefixSearch([], [], 0.0, 8)) for _ in range(2))
    longest = 0
    for start in range(0, len(log_probs), 10):
        whole.push(log_probs[start : start + 10])
        settled.push(log_probs[start : start + 10])
        settled.settle()
        longest = max(longest, len(settled.best()) - len(settled.fixed))
    assert settled.end().ids == whole.end().ids and len(whole.best()) > 500
    assert longest < 200


def test_pauses_end_utterances_and_words_keep_the_time_of_the_stream(recogniser):
    by = recogniser(BEAM)
    tokenizer = by.tokenizer
    first, second = said(tokenizer, "mere", after=30), said(tokenizer, "pere are", after=4)
    silence = said(tokenizer, "", after=400)
    stream = np.concatenate([silence, first, second])
    for seed in range(3):
        search = StreamingSearch(by, pause_s=1.0)
        _, ended = pushed(search, stream, random.Random(seed))
        assert [one.text for one in ended] == ["mere"]
        assert search.blank_s == 7 / RATE
        last = search.end()
        assert last.text == "pere are"
        words = [word for one in (*ended, last) for word in one.words]
        # 400 frames of silence, a letter every 4 frames: "mere" from 400, "pere" from 446, "are" from 466
        times = [(word["text"], word["start_s"], word["end_s"]) for word in words]
        assert times == [("mere", 16.0, 16.52), ("pere", 17.84, 18.36), ("are", 18.64, 19.0)]


def test_a_long_silence_is_not_kept(recogniser):
    search = StreamingSearch(recogniser(BEAM), pause_s=1.0)
    silence = said(recogniser(BEAM).tokenizer, "", after=10)
    for _ in range(100):
        assert search.push(silence) == []
        assert sum(map(len, search._rows)) < 1.0 * RATE


def test_speech_without_a_pause_ends_at_shorter_ones(recogniser, monkeypatch):
    monkeypatch.setattr(streaming, "LONG_S", 2.0)  # 50 frames
    by = recogniser(BEAM)
    search = StreamingSearch(by, pause_s=1.0)
    parts = [said(by.tokenizer, "mere ", pause=1), said(by.tokenizer, "are", pause=1, after=5)]
    ended = search.push(np.concatenate([*[parts[0]] * 5, parts[1], *[parts[0]] * 12]))
    # 0.2 s of blanks stand behind "are", in frame 60 of the stream; then none for 100 frames
    assert [one.text for one in ended] == ["mere " * 5 + "are", "mere " * 10]
    assert search.end().text == "mere mere "


def test_hotwords_and_an_empty_stream(recogniser):
    by = recogniser(dataclasses.replace(BEAM, lm_weight=0.0, length_bonus=0.0))
    ids, log_probs = by.tokenizer.ids, said(by.tokenizer, "mere")
    log_probs[0, ids["m"]], log_probs[0, ids["p"]] = np.log([0.6, 0.4])
    for hotwords, text in ((None, "mere"), ({"pere": 0.2}, "pere")):
        search = StreamingSearch(by, hotwords=hotwords)
        search.push(log_probs)
        assert search.end().text == text
    empty = StreamingSearch(by)
    empty.push(log_probs[:0])
    assert empty.end().text == "" and StreamingSearch(by).end().words == ()


def test_a_transducer_gets_what_the_encoder_gives(recogniser, monkeypatch):
    class Heard:
        def __init__(self):
            self.fixed, self.frames = (), 0

        def push(self, hidden):
            assert hidden.shape[1] == 2
            self.frames += len(hidden)

        def settle(self):
            self.fixed = by.tokenizer.ids["m"], by.tokenizer.ids["a"]

        def best(self):
            return self.fixed

        def end(self):
            return Decoded(list(self.fixed), -1.0, frames=(2, self.frames - 1))

    by = recogniser(GREEDY)
    monkeypatch.setattr(by, "decoder", lambda *args: ByTransducer.__new__(ByTransducer))
    monkeypatch.setattr(ByTransducer, "open", lambda decoder: Heard())
    search, log_probs = StreamingSearch(by), said(by.tokenizer, "me")
    for start in (0, 5):
        search.push(log_probs[start : start + 5], np.zeros((len(log_probs[start : start + 5]), 2)))
    found = search.end()
    assert (found.text, found.greedy, found.words[0]["end_s"]) == ("ma", "me", 8 / RATE)


def test_an_attention_decoder_leaves_the_stream_to_ctc(recogniser):
    by = recogniser(dataclasses.replace(GREEDY, method="joint"))
    search = StreamingSearch(by)
    search.push(said(by.tokenizer, "mere"))
    assert search.partial == search.end().text == "mere"


def test_decoders_of_whole_utterances_are_refused(recogniser, monkeypatch):
    by = recogniser(dataclasses.replace(GREEDY, method="lexicon"))
    monkeypatch.setattr(by, "decoder", lambda decode, hotwords: object())
    with raises(ConfigError, "beam", "greedy", where="decode.method=lexicon"):
        StreamingSearch(by)
