"""Damaged files between the stages, and odd corpora: each is one message that names the file and the remedy,
or works.
"""

import errno
import os
import shutil
from pathlib import Path

import pytest
import soundfile

from tests.data.corpus import PHRASES, tone
from tests.faults.conftest import Recipe
from xlt.audio.files import read_wav
from xlt.cli import main
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table

pytestmark = pytest.mark.slow

HALF, TORN, EMPTY, GONE = "cut in half", b'{"torn', b"", None


def spoil(path, how) -> None:
    if how is None:
        path.unlink()
    elif how == HALF:
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.write_bytes(how)


@pytest.mark.parametrize(
    ("stage", "name", "how", "remedy"),
    [
        ("decode", "exp/main/model.pth", HALF, "train"),
        ("decode", "exp/main/model.pth", EMPTY, "train"),
        ("decode", "exp/main/config.yaml", TORN, "train"),
        ("decode", "exp/main/config.yaml", EMPTY, "train"),
        ("decode", "exp/main/xlt.json", TORN, "train"),
        ("bundle", "exp/main/xlt.json", b"[]", "train"),
        ("decode", "exp/main/feats_stats.npz", EMPTY, "train"),
        ("decode", "exp/main/feats_stats.npz", GONE, "train"),
        ("decode", "exp/main/feats_stats.npz", HALF, "train"),
        ("train", "archive of train", GONE, "features"),
        ("train", "archive of train", HALF, "features"),
        ("decode", "archive of dev", GONE, "features"),
        ("decode", "archive of dev", HALF, "features"),
        ("train", "dump/fbank/train/feats.json", TORN, "features"),
        ("train", "data/tokens/char/tokens.txt", EMPTY, "tokens"),
        ("report", "exp/main/score.json", TORN, "score"),
        ("report", "results/main.json", TORN, None),
        ("features", "data/train/wav.scp", EMPTY, "data"),
        ("tokens", "data/train/text", EMPTY, "data"),
        ("train", "data/train/text", EMPTY, "data"),
    ],
)
def test_damaged_file_is_named_and_made_again(recipe, capsys, stage, name, how, remedy):
    if stage in ("train", "decode"):
        recipe.without(stage)  # what is up to date may need no look at the file
    if name.startswith("archive of "):
        scp = recipe.dir / "dump" / "fbank" / name.removeprefix("archive of ") / "feats.scp"
        name = os.path.relpath(next(iter(read_table(scp).values())).rpartition(":")[0], recipe.dir)
    spoil(recipe.dir / name, how)
    capsys.readouterr()
    status = recipe(stage)
    said = capsys.readouterr().err
    if remedy is None:  # the stage itself makes the file
        assert (status, said) == (0, "")
        return
    assert status == 2 and said.count("\n") == 1, said
    assert os.path.dirname(name) in said
    assert recipe(remedy) == 0  # without --force: what was altered is seen
    if (remedy, stage) == ("train", "bundle"):  # which holds the weights that stage 7 tunes
        assert recipe("decode") == 0
    assert recipe(stage) == 0


def test_features_made_again_elsewhere_cost_no_training(recipe, capsys):
    shutil.rmtree(recipe.dir / "cache" / "features")
    scp = recipe.dir / "dump/fbank/train/feats.scp"
    before = scp.read_text()
    assert recipe("features") == 0
    assert scp.read_text() != before
    capsys.readouterr()
    assert recipe("train") == recipe("decode") == 0
    assert capsys.readouterr().out.count("is up to date") == 4  # the model, its weights of decoding, two sets


@pytest.mark.parametrize(("stage", "part"), [("train", "train"), ("decode", "dev")])
def test_flipped_byte_is_noticed_and_mended(finished, recipe, capsys, stage, part):
    recipe.without(stage)
    scp = recipe.dir / "dump" / "fbank" / part / "feats.scp"
    before = {utt: m.copy() for utt, m in ((u, FeatureReader(scp)[u]) for u in read_table(scp))}
    utt, place = next(iter(read_table(scp).items()))
    ark, _, offset = place.rpartition(":")
    data = bytearray(Path(ark).read_bytes())
    data[int(offset) + 50] ^= 4
    Path(ark).write_bytes(data)
    capsys.readouterr()
    assert recipe(stage) == 2
    said = capsys.readouterr().err
    assert (
        f"{utt}: checksum differs" in said and "xlt cache verify --repair" in said and said.count("\n") == 1
    )
    assert main(["cache", "verify", "--repair"]) == 0
    assert all((FeatureReader(scp)[u] == m).all() for u, m in before.items())
    assert recipe(stage) == 0


