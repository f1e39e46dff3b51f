"""Learning curves: which experiments are points of one curve."""

import re

import pytest

from tests.report.documents import document
from xlt.report.benchmark import read_all
from xlt.report.learning import learning

INIT = {
    "train.init": "multi/exp/main",
    "train.init_tokens": "match",
    "train.zero_shot": False,
    "train.mix": {},
}


def trained(tag, minutes, cer, budget=None, **kind):
    made = document(tag, cer=cer, **{"data.train_minutes": budget}, **kind)
    made["training"]["speech_min"] = minutes
    return made


@pytest.fixture
def curves(results):
    root = results(
        trained("five", 4.9, 30.0, 5.0),
        trained("ten", 9.9, 20.0, 10.0),
        trained("worse_on_dev", 9.9, 2.0, 10.0, dev=50.0, **{"decode.method": "beam"}),
        trained("all", 20.0, 15.0),
        trained("fbank", 9.9, 40.0, 10.0, **{"features.upstream": "fbank"}),
        trained("init5", 4.9, 25.0, 5.0, **INIT),
        trained("init10", 9.9, 18.0, 10.0, **INIT),
        trained("zero", 9.9, 60.0, 10.0, **INIT | {"train.zero_shot": True}),
        document("peer", cer=19.5, peer="Whisper, zero-shot"),
    ).parent.parent
    # all the speech that there is, asked for as ten minutes and as all: one point
    results(trained("ten", 3.0, 50.0, 10.0), trained("all", 3.0, 50.0), recipe="dan")
    recipes = read_all(root)
    return learning(recipes, {name: name.title() for name in recipes})


def labels(panel):
    return re.findall(r"<title>(.*?)</title>", panel)


def test_a_family_is_a_model_at_several_budgets(curves):
    assert curves.families == [
        "whisper_base, blstm, char",
        "whisper_base, blstm, char, from multi/exp/main (match output layer)",
    ]
    assert curves.peers == ["Whisper, zero-shot"]


def test_points_are_those_that_are_best_on_dev_in_order_of_minutes(curves):
    assert labels(curves.panels["ron"]) == [
        "peer: CER 19.5 [18.5, 20.5]",
        "five: 4.9 min, CER 30.0 [29.0, 31.0]",
        "ten: 9.9 min, CER 20.0 [19.0, 21.0]",
        "all: 20.0 min, CER 15.0 [14.0, 16.0]",
        "init5: 4.9 min, CER 25.0 [24.0, 26.0]",
        "init10: 9.9 min, CER 18.0 [17.0, 19.0]",
    ]
    assert labels(curves.panels["dan"]) == ["all: 3.0 min, CER 50.0 [49.0, 51.0]"]


def test_without_two_amounts_there_are_none(results):
    root = results(trained("ten", 9.9, 20.0, 10.0)).parent.parent
    assert learning(read_all(root), {"ron": "Romanian"}).panels == {}
