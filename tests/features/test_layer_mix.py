"""The layer mix: what it computes, against s3prl, and how it is made, with an upstream whose layers are
simple.
"""

import json
import types
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tests.errors import raises
from tests.lazy import torch
from tests.tiny import make_tiny_wav2vec2
from xlt.audio.files import read_wav
from xlt.core.errors import ConfigError, DataError, MissingInput, UpstreamError
from xlt.core.registry import UPSTREAMS
from xlt.features import extract, layer_mix, probe
from xlt.features.mix import Mix
from xlt.formats.tables import read_table, write_table
from xlt.upstreams.base import Source, Upstream

pytestmark = pytest.mark.trains

STRIDE = 320


class Toy(Upstream):
    """Three layers of four dimensions, 50 frames a second: energies of a frame's quarters, their roots, and
    noise.
    """

    weights, files = "one", []

    @staticmethod
    def find(name, path, cache):
        return Source(name, None, {"upstream": name, "weights": Toy.weights}, Toy.files)

    def __init__(self, source, dtype, device):
        self.name, self.frame_rate, self.num_layers, self.dim = source.upstream, 50.0, 3, 4

    def batch_key(self, num_samples):
        return num_samples

    def encode(self, waves, layers):
        sound = torch.from_numpy(np.stack(waves))
        whole = sound[:, : sound.shape[1] // STRIDE * STRIDE].reshape(len(waves), -1, 4, STRIDE // 4)
        energy = whole.pow(2).mean(-1)  # (B, T, 4)
        outputs = [energy, energy.sqrt(), whole[..., 0]]
        return [outputs[n] for n in layers], [energy.shape[1]] * len(waves)


@pytest.fixture
def toys(recipe, monkeypatch):
    """The recipe with texts and the upstream ``toy``; 2.4 s of it are heard."""
    monkeypatch.setitem(UPSTREAMS.entries, "toy", "tests.features.test_layer_mix:Toy")
    write_table(recipe.dir / "data/train/text", {f"s-{c}": f"{c} text" for c in "abcde"})
    return recipe


SETTINGS = (
    "features.upstream=toy",
    "features.layers=mix",
    "features.mix_norm=corpus",
    "features.mix_head=blstm",
    "features.mix_updates=3",
    "features.mix_minutes=0.04",
)


def made(recipe, *more):
    return layer_mix.make(recipe.context(*SETTINGS, *more))


def facts_of(folder):
    return json.loads((folder / "mix.json").read_text(encoding="utf-8"))


def outputs(layers=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 5, 8, generator=generator) * (n + 1) + n for n in range(layers)]


@pytest.mark.parametrize("normalize", [True, False])
def test_apply_is_what_s3prls_featurizer_computes(normalize):
    from s3prl.nn import Featurizer

    upstream = types.SimpleNamespace(hidden_sizes=[8] * 3, downsample_rates=[320] * 3, num_layers=3)
    featurizer = Featurizer(upstream, normalize=normalize)
    featurizer.weights.data = torch.tensor([0.5, -1.0, 2.0])
    expected, _ = featurizer(outputs(), [torch.tensor([5, 5])] * 3)
    weights = torch.softmax(featurizer.weights.data, 0).numpy()
    mixed = Mix([0, 1, 2], weights, "frame" if normalize else "none").apply(outputs())
    torch.testing.assert_close(mixed, expected.detach(), rtol=1e-5, atol=1e-6)


def test_apply_with_corpus_norm_by_hand():
    first, second = torch.tensor([[[3.0, 10.0]]]), torch.tensor([[[1.0, 2.0]]])
    mix = Mix(
        [0, 4],
        np.array([0.25, 0.75]),
        "corpus",
        np.array([[1.0, 4.0], [0.0, 1.0]]),
        np.array([[2.0, 3.0], [1.0, 0.5]]),
    )
    # 0.25·(3-1)/2 + 0.75·(1-0)/1 = 1; 0.25·(10-4)/3 + 0.75·(2-1)/0.5 = 2
    torch.testing.assert_close(mix.apply([first, second]), torch.tensor([[[1.0, 2.0]]]))


