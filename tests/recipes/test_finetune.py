"""Fine-tuning and adapters through all stages, with a tiny wav2vec2 and a tiny Whisper."""

import json
import shutil

import pytest

from tests.interrupt import interrupt_after
from tests.lazy import Lazy, torch
from tests.tiny import make_tiny_wav2vec2, make_tiny_whisper
from tests.tones import make_corpus
from xlt.audio.files import read_wav
from xlt.cli import main
from xlt.formats.tables import read_table
from xlt.models.espnet.frontends import find_weights
from xlt.upstreams import freeze, upstream_class

task = Lazy("xlt.models.espnet.task")
tunable = Lazy("xlt.upstreams.tunable")

pytestmark = pytest.mark.trains

UPSTREAMS = {"wav2vec2": "hf_wav2vec2_custom", "whisper": "whisper_base"}
PRESETS = {"tuned": "finetune_ssl", "adapted": "adapter_ssl"}
AFTER = "train.freeze_updates=6"  # in the second of three epochs


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A recipe with stages 1, 2 and 4 done, and the models beside it."""
    root = tmp_path_factory.mktemp("finetune")
    make_tiny_wav2vec2(root / "wav2vec2")
    make_tiny_whisper(root / "whisper")
    make_corpus(root / "corpus", train=16, held_out=3)
    folder = root / "recipe"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(
        f"lang: eng_Latn\ndata: {{reader: kaldi, dir: {root / 'corpus'}}}\nnj: 1\nscore: {{bootstrap:"
        " 20}\ntrain: {max_epochs: 3, min_updates: 0, projection: 16, batch_s: 6, encoder_conf:"
        " {hidden_size: 16}}\nlm: {type: none}\n"
    )
    assert main(["data", "--recipe", str(folder)]) == main(["tokens", "--recipe", str(folder)]) == 0
    return root


def words(folder, name, what, *settings):
    return [
        "--recipe",
        str(folder),
        f"preset={PRESETS[what]}",
        f"features.upstream={UPSTREAMS[name]}",
        f"features.path={folder.parent / name}",
        f"tag={name}_{what}",
        AFTER,
        *settings,
    ]


def run(root, stages, name, what, *settings):
    for stage in stages:
        assert main([stage, *words(root / "recipe", name, what, *settings)]) == 0, stage


@pytest.fixture(scope="module", params=[(name, what) for name in UPSTREAMS for what in PRESETS], ids="-".join)
def trained(root, request):
    """(root, upstream, what, exp/<tag>) with all stages done."""
    name, what = request.param
    run(root, ["features", "train", "decode", "score", "bundle"], name, what)
    return root, name, what, root / "recipe" / "exp" / f"{name}_{what}"


def test_model_holds_what_was_trained_and_nothing_else(trained):
    root, name, what, exp = trained
    state = torch.load(exp / "model.pth", weights_only=True)
    kinds = {key.split(".")[1] for key in state if key.startswith("frontend.")}
    assert kinds == {"featurizer", "updates", "net" if what == "tuned" else "adapters"}
    assert {"preencoder", "encoder", "ctc"} <= {key.split(".")[0] for key in state}  # the head is there
    upstream = (root / name / "model.safetensors").stat().st_size / 4
    if what == "tuned":
        assert (exp / "upstream" / "config.json").exists() and not (
            exp / "upstream" / "model.safetensors"
        ).exists()
    else:
        assert sum(v.numel() for k, v in state.items() if k.startswith("frontend.")) < 0.5 * upstream
    info = json.loads((exp / "xlt.json").read_text())["features"]
    assert info["tuning"]["adapter"] == ("none" if what == "tuned" else "lora")
    assert info["mix"]["weights"] != [0.33333] * 3 and len(info["mix"]["weights"]) == 3


def test_upstream_moved_only_where_it_may(trained):
    root, name, what, exp = trained
    state = torch.load(exp / "model.pth", weights_only=True)
    source = find_weights(UPSTREAMS[name], str(root / name), None, None)
    before = tunable.Net(upstream_class(source.upstream).pieces(source), 2, 0.0).state_dict()
    if what == "adapted":
        assert any(k.endswith(".b.q") and v.abs().max() > 0 for k, v in state.items())
        return
    for key, value in before.items():
        same = torch.allclose(state[f"frontend.net.{key}"], value, atol=1e-6)
        assert same == key.startswith("front.") or key.endswith("k.bias"), key


def test_loaded_model_gives_the_very_outputs_of_the_trained_one(trained, tmp_path, monkeypatch):
    root, name, what, exp = trained
    monkeypatch.chdir(root / "recipe")
    wavs = [
        torch.from_numpy(read_wav(path)) for path in read_table(root / "recipe/data/test/wav.scp").values()
    ]
    speech, lengths = (
        torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True),
        torch.tensor([len(w) for w in wavs]),
    )

    def outputs(folder):
        with torch.no_grad():
            return task.load_model(folder).encode(speech, lengths)[0]

    model = task.load_model(exp)
    with torch.no_grad():
        for parameter in model.parameters():  # as if it had been trained on
            parameter += 0.01 * torch.randn_like(parameter)
        wanted = model.eval().encode(speech, lengths)[0]
    copy = tmp_path / "exp"
    shutil.copytree(exp, copy)
    torch.save(model.state_dict(), copy / "model.pth")
    assert torch.equal(outputs(copy), wanted) and not torch.equal(outputs(exp), wanted)
    assert torch.equal(outputs(exp / "bundle"), outputs(exp))


def test_a_bundle_transcribes_with_recipe_and_weights_gone(trained, tmp_path, capsys):
    root, name, what, exp = trained
    bundle, wavs = tmp_path / "bundle", read_table(root / "recipe/data/test/wav.scp")
    hyps = read_table(exp / "decode_test" / "text")
    shutil.copytree(exp / "bundle", bundle)
    assert (bundle / "upstream" / "model.safetensors").exists() == (what == "adapted")
    sounds = [str(root / "recipe" / w) for w in wavs.values()]
    (root / name).rename(root / "aside")
    capsys.readouterr()
    try:
        assert main(["transcribe", str(bundle), *sounds]) == 0
    finally:
        (root / "aside").rename(root / name)
    assert capsys.readouterr().out == "".join(f"{s}\t{hyps[u]}\n" for s, u in zip(sounds, wavs, strict=True))


def test_beam_search_loads_it_too(trained):
    root, name, what, _ = trained
    run(root, ["decode"], name, what, "decode.method=beam", "decode.beam_size=2", "decode.sets=[dev]")


@pytest.mark.parametrize("name, what", [("wav2vec2", "tuned"), ("whisper", "adapted")])
def test_interrupted_training_goes_on_with_upstream_optimiser_and_count(
    root, tmp_path, monkeypatch, capsys, name, what
):
    folder = tmp_path / "recipe"
    shutil.copytree(root / "recipe", folder, ignore=shutil.ignore_patterns("exp"))
    for model in UPSTREAMS:
        shutil.copytree(root / model, tmp_path / model)
    settings = words(folder, name, what)
    assert main(["features", *settings]) == main(["train", *settings, "tag=whole"]) == 0
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)
        assert main(["train", *settings]) == 130
    partial = folder / "exp" / f".{name}_{what}.partial"
    found = torch.load(partial / task.BEFORE, weights_only=True)
    batches = int(found["model"]["frontend.updates"])
    assert batches == 8  # two whole epochs; the upstream is tuned since the second
    groups = found["optimizers"][0]["param_groups"]
    assert len(groups) == 3  # the head, two layers
    if what == "tuned":
        assert (
            groups[1]["initial_lr"] == pytest.approx(0.9 * groups[2]["initial_lr"]) == pytest.approx(0.9e-4)
        )
        ratio = groups[0]["lr"] / groups[0]["initial_lr"]
        assert ratio < 1 and groups[2]["lr"] / groups[2]["initial_lr"] == pytest.approx(ratio)
    steps = {int(s["step"]) for s in found["optimizers"][0]["state"].values()}
    assert steps == {8, 2}  # the head's, and the upstream's
    (partial / task.BEFORE).replace(partial / task.NEWEST)
    capsys.readouterr()
    assert main(["train", *settings]) == 0
    out = capsys.readouterr().out
    assert "continuing where an earlier run stopped" in out and "epoch 3/" in out and "epoch 2/" not in out
    first, second = (
        torch.load(folder / "exp" / tag / "model.pth", weights_only=True)
        for tag in (f"{name}_{what}", "whole")
    )
    assert first.keys() == second.keys()
    for key in first:
        torch.testing.assert_close(first[key], second[key], atol=1e-5, rtol=1e-4, msg=key)


def test_an_upstream_that_the_head_learns_without_stays_as_it_was(root):
    for tag, updates in (("alone", 10**6), ("both", 0)):
        run(
            root,
            ["features", "train"],
            "wav2vec2",
            "tuned",
            f"tag={tag}",
            f"train.freeze_updates={updates}",
            "train.upstream_lr=0.01",
        )
    alone, both = (
        json.loads((root / "recipe/exp" / tag / "history.json").read_text()) for tag in ("alone", "both")
    )
    assert (
        both[-1]["train_loss"] < both[0]["train_loss"] and both[-1]["train_loss"] != alone[-1]["train_loss"]
    )
    source = find_weights(UPSTREAMS["wav2vec2"], str(root / "wav2vec2"), None, None)
    wanted = upstream_class(source.upstream).pieces(source).layers[0]["q"].weight
    for tag in ("alone", "both"):
        found = torch.load(root / "recipe/exp" / tag / "model.pth", weights_only=True)[
            "frontend.net.layers.0.q.weight"
        ]
        assert torch.allclose(found, wanted, atol=1e-6) == (tag == "alone")


def test_speed_copies_and_a_borrowed_mix_need_a_frozen_upstream(root, capsys):
    for setting in ("features.speed=[0.9, 1.0]", "features.mix_from=../cat"):
        assert main(["features", *words(root / "recipe", "whisper", "tuned", setting)]) == 2
        assert "train.freeze=upstream" in capsys.readouterr().err


def test_what_auto_chose_holds_in_all_stages(root, monkeypatch, capsys):
    monkeypatch.setattr(
        freeze, "AMOUNTS", tuple(a._replace(from_min=a.from_min / 300) for a in freeze.AMOUNTS)
    )
    settings = words(
        root / "recipe",
        "whisper",
        "tuned",
        "preset=fast",
        "tag=auto",
        "train.max_epochs=1",
        "decode.sets=[dev]",
    )
    for stage in ("features", "train", "decode", "score", "bundle"):
        assert main([stage, *settings]) == 0
    said = "is trained, except for its convolutions (0.4 minutes of speech, 0.1 or more"
    assert capsys.readouterr().out.count(said) == 2  # in stages 3 and 6
    exp = root / "recipe" / "exp" / "auto"
    assert any(k.startswith("frontend.net.") for k in torch.load(exp / "model.pth", weights_only=True))
    score = json.loads((exp / "score.json").read_text())
    assert (
        score["config"]["train.freeze"] == "extractor"
        and score["features"]["tuning"]["freeze"] == "extractor"
    )
