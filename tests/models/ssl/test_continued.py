"""Continued pre-training: what it measures and writes, and the recipe that learns from its own speech."""

import json
import types

import numpy as np
import pytest

from tests.data.corpus import melody
from tests.errors import raises, told
from tests.lazy import Lazy, torch
from tests.tiny import make_tiny_wav2vec2, make_tiny_whisper
from tests.tones import make_corpus
from tests.upstreams.layouts import make
from xlt.cli import main
from xlt.core.errors import UpstreamError
from xlt.formats.tables import read_table
from xlt.upstreams import upstream_class
from xlt.upstreams.base import Source

continued = Lazy("xlt.models.ssl.continued")
UPSTREAMS = {"whisper": "whisper_base", "wav2vec2": "hf", "w2v_bert": "hf"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("encoders")
    make(root / "w2v_bert", "w2v_bert")
    return {
        "whisper": make_tiny_whisper(root / "whisper"),
        "wav2vec2": make_tiny_wav2vec2(root / "wav2vec2"),
        "w2v_bert": root / "w2v_bert",
    }


def found(name, folder):
    return upstream_class(name).find(name, str(folder), folder.parent / "cache")


def method(folders, kind, **sizes):
    made = continued.ContinuedMethod(sizes, 0, "cpu", found(UPSTREAMS[kind], folders[kind]))
    made.narrow = False  # float32: compared with what others compute
    return made


def waves(*seconds):
    return [torch.from_numpy(melody(n, dur_s)) for n, dur_s in enumerate(seconds)]


def change(made):
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for lora in made.module:
            for b in lora.b.values():
                b.copy_(0.3 * torch.randn(b.shape, generator=rng))


@pytest.mark.parametrize("kind", UPSTREAMS)
def test_the_folder_gives_what_the_changed_encoder_gives(folders, kind, tmp_path):
    made = method(folders, kind, rank=2)
    change(made)
    made.save(tmp_path)
    wave = melody(3, 1.3)
    with torch.no_grad():
        states = made.net([torch.from_numpy(wave)], made.module)[0]
    name = UPSTREAMS[kind]
    layers = list(range(len(states)))
    after, before = (
        upstream_class(name)(found(name, place), "float32", "cpu").encode([wave], layers)[0]
        for place in (tmp_path, folders[kind])
    )
    for state, new in zip(states, after, strict=True):
        frames = min(len(state), new.shape[1])  # the last is repeated, or silence stands behind
        assert torch.allclose(state[:frames], new[0, :frames], atol=2e-3)
    assert not torch.allclose(after[-1], before[-1], atol=0.05)


def test_without_changes_the_weights_are_what_they_were(folders, tmp_path):
    from safetensors.torch import load_file

    method(folders, "whisper").save(tmp_path)
    old, new = (load_file(place / "model.safetensors") for place in (folders["whisper"], tmp_path))
    assert old.keys() == new.keys() and all(torch.equal(old[key], new[key]) for key in old)
    assert {path.name for path in tmp_path.iterdir()} == {
        path.name for path in folders["whisper"].iterdir() if path.suffix in (".json", ".safetensors")
    }


def test_what_is_measured_is_the_variance_explained_of_covered_frames(folders):
    made = method(folders, "whisper", mask_share=0.5)
    made.module.eval()
    first, second, third = waves(1.0, 1.6, 3.0)
    step = made.step([first, second, third], np.random.default_rng(3), 0.0)
    clips = [torch.cat([first, second]), third]  # all three would not fit into 5 s
    # the same by the upstream that extracts features, and numpy
    rng = np.random.default_rng(3)
    masks = [made._mask(len(clip), 10**6, rng) for clip in clips]
    covered = [made._covered(clip, mask, rng) for clip, mask in zip(clips, masks, strict=True)]
    upstream = upstream_class("whisper_base")(found("whisper_base", folders["whisper"]), "float32", "cpu")
    shares = []
    for layer in (1, 2):
        clean, noisy = (
            np.concatenate([upstream.encode([clip.numpy()], [layer])[0][0][0].numpy() for clip in group])
            for group in (clips, covered)
        )
        hidden = np.concatenate(masks)
        share = (noisy - clean)[hidden] ** 2 / clean.var(axis=0)
        shares.append(1 - share.mean())
    assert [len(mask) for mask in masks] == [130, 150] and step.masked == hidden.sum() > 80
    assert step.guessed / step.masked == pytest.approx(np.mean(shares), abs=1e-3)
    assert step.right == pytest.approx(step.guessed, abs=1e-3)  # nothing is changed yet
    assert step.codes is None


def test_noise_covers_whole_frames_as_loud_as_the_clip(folders):
    made = method(folders, "wav2vec2")
    wave = waves(2.0)[0]
    mask = made._mask(len(wave), 99, np.random.default_rng(0))
    covered = made._covered(wave, mask, np.random.default_rng(1))
    places = np.repeat(mask, 320)
    changed = (covered != wave).numpy()[: len(places)]
    assert changed[places].mean() > 0.99 and not changed[~places].any()
    level = wave.square().mean().sqrt().item()
    assert covered[: len(places)][torch.from_numpy(places)].std().item() == pytest.approx(level, rel=0.1)


def test_log_mels_keep_their_precision_in_bfloat16(folders):
    front, wave = method(folders, "whisper").net.front, waves(1.0)[0]
    with torch.no_grad():
        exact = front(wave)
        with torch.autocast("cpu", torch.bfloat16):
            narrow = front(wave)
    assert (narrow.float() - exact).abs().max() < 0.02 * exact.abs().max()


@pytest.mark.trains
def test_a_few_steps_explain_more(folders):
    made = method(folders, "whisper")
    clips = waves(1.0, 1.2)
    optimiser = torch.optim.Adam(made.module.parameters(), lr=1e-2)
    losses = []
    for _ in range(15):
        step = made.step(clips, np.random.default_rng(0), 0.5)
        optimiser.zero_grad()
        step.loss.backward()
        optimiser.step()
        losses.append(step.loss.item())
    assert losses[-1] < 0.95 * losses[0]
    assert all(p.grad is None for p in made.net.parameters())


def test_encoders_that_cannot_be_continued(folders, tmp_path):
    with raises(UpstreamError, where="features.upstream=bestrq") as err:
        continued._files(Source("bestrq", None, {}))
    assert "hf with a folder" in str(err.value)
    source = found("hf", folders["wav2vec2"])
    with raises(UpstreamError, where="features.upstream=hf") as err:
        continued._places(source, 3)  # it has two layers
    assert "encoder.layers.2" in str(err.value)
    made = method(folders, "wav2vec2")
    with torch.no_grad():
        made.net.layers[0].q.weight.add_(1)  # as if another file lay there by now
    with raises(UpstreamError) as err:
        made.save(tmp_path)
    assert "is not what was trained on" in str(err.value)


@pytest.fixture
def recipe(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    make_corpus(tmp_path / "corpus", train=8, held_out=2)
    place = tmp_path / "eng"
    place.mkdir()
    (place / "recipe.yaml").write_text(
        "lang: eng_Latn\npreset: continued\ndata: {reader: kaldi, dir: ../corpus}\nnj: 1\n"
        f"features: {{path: {folders['whisper']}, mix_updates: 2}}\npretrain: {{epochs: 1}}\n"
    )
    monkeypatch.chdir(place)
    return place


@pytest.mark.trains
def test_a_recipe_goes_on_from_its_own_speech(recipe, capsys):
    """Its dev and test clips are not learned from, so the encoder is not refused."""
    assert main(["pretrain", "tag=encoder"]) == 0
    said = capsys.readouterr().out
    assert "by the encoder as it was" in said and "codebook" not in said
    assert "1 epoch of about" in said
    assert "features.upstream=whisper_base features.path=exp/encoder" in said
    out = recipe / "exp/encoder"
    facts = json.loads((out / "pretrained.json").read_text())
    assert facts["upstream"] == "whisper_base" and facts["method"] == "continued" and "codes" not in facts
    assert read_table(out / "heard").keys() == read_table(recipe / "data/train/utt2audio").keys()
    assert main(["pretrain", "tag=encoder"]) == 0
    assert "exp/encoder is up to date" in capsys.readouterr().out
    with_it = ["pretrain.method=none", "features.path=exp/encoder", "features.layers=last", "tag=main"]
    assert main(["features", *with_it]) == 0
    kept = json.loads((recipe / "dump/whisper_base/train/feats.json").read_text())
    hashed = upstream_class("whisper_base").find("whisper_base", str(out), out).identity["weights_sha256"]
    assert hashed in json.dumps(kept)


def test_what_is_refused_before_anything_is_learned(recipe, capsys):
    assert main(["data"]) == 0
    assert main(["train", "features.upstream=fbank", "features.path=null"]) == 2
    told(capsys.readouterr().err, "whisper_base", where="features.upstream=fbank")
    (recipe / "exp/main").mkdir(parents=True)
    (recipe / "exp/main/xlt.json").write_text("{}")
    assert main(["train"]) == 2
    told(capsys.readouterr().err, "exp/main", "tag=encoder", where="tag=main")


def test_a_budget_cuts_epochs_and_says_so(recipe, monkeypatch, capsys):
    """Each step takes a second, as the watch has it: 2 s an epoch and dev, and 7.2 s to spend."""
    ticking = types.SimpleNamespace(took=lambda: 1.0)
    monkeypatch.setattr("xlt.models.ssl.pretraining.Stopwatch", lambda on_cpu: ticking)
    assert main(["data"]) == 0
    capsys.readouterr()
    settings = ["pretrain.epochs=9", "train.max_hours=0.002"]
    assert main(["train", "tag=few", "pretrain.batch_s=100", *settings]) == 0
    said = capsys.readouterr().out
    assert "9 would take" in said and "train.max_hours=0.002" in said
    epochs = json.loads((recipe / "exp/few/pretrained.json").read_text())["epochs"]
    clips = [read_table(recipe / f"data/{name}/utt2dur") for name in ("train", "dev")]
    train_s, dev_s = (sum(map(float, found.values())) for found in clips)
    assert epochs == int(7.2 / ((train_s + dev_s) / train_s))
    assert len(json.loads((recipe / "exp/few/history.json").read_text())) == epochs
    assert main(["train", "tag=none", "pretrain.batch_s=100", "train.max_hours=0.0001"]) == 2
    told(capsys.readouterr().err, "less speech", where="train.max_hours=0.0001")
