"""A new upstream is one file and one line of the registry: nothing else knows its name."""

import json

import pytest

from tests.features.conftest import Recipe
from xlt import features, tokens, train
from xlt.check.resources import Size, upstream_size
from xlt.core.errors import ConfigError, UpstreamError
from xlt.core.registry import UPSTREAMS
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table, write_table
from xlt.upstreams import upstream_class

SMALL = ["features.upstream=toy", "features.mix_updates=5", "features.mix_head=linear", "train.max_epochs=1"]
SMALL += ["train.min_updates=0", "train.projection=8", "train.encoder_conf={hidden_size: 8}"]


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setitem(UPSTREAMS.entries, "toy", "tests.upstreams.toy:Toy")
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    made = Recipe(tmp_path / "recipe")
    made.add("train", {"s-a": 0.5, "s-b": 1.0, "s-c": 0.7})
    made.add("dev", {"s-f": 0.6})
    made.add("test", {"s-h": 0.5})
    for name in ("train", "dev", "test"):
        folder = made.dir / "data" / name
        write_table(folder / "text", dict.fromkeys(read_table(folder / "wav.scp"), "ma"))
    monkeypatch.chdir(made.dir)
    return made


@pytest.mark.trains
def test_it_is_stored_and_trained_on(recipe):
    ctx = recipe.context(*SMALL)
    features.run(ctx)
    reader = FeatureReader(ctx.dump / "train" / "feats.scp", ctx.recipe)
    assert reader["s-b"].shape == (25, 8) and json.loads((ctx.dump / "mix/mix.json").read_text())
    tokens.run(ctx)
    train.run(ctx)
    info = json.loads((ctx.exp / "xlt.json").read_text())["features"]
    assert (info["upstream"], info["dim"], info["frame_rate"]) == ({"upstream": "toy", "hop": 640}, 8, 25.0)
    encode = features.load_trained(info, ctx.exp)
    assert encode([reader["s-b"].repeat(80)])[0].shape[1] == 8


@pytest.mark.trains
def test_it_is_trained_on_as_it_is_encoded(recipe):
    ctx = recipe.context(*SMALL, "features.on_the_fly=true")
    features.run(ctx)
    tokens.run(ctx)
    train.run(ctx)
    info = json.loads((ctx.exp / "xlt.json").read_text())["features"]
    assert info["on_the_fly"] and len(info["mix"]["weights"]) == 2


def test_what_is_known_before_it_is_run(recipe):
    assert upstream_class("toy").expected_rate("toy") == 25.0 and upstream_size("toy", None) == Size(2, 8)
    with pytest.raises(ConfigError, match="features.upstream=toy has nothing that can be trained"):
        train.run(recipe.context(*SMALL, "train.freeze=none"))
    source = upstream_class("toy").find("toy", None, recipe.dir)
    with pytest.raises(UpstreamError, match="toy: Toy has nothing that can be trained"):
        upstream_class("toy").pieces(source)


def test_names_that_the_registry_does_not_have_are_s3prls():
    assert upstream_class("xls_r_300m").__name__ == "S3prlUpstream"
    assert {upstream_class(name).frontend for name in ("fbank", "whisper_base")} == {"xlt_upstream"}
    assert upstream_class("hubert").frontend == "xlt_s3prl"
