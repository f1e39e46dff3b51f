"""utt2source: who is a copy of whom, from stage 3 to training, for a kind that only this test knows."""

import json

import numpy as np
import pytest
import soundfile

from tests.errors import raises
from xlt.audio.augment import Copy
from xlt.core.errors import ConfigError, DataError
from xlt.core.registry import AUGMENTATIONS
from xlt.features import run
from xlt.features.copies import Source, read_sources, utterance_of
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table, write_table


@pytest.fixture
def recipe(recipe, monkeypatch):
    """With texts, speakers and two languages."""
    monkeypatch.setitem(AUGMENTATIONS.entries, "louder", "tests.audio.louder:Louder")
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
    ctx = recipe.context(*settings, "features.augment=[louder:0.5]")
    run(ctx)
    folder = recipe.dump("train")
    assert read_table(folder / "utt2source")["loud0.5-s-a"] == "s-a louder:0.5"
    assert read_table(folder / "utt2spk")["loud0.5-s-a"] == "loud0.5-s"
    assert read_table(folder / "utt2audio")["loud0.5-s-a"].endswith("-loud0.5")
    assert json.loads((folder / "feats.json").read_text())["augment"] == ["louder:0.5"]
    feats = FeatureReader(folder / "feats.scp")
    softer = (feats["loud0.5-s-a"] - feats["s-a"]).mean()
    assert softer == pytest.approx(2 * np.log(0.5), abs=0.05)  # log-mels are of the power
    tokens.run(ctx)
    texts = read_table(ctx.tokens / "train.text")
    assert texts["loud0.5-s-b"] == texts["s-b"] == "m a" and len(texts) == 10
    train.run(ctx)
    stamp = json.loads((ctx.exp / "stage.json").read_text())
    assert stamp["train"] == {"utterances": 10, "infeasible": 0}
    info = json.loads((ctx.exp / "xlt.json").read_text())
    assert info["features"]["augment"] == ["louder:0.5"] and info["features"]["settings"][
        "features.augment"
    ] == ["louder:0.5"]


def noise(recipe, digest: str) -> None:
    """data/noise as stage 1 makes it, with a hum for training."""
    folder = recipe.dir / "data/noise/train"
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / "hum.wav", 0.1 * np.sin(2 * np.pi * 1000 * np.arange(32000) / 16000), 16000)
    facts = {"digest": digest, "seconds": {"hum": {"train": 2.0}}}
    (folder.parent / "noise.json").write_text(json.dumps(facts), encoding="utf-8")


def test_copies_with_noise_are_of_train_alone_and_of_this_noise(recipe, capsys):
    noise(recipe, "ab12")
    settings = ("features.augment=['noise:10:hum', 'noise:10:hum#2']", f"data.noise={{hum: [{recipe.dir}]}}")
    run(recipe.context(*settings))
    rows = read_table(recipe.dump("train") / "utt2source")
    assert rows["noise_10_hum-s-a"] == "s-a noise:10:hum@ab12"
    assert rows["noise_10_hum#2-s-a"] == "s-a noise:10:hum#2@ab12" and len(rows) == 15
    keys = read_table(recipe.dump("train") / "utt2audio")
    assert keys["noise_10_hum#2-s-a"] == keys["s-a"] + "-noise_10_hum#2@ab12"
    for name in ("dev", "test"):
        assert set(read_table(recipe.dump(name) / "feats.scp")) == set(
            read_table(recipe.dir / "data" / name / "wav.scp")
        )
        assert not (recipe.dump(name) / "utt2source").exists()
    assert json.loads((recipe.dump("train") / "feats.json").read_text())["augment"] == [
        "noise:10:hum",
        "noise:10:hum#2",
    ]
    assert "augment" not in json.loads((recipe.dump("dev") / "feats.json").read_text())
    capsys.readouterr()
    noise(recipe, "cd34")
    run(recipe.context(*settings))
    assert "making" in capsys.readouterr().out
    assert read_table(recipe.dump("train") / "utt2source")["noise_10_hum-s-a"] == "s-a noise:10:hum@cd34"


def test_noise_that_stage_1_has_not_made_is_asked_for(recipe):
    with raises(DataError, "stage 1", where="noise.json"):
        run(recipe.context("features.augment=['noise:10:hum']", f"data.noise={{hum: [{recipe.dir}]}}"))
    with raises(ConfigError, "hum", where="features.augment=noise:10:hum"):
        run(recipe.context("features.augment=['noise:10:hum']"))
