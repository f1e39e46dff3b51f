"""Whisper with its decoder through all stages, with a tiny random one: all weights, LoRA, the decoder alone
on stored outputs, without CTC, and without training.
"""

import json
import shutil

import numpy as np
import pytest

from tests.errors import raises
from tests.lazy import Lazy, torch
from tests.tiny import make_tiny_whisper
from tests.tones import make_corpus
from xlt.cli import main
from xlt.core.errors import UpstreamError
from xlt.formats.tables import read_table

fit = Lazy("xlt.models.whisper.fit")
weights = Lazy("xlt.models.whisper.weights")

pytestmark = pytest.mark.trains

WAYS = {
    "all": ["preset=whisper_ed"],
    "lora": ["preset=whisper_ed", "train.freeze=upstream", "train.adapter=lora", "train.adapter_dim=4"],
    "decoder": ["preset=whisper_ed", "train.freeze=upstream", "features.on_the_fly=false"],
    "attention": ["preset=whisper_ed", "train.ctc_weight=0", "train.windows_s=[30]"],
    "zero": ["preset=whisper_zero"],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A recipe with stages 1 and 4 done, and the model beside it."""
    root = tmp_path_factory.mktemp("whisper")
    make_tiny_whisper(root / "whisper")
    make_corpus(root / "corpus", train=12, held_out=3)
    folder = root / "recipe"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(
        f"lang: eng_Latn\ndata: {{reader: kaldi, dir: {root / 'corpus'}}}\nnj: 1\nscore: {{bootstrap: 20}}\n"
        f"features: {{upstream: whisper_base, path: {root / 'whisper'}}}\n"
        "train: {max_epochs: 2, min_updates: 0, batch_s: 10, freeze_updates: 6, upstream_lr: 0.001}\n"
        "decode: {beam_size: 2}\n"
    )
    assert main(["data", "--recipe", str(folder)]) == main(["tokens", "--recipe", str(folder)]) == 0
    return root


def run(root, stages, way, *settings):
    for stage in stages:
        words = [stage, "--recipe", str(root / "recipe"), *WAYS[way], f"tag={way}", *settings]
        assert main(words) == 0, stage


@pytest.fixture(scope="module", params=list(WAYS))
def trained(root, request):
    """(root, way, exp/<tag>) with all stages done."""
    way = request.param
    run(root, ["features", "lm", "train", "decode", "score", "report", "bundle"], way)
    return root, way, root / "recipe" / "exp" / way


def test_what_was_to_be_trained_has_moved_and_nothing_else(trained):
    root, way, exp = trained
    before = weights.published(root / "whisper").state_dict()
    facts = json.loads((exp / "xlt.json").read_text())["whisper"]
    after = weights.load(exp, facts).whisper.state_dict()
    moved = {key for key, value in before.items() if (after[key] - value).abs().max() > 1e-3}
    layers = {key for key in before if ".layers." in key and key.endswith("weight")}
    if way == "zero":
        assert not moved and facts["windows_s"] == [30.0] and facts["head"] is None
        return
    assert (exp / "ctc.safetensors").exists() == (way != "attention")
    assert facts["tuned"] == ("all" if way == "attention" else way)
    assert not any("embed" in key or key == "proj_out.weight" for key in moved)
    encoder = {key for key in moved if ".encoder." in key}
    if way == "decoder":
        assert not encoder
    if way == "lora":
        assert moved and all(key.split(".")[-2].endswith("_proj") and "attn" in key for key in moved)
    if way == "all":
        assert {key for key in layers if "fc1" in key} <= moved and "model.encoder.conv1.weight" in moved


def test_every_rung_is_scored_that_there_is(trained):
    _, way, exp = trained
    scores = json.loads((exp / "score.json").read_text())
    assert set(scores["sets"]) == ({"test"} if way == "zero" else {"dev", "test"})
    ctc = way not in ("zero", "attention")
    assert bool(scores.get("greedy")) == (exp / "decode_test" / "greedy").exists() == ctc
    assert len(json.loads((exp / "history.json").read_text())) == (0 if way == "zero" else 2)


def test_a_bundle_transcribes_with_recipe_and_weights_gone(trained, tmp_path, capsys):
    root, way, exp = trained
    bundle, wavs = tmp_path / "bundle", read_table(root / "recipe/data/test/wav.scp")
    hyps = read_table(exp / "decode_test" / "text")
    if way not in ("attention", "zero"):  # where CTC hears nothing at all, a recording has no text
        letters = read_table(exp / "decode_test" / "greedy")
        hyps = {utt: text if letters[utt] else "" for utt, text in hyps.items()}
    shutil.copytree(exp / "bundle", bundle)
    assert (bundle / "upstream").exists() == (way == "decoder")  # else its weights are in the model's
    sounds = [str(root / "recipe" / w) for w in wavs.values()]
    (root / "whisper").rename(root / "aside")
    capsys.readouterr()
    try:
        assert main(["transcribe", str(bundle), *sounds]) == 0
    finally:
        (root / "aside").rename(root / "whisper")
    assert capsys.readouterr().out == "".join(f"{s}\t{hyps[u]}\n" for s, u in zip(sounds, wavs, strict=True))


def test_an_interrupted_training_goes_on_to_the_same_model(root, monkeypatch):
    settings = ["train.max_epochs=3", "features.augment=['noise:5..20', 'gain:-20..0']"]
    run(root, ["features", "train"], "all", "tag=whole", *settings)
    original = fit.Training._epoch

    def epoch(self, number):
        if number == 2:
            raise KeyboardInterrupt
        return original(self, number)

    monkeypatch.setattr(fit.Training, "_epoch", epoch)
    words = ["train", "--recipe", str(root / "recipe"), *WAYS["all"], "tag=broken", *settings]
    assert main(words) == 130
    monkeypatch.setattr(fit.Training, "_epoch", original)
    newest = root / "recipe" / "exp" / ".broken.partial" / "work" / "checkpoint.pth"
    newest.write_bytes(newest.read_bytes()[:1000])  # the epoch before is taken, and trained again
    assert main(words) == 0
    whole, broken = (
        [row["loss_ctc"] for row in json.loads((root / "recipe/exp" / tag / "history.json").read_text())]
        for tag in ("whole", "broken")
    )
    assert whole == pytest.approx(broken, rel=1e-4)
    assert (root / "recipe/exp/broken/model.safetensors").stat().st_size > 0
    stamp = json.loads((root / "recipe/exp/broken/stage.json").read_text())
    assert stamp["time"]["wanted"] == 3 and stamp["time"]["epoch_s"] > 0


def test_a_model_starts_from_another_one(root):
    run(root, ["features", "lm", "train"], "all")
    start = [f"train.init={root / 'recipe/exp/all'}", "train.init_tokens=match"]
    run(root, ["train"], "all", "tag=next", *start, "train.max_epochs=1")
    told_of = json.loads((root / "recipe/exp/next/transfer.json").read_text())
    assert told_of["copied_tokens"] and not told_of["new_tokens"]
    run(root, ["train"], "all", "tag=same", *start, "train.zero_shot=true")
    source, same = (json.loads((root / f"recipe/exp/{tag}/xlt.json").read_text()) for tag in ("all", "same"))
    assert same["whisper"] == source["whisper"]
    before, after = (weights.read_head(root / "recipe/exp" / tag) for tag in ("all", "same"))
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_another_language_is_mixed_in_under_its_own_token(root, monkeypatch):
    """What the source could on it before, and the new model after, is decoded by attention."""
    run(root, ["features", "lm", "train"], "all")
    make_corpus(root / "other_corpus", train=8, held_out=2)
    other = root / "other"
    other.mkdir()
    text = (root / "recipe" / "recipe.yaml").read_text()
    text = text.replace("eng_Latn", "spa_Latn").replace("/corpus}", "/other_corpus}")
    (other / "recipe.yaml").write_text(text)
    assert main(["data", "--recipe", str(other)]) == 0
    monkeypatch.chdir(root / "recipe")
    start = [
        f"train.init={root / 'recipe/exp/all'}",
        "train.init_tokens=match",
        "train.mix={other: 0.3}",
        "train.max_epochs=1",
    ]
    stages = ["data", "tokens", "features", "lm", "train", "decode", "score"]
    run(root, stages, "all", "tag=mixed", *start, "decode.sets=[test]")
    exp = root / "recipe" / "exp" / "mixed"
    facts = json.loads((exp / "xlt.json").read_text())["whisper"]
    assert facts["languages"] == {"eng_Latn": "en", "spa_Latn": "es"}
    assert set(json.loads((exp / "score.json").read_text())["forgetting"]) == {"test_other"}
    assert {"spk-train000", "spa_Latn_spk-train000"} <= read_table(exp / "heard").keys()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.encoder=linear", ["train.encoder=linear", "leave it out"]),
        ("tokens.type=phone", ["tokens.type=phone", "preset=fast"]),
        ("features.upstream=fbank", ["features.upstream=fbank", "whisper_base"]),
        ("train.freeze=upstream train.adapter=houlsby", ["train.adapter=houlsby", "only lora"]),
        ("train.windows_s=[40]", ["train.windows_s=[40]", "at most 30"]),
        ("features.layers=mix", ["features.layers=mix", "features.layers=last"]),
        ("train.whisper_token=xx", ["train.whisper_token=xx"]),
        ("train.windows_s=[0.5]", ["longer window"]),
        ("train.max_hours=0.00001", ["train.max_hours=1e-05", "preset=fast"]),
    ],
)
def test_bad_settings_are_told_before_anything_is_trained(root, setting, words, capsys):
    assert main(["features", "--recipe", str(root / "recipe"), *WAYS["all"]]) == 0
    capsys.readouterr()
    code = main(["train", "--recipe", str(root / "recipe"), *WAYS["all"], "tag=bad", *setting.split()])
    assert code == 2
    out, said = capsys.readouterr()
    assert all(word in said for word in words), said
    assert not (root / "recipe/exp/bad").exists() and "head alone:" not in out


def test_a_whisper_without_its_decoder_is_refused(tmp_path):
    make_tiny_whisper(tmp_path / "whisper")
    from safetensors.numpy import load_file, save_file

    path = tmp_path / "whisper" / "model.safetensors"
    kept = {key: value for key, value in load_file(path).items() if "decoder" not in key}
    save_file(kept, path, metadata={"format": "pt"})
    with raises(UpstreamError, "decoder", "features.path", where=path.parent.as_posix()):
        weights.published(path.parent)


def test_masks_cover_no_more_than_they_may():
    import random

    speech = Lazy("xlt.models.whisper.speech")
    x = torch.ones(2, 80, 200)
    x[:, :, 0] = 0.0  # the least, by which masked places are told
    out = speech.mask(x, torch.tensor([100, 40]), 20, 0.1, 2, random.Random(0))
    masked = (out == 0).numpy()
    assert masked[:, :, 1:].any() and x[:, :, 1:].min() == 1
    times = masked[:, :, 1:].all(1)
    assert times[0].sum() <= 2 * 20 and times[1].sum() <= 2 * 16 and not times[1, 80:].any()
    assert np.all(masked.all(2).sum(1) <= 2 * 8)
