"""`xlt learn`: a tiny model learns from corrections, and is compared with what it was, on dev alone."""

import json
import shutil
from types import SimpleNamespace

import pytest

from tests.data.corpus import PHRASES, melody
from tests.data.test_corrected import clip, pieces_in
from tests.errors import told
from xlt.cli import main
from xlt.core.files import sha256
from xlt.core.stage import read_stamp
from xlt.formats.tables import read_table, write_table

SETS = {"train": 6, "dev": 3, "test": 3}
SETTINGS = """lang: ron_Latn
preset: fast
nj: 1
data: {reader: kaldi, dir: ../../corpus}
features: {upstream: fbank}
lm: {type: none}
decode: {method: greedy}
score: {bootstrap: 20}
train: {max_epochs: 1, min_updates: 0, projection: 16, upstream_lr: 0.00005, encoder_conf: {hidden_size: 16}}
"""

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A recipe, ``egs/ron``, with the bundle of a model that was trained for an epoch."""
    root, number = tmp_path_factory.mktemp("learn"), 0
    for name, count in SETS.items():
        utts = [f"spk-{name}{n}" for n in range(count)]
        texts = dict(zip(utts, PHRASES[number:], strict=False))
        place = pieces_in(
            root / "corpus" / name, texts, {utt: melody(number + n) for n, utt in enumerate(utts)}
        )
        write_table(place / "utt2spk", dict.fromkeys(utts, "spk"))
        number += count
    recipe = root / "egs" / "ron"
    recipe.mkdir(parents=True)
    (recipe / "recipe.yaml").write_text(SETTINGS)
    with pytest.MonkeyPatch.context() as here:
        here.setenv("XLT_CACHE", str(root / "cache"))
        assert (
            main(["run", "--recipe", str(recipe), "train.encoder_conf={hidden_size: 8, num_layers: 1}"]) == 0
        )
    return SimpleNamespace(root=root, recipe=recipe, bundle=recipe / "exp" / "main" / "bundle")


@pytest.fixture
def learn(trained, tmp_path, monkeypatch):
    """Function that gives the command, from the folder with ``given``; its exit status."""
    monkeypatch.setenv("XLT_CACHE", str(trained.root / "cache"))
    monkeypatch.chdir(tmp_path)

    def run(*words, bundle=trained.bundle):
        return main(["learn", str(bundle), "--corrections", "given", *words])

    pieces_in(
        tmp_path / "given" / "ron_Latn", {"correction-a": "Žana are kiwi."}, {"correction-a": melody(50)}
    )
    return run


def test_a_bundle_learns_and_is_compared_on_dev_alone(trained, learn, tmp_path, capsys):
    before = {path: sha256(path) for path in trained.recipe.rglob("*") if path.is_file()}
    assert learn("--epochs", "1", "--out", "new") == 0
    said = capsys.readouterr().out
    assert "learn: 1 corrections" in said and "dev, characters:" in said and "test, characters" not in said
    assert "the 3 utterances of dev" in said or "the new model is" in said
    assert "paired bootstrap" in said and "test was not decoded" in said
    place = trained.recipe / "learn"
    after = {path: sha256(path) for path in before if path.exists()}
    assert after == before and (place / "exp/learned/bundle").is_dir()  # nothing of the old is touched
    scores = json.loads((place / "exp/learned/score.json").read_text())
    assert list(scores["sets"]) == ["dev"] and not (place / "exp/learned/decode_test").exists()
    assert set(read_table(place / "data/train/text")) - set(
        read_table(trained.recipe / "data/train/text")
    ) == {"correction-a"}
    for name in ("dev", "test"):
        assert read_table(place / f"data/{name}/utt2audio") == read_table(
            trained.recipe / f"data/{name}/utt2audio"
        )
    config = read_stamp(place / "exp/learned")["config"]
    assert config["train.encoder_conf"] == {"hidden_size": 8, "num_layers": 1}  # as the bundle was trained
    assert config["train.max_epochs"] == 1 and config["train.init"] == str(trained.bundle)
    old, new = ((folder / "tokens.txt").read_text().split() for folder in (trained.bundle, tmp_path / "new"))
    assert set(new) - set(old) == {"k", "w", "ž"} and set(old) <= set(new)
    assert "correction-a" in read_table(tmp_path / "new" / "heard")
    assert (tmp_path / "new" / "bundle.json").exists() and not list(tmp_path.glob(".*partial"))
    # the same command goes on from there, and replaces nothing
    assert learn("--epochs", "1", "--out", "new") == 2
    told(capsys.readouterr().err, where="--out new")
    assert learn("--epochs", "1") == 0
    said = capsys.readouterr().out
    assert "exp/learned is up to date" in said and said.endswith(
        "the same command with --out NEW writes it\n"
    )


def test_a_dry_run_trains_nothing(trained, learn, capsys):
    shutil.rmtree(trained.recipe / "learn", ignore_errors=True)
    assert learn("--dry_run") == 0
    assert "would train" in capsys.readouterr().out and not (trained.recipe / "learn").exists()


def test_a_clip_of_test_is_refused_before_anything_is_made(trained, learn, tmp_path, capsys):
    shutil.rmtree(trained.recipe / "learn", ignore_errors=True)
    pieces_in(tmp_path / "given" / "ron_Latn", {"a": "x"}, {"a": clip(trained.recipe, "test")[0]})
    assert learn() == 2
    told(capsys.readouterr().err, "'a'", "test", where=f"--corrections {tmp_path}/given")
    assert not (trained.recipe / "learn").exists()


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["--epochs", "0"], "--epochs 0"),
        (["--recipe", "nowhere"], "--recipe nowhere"),
        (["tag=other"], "tag=other"),
        (["data.train_minutes=3"], "data.train_minutes=3"),
        (["train.mix={spa: 0.1}"], "train.mix={'spa': 0.1}"),
        (["train.lrr=1"], "command line 'train.lrr=1'"),
    ],
)
def test_words_that_cannot_be(learn, capsys, words, where):
    assert learn(*words) == 2
    told(capsys.readouterr().err, where=where)


def test_a_bundle_of_another_model(trained, learn, tmp_path, capsys):
    other = shutil.copytree(trained.bundle, tmp_path / "other")
    assert learn(bundle=other) == 2  # it lies in no recipe
    told(capsys.readouterr().err, "recipe.yaml")
    assert learn("--recipe", str(trained.recipe), "--dry_run", bundle=other) == 0
    recipe = tmp_path / "egs" / "ron"
    shutil.copytree(trained.recipe / "exp" / "main", recipe / "exp" / "main")
    shutil.copy(trained.recipe / "recipe.yaml", recipe)
    (recipe / "exp/main/model.pth").write_bytes(b"another")
    assert learn("--recipe", str(recipe), bundle=other) == 2
    told(capsys.readouterr().err, "--recipe", where=f"{other}")
    assert learn(bundle=tmp_path) == 2
    told(capsys.readouterr().err, where="bundle.json")
