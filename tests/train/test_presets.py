"""Each preset on log-mels takes a step and decodes: with its true sizes, on made-up features."""

import json

import numpy as np
import pytest

from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.core.config import load, presets
from xlt.formats.tables import read_table
from xlt.models.family import open_model

pytestmark = pytest.mark.trains

FRAMES = {  # a second, of 100 log-mels
    "deepspeech2": 50.0,
    "quartznet": 50.0,
    "jasper": 50.0,
    "transformer": 25.0,
    "conformer": 25.0,
    "e_branchformer": 25.0,
    "emformer": 25.0,
    "conformer_stream": 25.0,
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A toy recipe on log-mels, with tokens."""
    recipe = make_toy_recipe(tmp_path_factory.mktemp("toy"), 6, 2, upstream="fbank")
    (recipe / "recipe.yaml").write_text(
        "lang: ron_Latn\nlm: {type: none}\ntrain: {max_epochs: 1, min_updates: 0}\n"
    )
    assert main(["tokens", "--recipe", str(recipe), "features.upstream=fbank"]) == 0
    return recipe


def test_every_preset_on_log_mels_is_tried(recipe):
    assert {p for p in presets() if load(recipe, [f"preset={p}"]).features.upstream == "fbank"} == set(FRAMES)


@pytest.mark.parametrize("preset", FRAMES)
def test_a_step_and_decoding(recipe, preset):
    words = ["--recipe", str(recipe), f"preset={preset}", f"tag={preset}"]
    for stage in ("train", "decode"):
        assert main([stage, *words]) == 0
    exp = recipe / "exp" / preset
    (epoch,) = json.loads((exp / "history.json").read_text())
    assert np.isfinite([epoch["train_loss"], epoch["loss"]]).all()
    for name in ("dev", "test"):
        refs, hyps = (read_table(f / "text") for f in (recipe / "data" / name, exp / f"decode_{name}"))
        assert hyps.keys() == refs.keys()
    # word times need the frames of CTC, not those of the features
    assert json.loads((exp / "xlt.json").read_text())["frame_rate"] == FRAMES[preset]
    model = open_model(exp)
    feats = np.zeros((100, 80), np.float32)
    frames = [int(model.log_probs([feats[:count]])[1]) for count in (1, 100)]
    assert frames[0] == 1 and frames[1] == pytest.approx(FRAMES[preset], abs=1)