def test_stamp_that_is_no_stamp(recipe, capsys):
    for content in (TORN, b"[1]", EMPTY):
        spoil(recipe.dir / "data/tokens/char/stage.json", content)
        assert recipe("tokens") == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "--force" in said
        assert recipe("tokens", "--force") == 0
        capsys.readouterr()


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "lang: found None"),
        (b"lang: ron_Latn # \xff\n", "not UTF-8"),
        (b"- lang\n", "recipe.yaml:1: expected `key: value`"),
        (b"lang: [\n", "not valid YAML"),
    ],
)
def test_recipe_yaml_that_is_no_recipe(recipe, capsys, content, part):
    (recipe.dir / "recipe.yaml").write_bytes(content)
    assert recipe("data") == 2
    said = capsys.readouterr().err
    assert said.startswith("xlt data: ") and said.count("\n") == 1 and part in said


@pytest.mark.parametrize("name", ["recipe.yaml", "log", "exp"])
def test_file_in_the_place_of_a_folder_or_the_other_way_round(recipe, capsys, name):
    path = recipe.dir / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.touch() if name != "recipe.yaml" else path.mkdir()
    assert recipe("train") == 2
    said = capsys.readouterr().err
    assert name in said and "move it away" in said and said.count("\n") == 1


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("at", [1, 4])  # the log, which is the first, and the output
def test_recipe_that_may_not_be_written(recipe, hook, capsys, code, at):
    recipe.without("tokens")
    error = OSError(code, "x", "data/tokens")  # raised, not provoked: root may write everywhere
    assert hook.run(at, error, lambda: recipe("tokens")) == (2, True)
    said = capsys.readouterr().err
    assert "(data/tokens); make it writable" in said and said.count("\n") == 1
    assert recipe("tokens") == 0


def kaldi(folder, texts, dur_s=1.0):
    """A Kaldi directory as Windows writes it, with clips whose names have spaces and letters beyond ASCII."""
    rows = {"wav.scp": [], "text": [], "utt2spk": []}
    for number, (utt, text) in enumerate(texts.items()):
        name = f"înregistrări mele/clip {number} ș.wav"
        tone(
            folder / name, dur_s={"ana-long": 40.0, "ana-short": 0.05}.get(utt, dur_s), hz=200.0 + 20 * number
        )
        for table, value in (("wav.scp", name), ("text", text), ("utt2spk", "ana")):
            rows[table].append(f"{utt} {value}\r\n")
    for table, lines in rows.items():
        (folder / table).write_bytes("".join(lines).encode())
    return folder


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A recipe that reads ``my corpus ü/`` beside it."""
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "recipe.yaml").write_text(
        "lang: ron_Latn\ndata: {reader: kaldi, dir: ../my corpus ü}\n"
    )
    return Recipe(tmp_path / "recipe")


def test_odd_kaldi_directory(empty, tmp_path, capsys):
    texts = {f"ana-{n:02}": phrase for n, phrase in enumerate(PHRASES)}
    texts |= {
        "ana-long": "un text lung " * 5,
        "ana-short": "a",
        "ana-00": "un \u0301 s\u0326i",
    }  # a mark without its letter
    kaldi(tmp_path / "my corpus ü", texts)
    for stage in ("data", "check", "features", "tokens"):
        assert empty(stage) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "1 too long" in " ".join(out.split()) and "1 too short" in " ".join(out.split())
    kept = read_table(empty.dir / "data/all/text")
    assert set(kept) == set(texts) - {"ana-long", "ana-short"}
    assert kept["ana-01"] == PHRASES[1] and kept["ana-00"].endswith("și")  # NFC: one letter
    wav = empty.dir / read_table(empty.dir / "data/all/wav.scp")["ana-03"]
    original = tmp_path / "my corpus ü/înregistrări mele/clip 3 ș.wav"
    assert (read_wav(wav) == read_wav(original)).all() and soundfile.info(wav).samplerate == 16000


def test_corpus_of_one_utterance(empty, tmp_path, capsys):
    kaldi(tmp_path / "my corpus ü", {"ana-1": "un urs"})
    assert empty("data") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "no utterance for" in said and "report.json" in said


def test_budget_that_holds_nothing(recipe, capsys):
    assert recipe("data", "data.train_minutes=0.001") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "data.train_minutes=0.001" in said
    assert recipe("data") == 0
