"""Stage 6 of a pre-training: what it leaves, going on after a kill, and what stops it."""

import json
import shutil
import subprocess
import sys

import pytest
import soundfile

from tests.data.corpus import melody
from tests.errors import told
from tests.lazy import Lazy, torch
from tests.tones import make_corpus
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.core.registry import PRETRAINING
from xlt.formats.tables import read_table, spk2utt, write_table

checkpoint = Lazy("xlt.models.checkpoint")
SIZES = {
    "bestrq_nano": "{layers: 2, dim: 32, heads: 2, ffn: 64, codes: 32}",
    "wav2vec2_nano": "{layers: 2, dim: 32, heads: 2, ffn: 64, conv_dim: 32, conv_pos: 16, codes: 16,"
    " code_dim: 32, negatives: 10}",
}


def speech(recipe):
    """What stage 1 makes: ten clips to learn from, two to measure."""
    recipe.mkdir(parents=True)
    (recipe / "recipe.yaml").write_text(
        "lang: mul_Zyyy\npreset: bestrq_nano\npretrain: {recipes: [../ron], epochs: 2, batch_s: 4}\nnj: 1\n"
    )
    for name, numbers in (("train", range(10)), ("dev", range(10, 12))):
        data = recipe / "data" / name
        (data / "wav").mkdir(parents=True)
        for n in numbers:
            soundfile.write(data / f"wav/c{n:02}.wav", melody(n, 1.0 + 0.1 * n), 16000)
        utts = [f"c{n:02}" for n in numbers]
        write_table(data / "wav.scp", {utt: f"data/{name}/wav/{utt}.wav" for utt in utts})
        write_table(data / "utt2spk", dict.fromkeys(utts, "c"))
        write_table(data / "spk2utt", spk2utt(dict.fromkeys(utts, "c")))
        write_table(data / "utt2dur", {f"c{n:02}": f"{1.0 + 0.1 * n:.4f}" for n in numbers})
        write_table(data / "utt2audio", {utt: f"{utt:0>20}" for utt in utts})
    return recipe


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(PRETRAINING.entries, "toy", "tests.models.ssl.toy:Toy")
    place = speech(tmp_path / "egs/pretrain")
    monkeypatch.chdir(place)
    return place


TOY = ["pretrain.method=toy", "pretrain.epochs=3"]


@pytest.mark.trains
@pytest.mark.parametrize("preset", SIZES)
def test_an_encoder_comes_out_that_recipes_take(recipe, preset, tmp_path, capsys, monkeypatch):
    assert main(["train", f"preset={preset}", f"pretrain.model={SIZES[preset]}", f"tag={preset}"]) == 0
    out = recipe / "exp" / preset
    facts = json.loads((out / "pretrained.json").read_text())
    history = json.loads((out / "history.json").read_text())
    said = capsys.readouterr().out
    assert len(history) == 2 and "epoch 2/2" in said and "codebook perplexity" in said
    for row in history:
        assert 1 <= row["train"]["perplexity"] <= row["dev"]["codes"] and 0 < row["train"]["used"] <= 1
        assert 0 <= row["dev"]["accuracy"] <= 100 and row["s_per_step"] > 0
    assert set(read_table(out / "heard")) == {f"c{n:02}" for n in range(10)}
    assert not (out / "work").exists()
    curve = json.loads((out / "curve.json").read_text())["rows"]
    assert [row["step"] for row in curve] == list(range(1, facts["steps"] + 1))  # under 200, so each
    assert all(1 <= row["perplexity"] <= facts["codes"] and 0 < row["used"] <= 1 for row in curve)
    assert main(["train", f"preset={preset}", f"pretrain.model={SIZES[preset]}", f"tag={preset}"]) == 0
    assert "is up to date" in capsys.readouterr().out

    make_corpus(tmp_path / "corpus", train=12, held_out=3)
    target = tmp_path / "egs/eng"
    target.mkdir()
    (target / "recipe.yaml").write_text(
        "lang: eng_Latn\ndata: {reader: kaldi, dir: ../../corpus}\nnj: 1\nscore: {bootstrap: 20}\n"
        "train: {max_epochs: 1, min_updates: 0, projection: 16, encoder_conf: {hidden_size: 16}}\n"
        f"lm: {{type: none}}\nfeatures: {{upstream: {facts['upstream']}, path: {out}, mix_updates: 5}}\n"
    )
    for stage in ("data", "features", "tokens", "train", "decode"):
        assert main([stage, "--recipe", str(target)]) == 0, stage
    texts = read_table(target / "data/test/text")
    assert read_table(target / "exp/main/decode_test/text").keys() == texts.keys()
    for stage in ("features", "train", "decode"):
        assert main([stage, "--recipe", str(target), "train.freeze=none", "tag=tuned"]) == 0, stage

    # an encoder that has heard a clip of dev is refused before anything is encoded
    heard = {
        **read_table(out / "heard"),
        "other": next(iter(read_table(target / "data/dev/utt2audio").values())),
    }
    write_table(out / "heard", {utt: line if " " in line else f"{line} -" for utt, line in heard.items()})
    capsys.readouterr()
    assert main(["features", "--recipe", str(target)]) == 2
    told(capsys.readouterr().err, 1, "dev", "pretrain.held_out")
    assert main(["features", "--recipe", str(target), "features.upstream=whisper_base"]) == 2
    told(capsys.readouterr().err, facts["upstream"], where="features.upstream=whisper_base")


