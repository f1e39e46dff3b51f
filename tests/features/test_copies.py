"""utt2source: who is a copy of whom, from stage 3 to training, for a kind that only this test knows."""

import dataclasses
import json

import numpy as np
import pytest

from tests.audio.gain import with_gain
from xlt.audio.augment import Copy
from xlt.core.registry import AUGMENTATIONS
from xlt.features import run
from xlt.features.copies import Source, read_sources, utterance_of
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table, write_table


@pytest.fixture
def recipe(recipe, monkeypatch):
    """With texts, speakers and two languages."""
    monkeypatch.setitem(AUGMENTATIONS.entries, "gain", "tests.audio.gain:Gain")
    for name in ("train", "dev", "test"):
        folder = recipe.dir / "data" / name
        utts = list(read_table(folder / "wav.scp"))
        write_table(folder / "text", {utt: "ma" if n % 2 else "am" for n, utt in enumerate(utts)})
        write_table(folder / "utt2spk", dict.fromkeys(utts, "s"))
        langs = ("ron_Latn", "ita_Latn")
        write_table(folder / "utt2lang", {utt: langs[n % 2] for n, utt in enumerate(utts)})
    return recipe


def test_stage_3_writes_the_table_where_there_are_copies(recipe):
    run(recipe.context("features.speed=[0.9, 1.0]"))
    rows = read_table(recipe.dump("train") / "utt2source")
    assert rows["s-a"] == "s-a" and rows["sp0.9-s-a"] == "s-a speed:0.9" and len(rows) == 10
    found = read_sources(recipe.dump("train"))
    assert found["sp0.9-s-a"] == Source("s-a", Copy("speed:0.9")) and found["s-a"] == Source("s-a", Copy())
    assert utterance_of(found, "sp0.9-s-b") == "s-b" and utterance_of({}, "s-b") == "s-b"
    assert not (recipe.dump("dev") / "utt2source").exists() and read_sources(recipe.dump("dev")) == {}


@pytest.mark.parametrize("speeds", ["[0.9, 1.0, 1.1]", "[0.9, 1.1]"])
def test_features_from_before_the_table_are_read(recipe, speeds, capsys):
    run(recipe.context(f"features.speed={speeds}"))
    expected = read_sources(recipe.dump("train"))
    (recipe.dump("train") / "utt2source").unlink()
    stamp = json.loads((recipe.dump("train") / "stage.json").read_text())
    del stamp["outputs"]["utt2source"], stamp["digests"]
    (recipe.dump("train") / "stage.json").write_text(json.dumps(stamp))
    assert read_sources(recipe.dump("train")) == expected
    capsys.readouterr()
    run(recipe.context(f"features.speed={speeds}"))
    assert capsys.readouterr().out.count("is up to date") == 3


@pytest.mark.trains
def test_a_new_kind_flows_from_stage_3_to_training(recipe, capsys):
    from xlt import tokens, train

    settings = ["tokens.type=phone", "phones.g2p=tsv", "phones.table=g2p", "tokens.language_tag=true"]
    settings += ["train.max_epochs=1", "train.min_updates=0", "train.projection=8"]
    settings += ["train.encoder_conf={hidden_size: 8}"]
    (recipe.dir / "g2p").mkdir()
    for lang in ("ron_Latn", "ita_Latn"):
        (recipe.dir / "g2p" / f"{lang}.tsv").write_text("a\ta\nm\tm\n", encoding="utf-8")
    plain = recipe.context(*settings)
    ctx = dataclasses.replace(plain, cfg=with_gain(plain.cfg, 0.5))
    run(ctx)
    folder = recipe.dump("train")
    assert read_table(folder / "utt2source")["gain0.5-s-a"] == "s-a gain:0.5"
    assert read_table(folder / "utt2spk")["gain0.5-s-a"] == "gain0.5-s"
    assert read_table(folder / "utt2audio")["gain0.5-s-a"].endswith("-gain0.5")
    assert json.loads((folder / "feats.json").read_text())["gain"] == [0.5]
    feats = FeatureReader(folder / "feats.scp")
    softer = (feats["gain0.5-s-a"] - feats["s-a"]).mean()
    assert softer == pytest.approx(2 * np.log(0.5), abs=0.05)  # log-mels are of the power
    tokens.run(ctx)
    texts = read_table(ctx.tokens / "train.text")
    assert texts["gain0.5-s-b"] == texts["s-b"] == "m a" and len(texts) == 10
    train.run(ctx)
    stamp = json.loads((ctx.exp / "stage.json").read_text())
    assert stamp["train"] == {"utterances": 10, "infeasible": 0}
    info = json.loads((ctx.exp / "xlt.json").read_text())
    assert info["features"]["gain"] == [0.5] and info["features"]["settings"]["features.gain"] == [0.5]
