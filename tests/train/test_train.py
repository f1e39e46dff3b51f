import json
import shutil

import numpy as np
import pytest

from tests.interrupt import interrupt_after
from tests.lazy import Lazy, torch
from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.core.config import load
from xlt.features.mix import Mix
from xlt.formats.tables import read_table

task = Lazy("xlt.models.espnet.task")
timing = Lazy("xlt.models.espnet.timing")

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A toy recipe with tokens, and exp/main trained without interruption."""
    recipe = make_toy_recipe(tmp_path_factory.mktemp("toy"))
    assert main(["tokens", "--recipe", str(recipe)]) == 0
    assert main(["train", "--recipe", str(recipe)]) == 0
    return recipe


def same_model(first, second):
    a, b = (torch.load(p / "model.pth", weights_only=True) for p in (first, second))
    assert a.keys() == b.keys()
    for key in a:
        torch.testing.assert_close(a[key], b[key], atol=1e-5, rtol=1e-4, msg=key)


def test_experiment_carries_all_that_decoding_needs(finished):
    exp = finished / "exp" / "main"
    assert {p.name for p in exp.iterdir() if not p.name.startswith(".")} >= {
        "config.yaml",
        "model.pth",
        "tokens.txt",
        "feats_stats.npz",
        "xlt.json",
        "history.json",
        "stage.json",
        "train.log",
    }
    assert (
        not list(exp.glob("*epoch.pth")) and not list(exp.glob("checkpoint*")) and not (exp / "work").exists()
    )
    assert ".partial" not in (exp / "config.yaml").read_text()
    info = json.loads((exp / "xlt.json").read_text())
    assert info["lang"] == "ron_Latn" and info["normaliser"].startswith("ron-") and info["frame_rate"] == 50.0
    history = json.loads((exp / "history.json").read_text())
    assert [h["epoch"] for h in history] == [1, 2, 3, 4]
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_second_run_is_up_to_date_and_a_changed_key_is_named(finished, capsys):
    assert main(["train", "--recipe", str(finished)]) == 0
    assert "exp/main is up to date" in capsys.readouterr().out
    assert main(["train", "--recipe", str(finished), "--dry_run", "train.lr=0.001"]) == 0
    assert "would make exp/main again (train.lr: 0.002 → 0.001)" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["none", "newest torn", "newest missing"])
def test_interrupted_training_goes_on_and_ends_as_if_never_interrupted(
    finished, tmp_path, monkeypatch, capsys, damage
):
    recipe = tmp_path / "recipe"
    shutil.copytree(finished, recipe, ignore=shutil.ignore_patterns("exp"))
    with monkeypatch.context() as patch:
        interrupt_after(patch, 4)
        assert main(["train", "--recipe", str(recipe)]) == 130
    partial = recipe / "exp" / ".main.partial"
    assert not (recipe / "exp" / "main").exists()
    newest, before = partial / task.NEWEST, partial / task.BEFORE
    assert before.exists() and not newest.exists()  # epoch 4 had begun: its predecessor was moved aside
    if damage == "newest torn":
        newest.write_bytes(before.read_bytes()[:5000])
    elif damage == "none":
        before.replace(newest)
    capsys.readouterr()
    assert main(["train", "--recipe", str(recipe)]) == 0
    out = capsys.readouterr().out
    assert "continuing where an earlier run stopped" in out and "epoch 4/" in out and "epoch 3/" not in out
    assert ("checkpoint.pth is damaged" in out) == (damage == "newest torn")
    same_model(recipe / "exp" / "main", finished / "exp" / "main")


def test_it_is_timed_first_and_training_is_as_if_it_were_not(finished, tmp_path, monkeypatch, capsys):
    recipe = tmp_path / "recipe"
    shutil.copytree(finished, recipe, ignore=shutil.ignore_patterns("exp"))
    assert main(["train", "--recipe", str(recipe), "train.max_epochs=2", "tag=timed"]) == 0
    assert "  2 epochs of about " in capsys.readouterr().out
    monkeypatch.setattr("xlt.models.espnet.timing.measure", lambda *_: timing.Pace(0.0, 0.0, 0, 0.0, 1))
    assert main(["train", "--recipe", str(recipe), "train.max_epochs=2", "tag=untimed"]) == 0
    same_model(recipe / "exp" / "timed", recipe / "exp" / "untimed")
    timed, untimed = (
        json.loads((recipe / "exp" / tag / "stage.json").read_text()) for tag in ("timed", "untimed")
    )
    assert timed["time"]["wanted"] == untimed["time"]["wanted"] == 2
    assert untimed["time"]["epoch_s"] == 0


def test_fewer_epochs_are_trained_where_time_ends_earlier(finished, monkeypatch, capsys):
    """An epoch of 60 hours: the learning rate comes down in the two that there are."""
    monkeypatch.setattr(
        "xlt.models.espnet.timing.measure", lambda *_: timing.Pace(0.0, 0.0, 0, 60 * 3600.0, 1)
    )
    words = ["train", "--recipe", str(finished), "tag=short", "train.max_epochs=9"]
    assert main([*words, "train.max_hours=150"]) == 0
    told = "2 epochs of about 60.0 h, 120.0 h in all; 9 would take 540.0 h, more than train.max_hours=150"
    assert told in capsys.readouterr().out
    exp = finished / "exp" / "short"
    assert len(json.loads((exp / "history.json").read_text())) == 2
    assert "T_max: 2" in (exp / "config.yaml").read_text()
    assert main([*words, "train.max_hours=150"]) == 0
    assert "exp/short is up to date" in capsys.readouterr().out
    assert main([*words, "tag=none", "train.max_hours=59"]) == 2
    told = capsys.readouterr().err
    assert "train.max_hours=59: one epoch takes about 60.0 h" in told and "train.freeze=upstream" in told


def test_utterances_too_short_for_ctc_are_counted_and_listed(finished, tmp_path, capsys):
    recipe = tmp_path / "recipe"
    shutil.copytree(finished, recipe, ignore=shutil.ignore_patterns("exp"))
    path = recipe / "dump" / "whisper_base" / "train" / "utt2num_frames"
    texts = dict(line.split(" ", 1) for line in (recipe / "data/train/text").read_text().splitlines())
    lines = path.read_text().splitlines()
    utt = lines[0].split()[0]
    path.write_text("\n".join([f"{utt} {len(texts[utt]) - 1}", *lines[1:]]) + "\n")
    assert main(["train", "--recipe", str(recipe), "train.max_epochs=1"]) == 0
    out = capsys.readouterr().out
    assert (
        f"train: 1 of 60 utterances have fewer frames than CTC needs for their text and are left out: {utt}"
        in out
    )
    stamp = json.loads((recipe / "exp/main/stage.json").read_text())
    assert stamp["train"] == {"utterances": 59, "infeasible": 1}
    assert (recipe / "exp/main/infeasible_train").read_text(encoding="utf-8") == f"{utt}\n"


def test_an_encoder_that_leaves_too_few_frames_is_refused(finished, tmp_path, capsys):
    """Five frames a letter, of which conv2d8 leaves less than one: ESPnet would set such losses to zero and
    go on.
    """
    recipe = tmp_path / "recipe"
    shutil.copytree(finished, recipe, ignore=shutil.ignore_patterns("exp"))
    conf = (
        "train.encoder_conf={input_layer: conv2d8, output_size: 32, attention_heads: 2, linear_units: 32,"
        " num_blocks: 1}"
    )
    assert (
        main(["train", "--recipe", str(recipe), "train.encoder=transformer", conf, "train.projection=0"]) == 2
    )
    got = capsys.readouterr()
    assert "train: 60 of 60 utterances have fewer frames than CTC needs" in got.out
    assert "no utterance is left to learn from" in got.err and "let the encoder shorten less" in got.err


@pytest.mark.parametrize(
    "settings, message",
    [
        (["train.ctc_weight=0.5"], "without a decoder the weight is 1.0"),
        (["train.encoder_conf={hiden: 3}"], "blstm has no argument 'hiden'"),
        (["train.warmup_steps=9"], "only train.schedule=plateau has a warm-up"),
        (["train.ngpu=3"], "train.ngpu=3: this machine has"),
        (["data.normaliser=none-v9"], "none-v9"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_training(finished, capsys, settings, message):
    assert main(["train", "--recipe", str(finished), "tag=bad", *settings]) == 2
    assert message in capsys.readouterr().err
    assert not (finished / "exp/.bad.partial/train.log").exists()
    assert not (finished / "exp" / "bad").exists()


def test_a_short_corpus_gets_more_epochs(tmp_path):
    make_toy_recipe(tmp_path)
    frames = 2500  # at 50 Hz 50 s: five batches of 12 s
    settings = ["train.max_epochs=30", "train.batch_s=12"]
    assert timing.wanted_epochs(load(tmp_path, [*settings, "train.min_updates=0"]).train, frames, 50.0) == 30
    assert (
        timing.wanted_epochs(load(tmp_path, [*settings, "train.min_updates=150"]).train, frames, 50.0) == 30
    )
    assert (
        timing.wanted_epochs(load(tmp_path, [*settings, "train.min_updates=151"]).train, frames, 50.0) == 31
    )


def test_bpe_tokens_train_and_come_back_as_text(finished, tmp_path):
    recipe = tmp_path / "recipe"
    shutil.copytree(finished, recipe, ignore=shutil.ignore_patterns("exp"))
    settings = [
        "--recipe",
        str(recipe),
        "tokens.type=bpe",
        "tokens.size=24",
        "train.max_epochs=1",
        "decode.sets=[test]",
    ]
    for stage in ("tokens", "train", "decode"):
        assert main([stage, *settings]) == 0
    exp = recipe / "exp" / "main"
    assert (exp / "bpe.model").exists() and "▁" in (exp / "tokens.txt").read_text()
    refs = read_table(recipe / "data" / "test" / "text")
    hyps = read_table(exp / "decode_test" / "text")
    assert hyps.keys() == refs.keys() and "▁" not in "".join(hyps.values())


def test_layer_mix_goes_with_the_model_and_another_is_refused(finished, tmp_path, capsys):
    recipe = tmp_path / "recipe"
    shutil.copytree(finished, recipe, ignore=shutil.ignore_patterns("exp"))
    dump = recipe / "dump" / "whisper_base"
    (dump / "mix").mkdir()
    (dump / "mix" / "mix.json").write_text(json.dumps({"layers": [3, 4], "norm": "none"}))
    np.savez(dump / "mix" / "mix.npz", weights=np.float32([0.25, 0.75]))
    digest = Mix.load(dump / "mix").digest

    def mixed_by(digest):
        for name in ("train", "dev"):
            path = dump / name / "feats.json"
            path.write_text(
                json.dumps({**json.loads(path.read_text()), "layers": "mix", "mix": {"digest": digest}})
            )

    mixed_by("of another mix")
    settings = ["--recipe", str(recipe), "train.max_epochs=1"]
    assert main(["train", *settings]) == 2
    assert "is not the layer mix that dump/whisper_base was made with" in capsys.readouterr().err
    mixed_by(digest)
    assert main(["train", *settings]) == 0
    assert Mix.load(recipe / "exp" / "main").digest == digest
    assert json.loads((recipe / "exp/main/xlt.json").read_text())["features"]["mix"]["digest"] == digest
    assert main(["bundle", *settings, "bundle.with_upstream=false"]) == 0
    assert Mix.load(recipe / "exp" / "main" / "bundle").digest == digest