@pytest.mark.parametrize("preset", ["toy", "bestrq_nano"])
def test_a_killed_run_goes_on_and_ends_with_the_same_weights(recipe, preset, monkeypatch, capsys):
    monkeypatch.setattr("xlt.models.ssl.pretraining.CHECKPOINT_STEPS", 2)
    settings = TOY if preset == "toy" else [f"pretrain.model={SIZES[preset]}"]
    assert main(["train", *settings, "tag=whole"]) == 0
    original, count = checkpoint.write, [0]

    def write(work, state):
        original(work, state)
        count[0] += 1
        if count[0] in (1, 3):  # within an epoch, and later
            raise KeyboardInterrupt

    monkeypatch.setattr("xlt.models.checkpoint.write", write)
    assert main(["train", *settings, "tag=killed"]) == 130
    assert main(["train", *settings, "tag=killed"]) == 130
    capsys.readouterr()
    assert main(["train", *settings, "tag=killed"]) == 0
    assert "goes on behind step" in capsys.readouterr().out
    name = "toy.pth" if preset == "toy" else "model.safetensors"
    whole, killed = ((recipe / "exp" / tag / name).read_bytes() for tag in ("whole", "killed"))
    assert len(whole) == len(killed)
    if preset == "toy":
        one, other = (torch.load(recipe / "exp" / tag / name) for tag in ("whole", "killed"))
        assert all(torch.equal(one[key], other[key]) for key in one)
    else:
        assert whole == killed
    runs = [json.loads((recipe / "exp" / tag / "history.json").read_text()) for tag in ("whole", "killed")]
    assert all(row.pop("s_per_step") > 0 for run in runs for row in run) and runs[0] == runs[1]
    curves = [(recipe / "exp" / tag / "curve.json").read_text() for tag in ("whole", "killed")]
    assert curves[0] == curves[1]


def test_a_collapsed_codebook_stops_with_what_to_do(recipe, capsys):
    model = "pretrain.model={collapse: 3}"
    assert main(["train", *TOY, model]) == 0  # all codes in epoch 1, two of twenty later: 10%
    assert main(["train", *TOY, model, "tag=b", "pretrain.least_codes=0.2"]) == 2
    told(capsys.readouterr().err, "pretrain.lr", "pretrain.warm_up", 20, where="pretrain.least_codes=0.2")
    assert not (recipe / "exp/b").exists() and not list((recipe / "exp/.b.partial").glob("work"))
    assert main(["train", *TOY, model, "tag=b", "pretrain.least_codes=0"]) == 0


def test_no_epochs_give_random_weights_to_compare_with(recipe, capsys):
    assert main(["train", *TOY, "pretrain.epochs=0"]) == 0
    state = torch.load(recipe / "exp/main/toy.pth")
    assert all(value.abs().sum() == 0 for value in state.values())  # as the toy begins
    assert json.loads((recipe / "exp/main/history.json").read_text()) == []
    assert json.loads((recipe / "exp/main/pretrained.json").read_text())["epochs"] == 0