def test_the_digest_hangs_on_everything_that_determines_features():
    arrays = [np.array([0.3, 0.7]), np.zeros((2, 3)), np.ones((2, 3))]
    mixes = [
        Mix([0, 1], arrays[0], "corpus", *arrays[1:]),
        Mix([0, 2], arrays[0], "corpus", *arrays[1:]),
        Mix([0, 1], arrays[0][::-1].copy(), "corpus", *arrays[1:]),
        Mix([0, 1], arrays[0], "none"),
        Mix([0, 1], arrays[0], "frame"),
        Mix([0, 1], arrays[0], "corpus", arrays[2], arrays[2]),
    ]
    assert len({m.digest for m in mixes}) == len(mixes)


def test_what_is_made_is_the_budgets_first_speech_and_says_so(toys, capsys):
    folder = made(toys)
    assert {p.name for p in folder.iterdir()} == {"mix.json", "mix.npz", "mix.svg", "stage.json"}
    facts, mix = facts_of(folder), Mix.load(folder)
    heard = [u for u in "abcde" if u in facts_heard(toys)]
    durations = {"a": 0.5, "b": 1.0, "c": 0.7, "d": 0.3, "e": 0.9}
    assert facts["minutes"] == round(sum(durations[u] for u in heard) / 60, 2)
    assert (facts["utterances"], facts["layers"], facts["norm"]) == (len(heard), [0, 1, 2], "corpus")
    assert facts["digest"] == mix.digest and facts["from"] is None and facts["lang"] == "ron_Latn"
    assert facts["upstream"] == {"upstream": "toy", "weights": "one"}
    np.testing.assert_allclose(facts["weights"], mix.weights, atol=1e-6)
    frames = np.concatenate(
        [
            extract.encode_waves(
                Toy(Source("toy", None, {}), "float32", "cpu"),
                [read_wav(f"data/all/wav/s-{u}.wav")],
                [0, 1, 2],
            )[0]
            for u in heard
        ]
    )
    np.testing.assert_allclose(mix.mean.ravel(), frames.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(mix.std.ravel(), frames.std(axis=0), rtol=1e-3, atol=1e-6)
    out = capsys.readouterr().out
    assert (
        f"learns the weights of 3 layers on {facts['minutes']:g} minutes of train ({len(heard)} utterances)"
        in out
    )
    assert "layer weights from 0: 0.3" in out
    bars = [
        r for r in ET.parse(folder / "mix.svg").iter("{http://www.w3.org/2000/svg}rect") if r.get("x") == "60"
    ]
    widths = np.array([float(b.get("width")) for b in bars])
    np.testing.assert_allclose(widths / widths.max(), mix.weights / mix.weights.max(), atol=2e-3)


def facts_heard(recipe) -> str:
    """The letters of the utterances that fit into 2.4 s in the order of budgets."""
    from xlt.data.groups import position

    durations, total, heard = read_table(recipe.dir / "data/train/utt2dur"), 0.0, ""
    for utt in sorted(durations, key=lambda u: position(u, "budget")):
        total += float(durations[utt])
        if total > 2.4:
            break
        heard += utt[-1]
    assert 1 < len(heard) < 5
    return heard


def test_up_to_date_until_what_it_heard_changes(toys, monkeypatch, capsys):
    made(toys)
    heard = facts_heard(toys)
    stamp = (toys.dump("mix", "toy") / "stage.json").read_bytes()
    texts = read_table(toys.dir / "data/train/text")
    unheard = next(c for c in "abcde" if c not in heard)
    write_table(toys.dir / "data/train/text", {**texts, f"s-{unheard}": "other"})
    toys.add(
        "train_1min",
        {f"s-{c}": d for c, d in zip("abcde", (0.5, 1.0, 0.7, 0.3, 0.9), strict=True) if c in heard},
    )
    write_table(toys.dir / "data/train_1min/text", {u: t for u, t in texts.items() if u[-1] in heard})
    monkeypatch.setattr(probe, "learn", None)  # learning would fail
    made(toys)
    made(toys, "data.train_minutes=1")
    assert "making" not in capsys.readouterr().out.partition("up to date")[2]
    assert (toys.dump("mix", "toy") / "stage.json").read_bytes() == stamp
    monkeypatch.undo()
    monkeypatch.chdir(toys.dir)
    monkeypatch.setitem(UPSTREAMS.entries, "toy", "tests.features.test_layer_mix:Toy")
    write_table(toys.dir / "data/train/text", {**texts, f"s-{heard[0]}": "other"})
    made(toys)
    assert "making dump/toy/mix again (speech: " in capsys.readouterr().out
    made(toys, "features.mix_head=linear")
    assert "making dump/toy/mix again (features.mix_head: blstm → linear)" in capsys.readouterr().out


def test_other_weights_are_learned_on_anew(toys, tmp_path, monkeypatch, capsys):
    file = tmp_path / "toy.bin"
    file.write_text("one")
    monkeypatch.setattr(Toy, "files", [str(file)])
    made(toys)
    file.write_text("the other")
    monkeypatch.setattr(Toy, "weights", "two")
    folder = made(toys)
    assert "toy.bin changed" in capsys.readouterr().out
    assert json.loads((folder / "mix.json").read_text())["upstream"]["weights"] == "two"


@pytest.mark.parametrize("norm", ["none", "frame", "corpus"])
def test_the_probe_gets_each_utterances_layers_and_text(toys, monkeypatch, norm):
    def learn(hidden, texts, moments, settings, progress):
        upstream = Toy(Source("toy", None, {}), "float32", "cpu")
        for utt, states, text in zip(sorted(facts_heard(toys)), hidden, texts, strict=True):
            assert text == f"{utt} text"
            (raw,) = extract.encode_waves(upstream, [read_wav(f"data/all/wav/s-{utt}.wav")], [0, 1, 2])
            expected = raw.reshape(len(raw), 3, 4)
            if norm == "frame":
                expected = (expected - expected.mean(-1, keepdims=True)) / np.sqrt(
                    expected.var(-1, keepdims=True) + 1e-5
                )
            np.testing.assert_allclose(states, expected, atol=2e-3)
        assert settings == probe.Settings(norm, "linear", 3, 7)
        return probe.Learned(np.array([0.2, 0.3, 0.5], np.float32), 1.0, [], str)

    monkeypatch.setattr(probe, "learn", learn)
    folder = made(toys, f"features.mix_norm={norm}", "features.mix_head=linear", "features.mix_seed=7")
    assert facts_of(folder)["weights"] == [0.2, 0.3, 0.5]


def test_nothing_but_training_speech_is_read(toys):
    import shutil

    for name in ("dev", "test"):
        shutil.rmtree(toys.dir / "data" / name)
    made(toys)


def test_a_short_training_set_is_taken_whole_and_that_is_said(toys, capsys):
    folder = made(toys, "features.mix_minutes=5")
    assert (
        "note: train has only 0.06 of the 5 minutes that features.mix_minutes asks for"
        in capsys.readouterr().out
    )
    assert (facts_of(folder)["utterances"], facts_of(folder)["minutes"]) == (5, 0.06)


def test_one_layer_needs_no_probe(recipe):
    write_table(recipe.dir / "data/train/text", {f"s-{c}": "x" for c in "abcde"})
    folder = layer_mix.make(recipe.context("features.layers=mix"))
    mix = Mix.load(folder)
    assert (mix.layers, mix.weights.tolist(), mix.norm) == ([0], [1.0], "none")
    upstream = extract.load(extract.prepare(recipe.context().cfg.features, recipe.dir))
    wave = read_wav("data/all/wav/s-c.wav")
    (mixed,) = extract.encode_waves(upstream, [wave], "mix", mix=mix)
    (last,) = extract.encode_waves(upstream, [wave], "last")
    assert np.array_equal(mixed, last)


@pytest.mark.parametrize("norm", ["none", "frame", "corpus"])
def test_learned_on_a_wav2vec2_and_applied_while_encoding(toys, tmp_path, norm):
    folder = make_tiny_wav2vec2(tmp_path / "tiny")
    settings = [
        *SETTINGS,
        "features.upstream=hf_wav2vec2_custom",
        f"features.path={folder}",
        f"features.mix_norm={norm}",
    ]
    context = toys.context(*settings)
    mix = Mix.load(layer_mix.make(context))
    assert mix.layers == [0, 1, 2] and mix.weights.sum() == pytest.approx(1, abs=1e-6)
    upstream = extract.load(extract.prepare(context.cfg.features, tmp_path))
    wave = read_wav("data/all/wav/s-c.wav")
    (every,) = extract.encode_waves(upstream, [wave], [0, 1, 2])
    layers = every.reshape(len(every), 3, -1)
    if norm == "frame":
        layers = (layers - layers.mean(-1, keepdims=True)) / np.sqrt(layers.var(-1, keepdims=True) + 1e-5)
    elif norm == "corpus":
        layers = (layers - mix.mean) / mix.std
    (mixed,) = extract.encode_waves(upstream, [wave], "mix", mix=mix)
    np.testing.assert_allclose(mixed, np.einsum("tld,l->td", layers, mix.weights), atol=1e-4)


def test_another_recipes_mix_is_taken_with_its_name(toys, tmp_path, monkeypatch, capsys):
    theirs = made(toys)
    other = tmp_path / "cat"
    other.mkdir()
    (other / "recipe.yaml").write_text("lang: cat_Latn\n", encoding="utf-8")
    third = tmp_path / "bel"
    third.mkdir()
    (third / "recipe.yaml").write_text("lang: bel_Cyrl\n", encoding="utf-8")
    digest = Mix.load(theirs).digest
    for folder, source in (
        (other, toys.dir),
        (third, other),
    ):  # hand to hand: the language it was learned on stays
        toys.dir = folder
        monkeypatch.chdir(folder)
        ours = made(toys, f"features.mix_from={source}")
        mix = Mix.load(ours)
        assert (mix.digest, mix.taken_from, facts_of(ours)["from"]) == (digest, "ron_Latn", "ron_Latn")
        assert mix.facts() == {"digest": digest, "weights": facts_of(ours)["weights"], "from": "ron_Latn"}
        assert (ours / "mix.svg").exists()
        assert "layer weights of ron_Latn, from 0: 0.3" in capsys.readouterr().out
        made(toys, f"features.mix_from={source}")
        assert "up to date" in capsys.readouterr().out


def test_a_mix_that_cannot_be_taken(toys, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="mix_from: is this very recipe"):
        made(toys, f"features.mix_from={toys.dir}")
    with pytest.raises(
        DataError,
        match=r"cat/dump/toy/mix/mix.json: not found; run stage 3 \(features\) with "
        r"features.layers=mix and features.upstream=toy in .*cat first",
    ):
        made(toys, f"features.mix_from={tmp_path / 'cat'}")
    theirs = made(toys).resolve()
    other = tmp_path / "other"
    other.mkdir()
    (other / "recipe.yaml").write_text("lang: cat_Latn\n", encoding="utf-8")
    monkeypatch.chdir(other)
    monkeypatch.setattr(Toy, "weights", "two")
    source, toys.dir = toys.dir, other
    with pytest.raises(
        UpstreamError, match=r"learned with .*'weights': 'one'.*but the upstream is .*'weights': 'two'"
    ):
        made(toys, f"features.mix_from={source}")
    with raises(UpstreamError, "'one'", "'two'", where=str(theirs)):
        Mix.load(theirs, {"upstream": "toy", "weights": "two"})
    context = toys.context(*SETTINGS)
    with raises(UpstreamError, "'one'", "'two'", where=str(theirs)):  # also when it is about to be applied
        extract.load_mix(extract.prepare(context.cfg.features, tmp_path, theirs))
    assert Mix.load(theirs, {"upstream": "toy", "weights": "one"}).layers == [0, 1, 2]


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: flip(f / "mix.npz", 200),
        lambda f: (f / "mix.npz").write_bytes((f / "mix.npz").read_bytes()[:-30]),
        lambda f: (f / "mix.npz").write_bytes(b""),
        lambda f: np.savez(f / "mix.npz", weights=np.ones(2, np.float32)),
        lambda f: np.savez(f / "mix.npz", **{**np.load(f / "mix.npz"), "weights": np.ones(3, np.float32)}),
        lambda f: (f / "mix.json").write_text("{"),
        lambda f: (f / "mix.json").write_text("[1]"),
        lambda f: (f / "mix.json").write_text((f / "mix.json").read_text().replace('"corpus"', '"frame"')),
    ],
)
def test_damage_is_noticed(toys, damage):
    folder = made(toys)
    damage(folder)
    with pytest.raises(
        DataError, match=r"mix: the layer mix is damaged \(.*make it again with --stage 3 --force"
    ):
        Mix.load(folder)


