"""What a score says of the encoder that a model was trained on."""

import json

import pytest

from tests.report.documents import document
from xlt.core.config import load
from xlt.core.context import Context
from xlt.formats.model_folder import write_info
from xlt.formats.pretrained import write_facts
from xlt.formats.results import from_json
from xlt.report.results import Result, describe
from xlt.score.facts import pretraining
from xlt.upstreams import upstream_class
from xlt.upstreams.bestrq_sizes import CONFIG, MODEL_TYPE, WEIGHTS

FACTS = {"hours": 6.4, "epochs": 7, "steps": 5285, "parameters": 3000000, "work_s": 1700.5, "accuracy": 16.0}


@pytest.fixture
def ctx(tmp_path):
    encoder, recipe = tmp_path / "pretrain/exp/main", tmp_path / "ron"
    encoder.mkdir(parents=True)
    (encoder / CONFIG).write_text(json.dumps({"model_type": MODEL_TYPE}))
    (encoder / WEIGHTS).write_bytes(b"weights")
    write_facts(encoder, "bestrq", "bestrq", FACTS)
    recipe.mkdir()
    (recipe / "recipe.yaml").write_text("lang: ron_Latn\nfeatures: {upstream: fbank}\n")
    found = Context(recipe, load(recipe))
    found.exp.mkdir(parents=True)
    given = {"features.upstream": "bestrq", "features.path": "../pretrain/exp/main"}
    identity = upstream_class("bestrq").find("bestrq", str(encoder), tmp_path).identity
    features = {"settings": given, "upstream": identity, "frame_rate": 25.0}
    about = {"family": "espnet", "lang": "ron_Latn", "normaliser": "ron-v1", "tokens": {"type": "char"}}
    write_info(found.exp, {**about, "features": features, "frame_rate": 25.0})
    return found


def test_a_score_names_the_pretraining_of_its_encoder(ctx, tmp_path):
    found = pretraining(ctx)["pretraining"]
    assert found == {"method": "bestrq", **{k: v for k, v in FACTS.items() if k != "accuracy"}}
    scores, _ = from_json({**document("main"), "pretraining": found}, tmp_path)
    said = describe(Result("main", scores))
    assert said.endswith("greedy, encoder pre-trained with bestrq on 6.4 hours, 7 epochs")
    scores["pretraining"]["epochs"] = 0
    assert describe(Result("main", scores)).endswith("greedy, encoder with random weights")


def test_an_encoder_that_was_made_again_is_not_that_of_the_model(ctx, tmp_path):
    (tmp_path / "pretrain/exp/main" / WEIGHTS).write_bytes(b"others")
    assert pretraining(ctx) == {}


def test_encoders_of_others_say_nothing(ctx, tmp_path):
    (tmp_path / "pretrain/exp/main/pretrained.json").unlink()
    assert pretraining(ctx) == {}
    (ctx.exp / "xlt.json").unlink()
    assert pretraining(ctx) == {}