def test_a_loss_that_is_no_number_stops(recipe, capsys):
    assert main(["train", *TOY, "pretrain.model={nan: 2}", "pretrain.lr=0.5"]) == 2
    told(capsys.readouterr().err, "step 3", where="pretrain.lr=0.5")


def test_the_learning_rate_rises_and_falls(recipe, monkeypatch):
    rates = []
    original = torch.optim.AdamW.step

    def step(self, *args):
        rates.append(self.param_groups[0]["lr"])
        return original(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    assert main(["train", *TOY, "pretrain.epochs=5", "pretrain.lr=1.0", "pretrain.warm_up=0.4"]) == 0
    rates = rates[1:]  # the first is of the step that is timed
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(1.0) and top + 1 == round(0.4 * len(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.2


def test_stages_that_have_nothing_to_do_say_so(recipe, capsys):
    for stage in ("check", "features", "decode"):
        assert main([stage]) == 0
        assert (
            capsys.readouterr().out == f"{stage}: nothing to do in a pre-training (pretrain.method=bestrq)\n"
        )


def test_the_command_runs_both_stages_and_says_how_to_use_the_encoder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(PRETRAINING.entries, "toy", "tests.models.ssl.toy:Toy")
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe/recipe.yaml").write_text("lang: mul_Zyyy\npretrain: {method: toy, epochs: 1}\n")
    (tmp_path / "sounds").mkdir()
    for n in range(4):
        soundfile.write(tmp_path / f"sounds/{n}.wav", melody(n), 16000)
    monkeypatch.chdir(tmp_path)
    assert main(["pretrain", "--recipe", "recipe", "pretrain.folders=[sounds]"]) == 0
    assert "features.upstream=fbank features.path=recipe/exp/main" in capsys.readouterr().out
    assert main(["run", "--recipe", "recipe", "pretrain.folders=[sounds]"]) == 0
    out = capsys.readouterr().out
    assert out.count("is up to date") == 6 and out.count("nothing to do") == 7
    assert "features.path=recipe/exp/main" in out


def test_a_recogniser_s_recipe_is_refused(tmp_path, capsys):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\ndata: {reader: tuxpaint}\n")
    assert main(["pretrain", "--recipe", str(tmp_path)]) == 2
    told(capsys.readouterr().err, "egs/pretrain", where="pretrain.method=none")


def test_without_speech_it_says_which_stage_makes_it(recipe, capsys):
    shutil.rmtree(recipe / "data")
    assert main(["train"]) == 2
    assert "stage 1 (data)" in capsys.readouterr().err


def test_texts_that_teach_are_read_with_their_clips_and_their_lack_is_told(recipe, capsys, monkeypatch):
    heard = {}

    def step(self, waves, rng, done, texts=()):
        heard.update(zip([len(wave) for wave in waves], texts, strict=True))
        return original(self, waves, rng, done)

    toy = PRETRAINING.get("toy")
    original = toy.step
    monkeypatch.setattr(toy, "step", step)
    monkeypatch.setattr(toy, "reads_texts", True)
    monkeypatch.setattr(toy, "read", lambda self, texts: heard.update({0: sorted(texts)}), raising=False)
    run = ["train", *TOY, "pretrain.model={ctc_weight: 0.3}"]
    assert main(run) == 2
    told(capsys.readouterr().err, "c00", "pretrain.model.ctc_weight", where="data/train/text")
    texts = {f"c{n:02}": f"clip {n}" for n in range(12)}
    for name, utts in (("train", range(10)), ("dev", range(10, 12))):
        write_table(recipe / "data" / name / "text", {f"c{n:02}": texts[f"c{n:02}"] for n in utts})
    assert main(run) == 0
    assert heard.pop(0) == sorted(f"clip {n}" for n in range(10))
    assert heard == {round(16000 * (1 + 0.1 * n)): f"clip {n}" for n in range(12)}


def test_planning_imports_no_torch(recipe):
    """A stage that is up to date must not cost seconds."""
    place = f"Path({str(recipe)!r})"
    code = (
        "import sys; from pathlib import Path; from xlt.core.config import load;"
        " from xlt.core.context import Context; from xlt.models import ssl;"
        f" ssl.unit(Context({place}, load({place}))); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
