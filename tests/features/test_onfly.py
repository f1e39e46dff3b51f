"""Stage 3 of features.on_the_fly: lengths and facts only, bad audio found as in the cached path."""

import json
import struct

import pytest
import soundfile

from tests.errors import raises
from xlt.core.errors import ConfigError, DataError
from xlt.features import run
from xlt.formats.tables import read_table

ON = "features.on_the_fly=true"


def files(folder):
    return {p.name for p in folder.iterdir() if not p.name.startswith(".")}


def test_lengths_and_facts_and_nothing_else(recipe, capsys):
    run(recipe.context(ON, "features.layers=mix"))
    folder = recipe.dump("train", "fbank_onfly")
    assert files(folder) == {"utt2num_samples", "feats.json", "stage.json"}
    assert read_table(folder / "utt2num_samples") == {
        "s-a": "8000",
        "s-b": "16000",
        "s-c": "11200",
        "s-d": "4800",
        "s-e": "14400",
    }
    assert json.loads((folder / "feats.json").read_text()) == {
        "on_the_fly": True,
        "dim": 80,
        "frame_rate": 100.0,
        "layers": "mix",
        "mix_norm": "corpus",
        "dtype": "float32",
        "upstream": {"upstream": "fbank", "mels": 80, "shift_ms": 10, "window_ms": 25},
    }
    capsys.readouterr()
    run(recipe.context(ON, "features.layers=mix"))
    assert capsys.readouterr().out.count("is up to date") == 3
    run(recipe.context(ON, "features.layers=0"))
    assert "features.layers: mix → 0" in capsys.readouterr().out
    assert "mix_norm" not in json.loads((folder / "feats.json").read_text())
    assert not recipe.dump("train").exists()


@pytest.mark.parametrize("setting", ["features.speed=[0.9, 1.0]", "features.mix_from=../cat"])
def test_what_only_the_cache_can_do_is_refused(recipe, setting):
    with raises(ConfigError, "features.on_the_fly=false") as caught:
        run(recipe.context(ON, setting))
    assert caught.value.setting == setting.split("=")[0]


def test_a_layer_that_is_not_there_is_refused(recipe):
    with raises(ConfigError, "fbank", 3, where="features.layers"):
        run(recipe.context(ON, "features.layers=3"))


def test_missing_cut_and_altered_audio_is_named(recipe):
    path = recipe.dir / "data" / "all" / "wav" / "s-c.wav"
    good = path.read_bytes()
    path.unlink()
    with pytest.raises(DataError, match="utterance s-c: .*no such file; run stage 1"):
        run(recipe.context(ON))
    path.write_bytes(good[:9000])
    with pytest.raises(DataError, match="s-c.*cut short"):
        run(recipe.context(ON))
    path.write_bytes(good[:9000] + struct.pack("<h", 12345) + good[9002:])
    with raises(DataError, "s-c", "utt2audio"):
        run(recipe.context(ON))
    path.write_bytes(good)
    run(recipe.context(ON))


def test_other_rates_than_stage_1_writes_are_refused(recipe):
    path = recipe.dir / "data" / "all" / "wav" / "s-c.wav"
    samples, _ = soundfile.read(path, dtype="int16")
    soundfile.write(path, samples[::2], 8000)
    with pytest.raises(DataError, match="s-c.*8000 Hz, 1 channels; features.on_the_fly reads 16 kHz mono"):
        run(recipe.context(ON))