@pytest.mark.parametrize(
    ("layers", "weights", "mean", "std"),
    [
        ([0, 1], np.ones(3), np.zeros((2, 4)), np.ones((2, 4))),
        ([0, 1], np.ones(2), np.zeros((3, 4)), np.ones((3, 4))),
        ([0, 1], np.ones(2), np.zeros((2, 4)), np.ones((2, 5))),
        ([0, 1], np.ones(2), np.zeros((2, 4)), None),
        ([0, 1], np.ones(2), None, None),
    ],
)
def test_arrays_that_do_not_fit_each_other(tmp_path, layers, weights, mean, std):
    mix = Mix(layers, weights, "corpus", mean, std)
    arrays = {"weights": weights, "mean": mean, "std": std}
    np.savez(tmp_path / "mix.npz", **{k: v for k, v in arrays.items() if v is not None})
    (tmp_path / "mix.json").write_text(json.dumps({"layers": layers, "norm": "corpus", "digest": mix.digest}))
    with pytest.raises(DataError, match="damaged .mix.json and mix.npz do not fit each other"):
        Mix.load(tmp_path)


def test_missing_files_are_named(toys):
    with pytest.raises(
        DataError, match=r"mix.json: no such file; stage 3 \(features\) with features.layers=mix makes it"
    ):
        Mix.load(toys.dir)


