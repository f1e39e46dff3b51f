"""Hotwords and words in a recogniser whose model is a table of probabilities."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from tests.errors import raises
from xlt.core.config import ROOT
from xlt.core.errors import DataError
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode import recognise
from xlt.decode.confidence import Calibration
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer

GREEDY = from_json(DecodeConfig, "decode", {"method": "greedy"}, "test")
BEAM = dataclasses.replace(GREEDY, method="beam")


class Table:
    """A model that hears "mere" with 0.6 and "pere" with 0.4, a frame a letter, whatever is said."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.asked = 0

    def log_probs(self, inputs):
        self.asked += 1
        ids, count = self.tokenizer.ids, len(self.tokenizer.tokens)
        probs = torch.full((4, count), 1e-6)
        for frame, letter in enumerate("mere"):
            probs[frame, ids[letter]] = 1.0
        probs[0, ids["m"]], probs[0, ids["p"]] = 0.6, 0.4
        return probs.log()[None].repeat(len(inputs), 1, 1), torch.tensor([4] * len(inputs))


class Unlikely:
    """A language model that has been told not to let "m" pass."""

    def __init__(self, tokenizer):
        self.m = tokenizer.ids["m"]

    def start(self):
        return ()

    def score(self, state, token):
        return (-1.0 if token == self.m else 0.0), ()

    def end(self, state):
        return 0.0


@pytest.fixture
def recogniser(tmp_path, monkeypatch):
    def make(decode, lms=lambda tokenizer: ()):
        train_tokenizer(["mere pere"], "char", 0, tmp_path, "text")
        info = json.loads((ROOT / "tests/fixtures/bundle_v1/xlt.json").read_text())
        info |= {"family": "espnet", "frame_rate": 25.0, "normaliser": "ron-v1", "format": 2}
        (tmp_path / "xlt.json").write_text(json.dumps(info | {"tokens": {"type": "char"}}))
        (tmp_path / "tokens.json").unlink()
        monkeypatch.setattr(recognise, "open_model", lambda folder: Table(Tokenizer(folder)))
        return recognise.Recogniser(tmp_path, decode, lms)

    return make


SPEECH = [np.zeros((4, 1), np.float32)]


@pytest.mark.parametrize("decode", [GREEDY, BEAM])
def test_hotwords_of_a_request_win_and_are_gone_with_the_next(recogniser, decode):
    model = recogniser(decode)
    assert model(SPEECH)[0].text == "mere"
    # 4 characters of 0.2 are more than log(0.6 / 0.4) = 0.41, of 0.1 less
    assert model(SPEECH, hotwords={"pere": 0.2})[0].text == "pere"
    assert model(SPEECH, hotwords={"pere": 0.1})[0].text == "mere"
    assert model(SPEECH, hotwords={"pere": 0.2})[0].text == "pere"
    assert model(SPEECH)[0].text == "mere"


def test_hotwords_stand_beside_the_language_models_and_keep_their_weights(recogniser):
    decode = dataclasses.replace(BEAM, lm_weight=[0.5], length_bonus=0.0)
    model = recogniser(decode, lambda tokenizer: [Unlikely(tokenizer)])
    assert model(SPEECH)[0].text == "pere"  # 0.5 is more than 0.41
    assert model(SPEECH, hotwords={"mere": 0.05})[0].text == "mere"  # with 0.2 it is not
    # with decode.lm_weight=null each model counts once
    model = recogniser(dataclasses.replace(decode, lm_weight=None), lambda tokenizer: [Unlikely(tokenizer)])
    assert model(SPEECH, hotwords={"mere": 0.1})[0].text == "pere"
    assert model(SPEECH, hotwords={"mere": 0.2})[0].text == "mere"


def test_the_list_of_the_settings(recogniser, tmp_path):
    listed = tmp_path / "names.txt"
    listed.write_text("Pere\t2\n")
    decode = dataclasses.replace(BEAM, hotwords=str(listed), hotword_weight=0.1)
    assert recogniser(decode)(SPEECH)[0].text == "pere"
    assert recogniser(dataclasses.replace(decode, hotword_weight=0.04))(SPEECH)[0].text == "mere"
    # what a request says of a word counts more
    assert recogniser(decode)(SPEECH, hotwords={"pere": 0.01})[0].text == "mere"
    listed.write_text("zâne\n")
    with raises(DataError, "z", "â", "n", where="names.txt:1"):
        recogniser(decode)(SPEECH)


def test_words_have_times_and_from_a_search_confidences(recogniser):
    (word,) = recogniser(GREEDY)(SPEECH)[0].words
    assert word == {"text": "mere", "start_s": 0.0, "end_s": 0.16, "confidence": None}
    (word,) = recogniser(BEAM)(SPEECH)[0].words
    assert word == {"text": "mere", "start_s": 0.0, "end_s": 0.16, "confidence": pytest.approx(0.6, abs=1e-3)}
    # the odds 1.5 by a slope of 2: 2.25 / 3.25
    (word,) = recogniser(BEAM)(SPEECH, calibration=Calibration(slope=2.0))[0].words
    assert word["confidence"] == pytest.approx(0.6923, abs=1e-3)


def test_the_model_computes_a_batch_once(recogniser):
    model = recogniser(BEAM)
    model(SPEECH)
    table = model.model.model
    assert table.asked == 1
    model([SPEECH[0].copy()])
    model(SPEECH)
    assert table.asked == 3  # and remembers one batch only
