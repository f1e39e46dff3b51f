"""Sets that are made of dev and test: the same each time, with the texts of their source, never in train."""

import shutil

import numpy as np
import pytest
import soundfile

from tests.errors import told
from xlt.core.config import load
from xlt.data.clips import audio_digest
from xlt.formats.tables import read_scp, read_table

SETS = (
    "data.further=[{set: test_noise10, of: test, augment: 'noise:10:white'},"
    " {set: dev_soft, of: dev, augment: 'gain:-20'}]"
)
BOTH = "decode.sets=[dev,test,test_noise10,dev_soft]"


def waves(recipe, name):
    scp = read_scp(recipe.dir / f"data/{name}/wav.scp", recipe.dir)
    return {utt: soundfile.read(recipe.dir / wav, dtype="int16")[0] for utt, wav in scp.items()}


def test_sets_are_made_of_others(recipe, stamps):
    assert recipe(f"data.dir={stamps}", SETS, BOTH) == 0
    for name, of in (("test_noise10", "test"), ("dev_soft", "dev")):
        source, made = recipe.dir / f"data/{of}", recipe.dir / f"data/{name}"
        for table in ("text", "utt2dur", "utt2lang", "utt2content"):
            rows = read_table(made / table)
            assert rows == {f"{name}-{utt}": value for utt, value in read_table(source / table).items()}
        assert read_table(made / "utt2audio") == {u: audio_digest(w) for u, w in waves(recipe, name).items()}
    clean, noisy = waves(recipe, "test"), waves(recipe, "test_noise10")
    for utt, wave in clean.items():
        added = noisy[f"test_noise10-{utt}"].astype(float) - wave
        assert np.square(added).mean() == pytest.approx(np.square(wave.astype(float)).mean() / 10, rel=0.01)
    for utt, wave in waves(recipe, "dev").items():
        assert np.abs(waves(recipe, "dev_soft")[f"dev_soft-{utt}"] - 0.1 * wave).max() <= 1
    learned = set(read_table(recipe.dir / "data/train/utt2audio").values())
    assert not learned & set(read_table(recipe.dir / "data/test_noise10/utt2audio").values())


def test_they_are_the_same_each_time_and_change_nothing_else(recipe, stamps):
    assert recipe(f"data.dir={stamps}") == 0
    before = {
        name: (recipe.dir / f"data/{name}/stage.json").read_bytes() for name in ("all", "train", "test")
    }
    assert recipe(f"data.dir={stamps}", SETS, "decode.sets=[dev,test]") == 0
    assert not (recipe.dir / "data/test_noise10").exists()  # nobody asks for it
    assert recipe(f"data.dir={stamps}", SETS, BOTH) == 0
    first = read_table(recipe.dir / "data/test_noise10/utt2audio")
    assert before == {
        name: (recipe.dir / f"data/{name}/stage.json").read_bytes() for name in ("all", "train", "test")
    }
    shutil.rmtree(recipe.dir / "data/test_noise10")
    assert recipe(f"data.dir={stamps}", SETS, BOTH) == 0
    assert read_table(recipe.dir / "data/test_noise10/utt2audio") == first


def test_made_sets_are_scored_but_not_checked(tmp_path):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n", encoding="utf-8")
    cfg = load(tmp_path, [SETS, BOTH])
    assert cfg.made_sets == ["test_noise10", "dev_soft"]
    assert cfg.scored_sets == ["dev", "test", "test_noise10", "dev_soft"]
    assert cfg.checked_sets == ["train", "dev", "test"]


@pytest.mark.parametrize(
    "entry, fact",
    [
        ("{set: test_x, of: train, augment: room}", "train"),
        ("{set: test_x, of: test}", "augment"),
        ("{set: test_x, of: test, augment: 'nois:5'}", "nois"),
        ("{set: test_x, of: test, augment: 'noise:5:babble'}", "babble"),
        ("{set: test_x, of: test, augment: 'speed:0.9'}", "speed"),
        ("{set: test_x, of: test, augment: room, reader: table}", "data.of"),
    ],
)
def test_entries_that_cannot_be(entry, fact, recipe, stamps, capsys):
    assert recipe(f"data.dir={stamps}", f"data.further=[{entry}]", "decode.sets=[dev,test,test_x]") == 2
    error = told(capsys.readouterr().err)
    assert fact in str(error) and error.setting.startswith("data.further")