def test_speech_that_cannot_be_learned_from(toys):
    with pytest.raises(DataError, match=r"no utterance fits into features.mix_minutes=0.001"):
        made(toys, "features.mix_minutes=0.001")
    texts = read_table(toys.dir / "data/train/text")
    heard = facts_heard(toys)
    write_table(toys.dir / "data/train/text", {u: t for u, t in texts.items() if u[-1] != heard[1]})
    with pytest.raises(
        DataError, match=rf"data/train/text: 1 utterances without a text \(first: s-{heard[1]}\)"
    ):
        made(toys)
    write_table(toys.dir / "data/train/text", {u: "a long text for so short a sound " * 3 for u in texts})
    with pytest.raises(DataError, match="fewer frames than its text needs"):
        made(toys)
    write_table(
        toys.dir / "data/train/text", {**texts, f"s-{heard[0]}": "a long text for so short a sound " * 3}
    )
    assert facts_of(made(toys))["left_out"] == 1
    (toys.dir / "data/train/text").unlink()
    with raises(MissingInput, "stage 1", where="data/train/text"):
        made(toys)


def test_changed_audio_is_named(toys):
    import soundfile

    utt = f"s-{facts_heard(toys)[0]}"
    wav = toys.dir / f"data/all/wav/{utt}.wav"
    samples, rate = soundfile.read(wav, dtype="int16")
    soundfile.write(wav, samples[::-1].copy(), rate)
    with raises(DataError, utt, "utt2audio"):
        made(toys)
    assert not toys.dump("mix", "toy").exists()
