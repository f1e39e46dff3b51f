"""Encoders on a made-up language whose letters are tones: log-mels hear them, another upstream does not."""

import json
import types

import editdistance
import numpy as np
import pytest
import soundfile

from tests import tones
from tests.errors import raises
from tests.lazy import torch
from tests.tiny import make_tiny_whisper
from xlt.commands import probe as command
from xlt.core.config import load
from xlt.core.context import Context
from xlt.core.errors import ConfigError, MissingInput, UpstreamError
from xlt.core.registry import UPSTREAMS
from xlt.features import encoders, layer_mix
from xlt.features.encoders import Candidate
from xlt.features.mix import Mix
from xlt.formats.tables import write_table
from xlt.nets.moments import Moments
from xlt.upstreams.base import Source, Upstream

pytestmark = pytest.mark.trains

SETTINGS = encoders.Settings(minutes=1.0, updates=60, seed=0, resamples=50)


class Deaf(Upstream):
    """Three layers of noise, which no sound changes."""

    @staticmethod
    def find(name, path, cache):
        if name == "lost":
            raise UpstreamError("lost: no weights found; tried\n  - everything")
        return Source(name, None, {"upstream": name})

    def __init__(self, source, dtype, device):
        self.name, self.frame_rate, self.num_layers, self.dim = source.upstream, 50.0, 3, 8

    def batch_key(self, num_samples):
        return num_samples

    def encode(self, waves, layers):
        frames = [len(wave) // 320 for wave in waves]
        generator = torch.Generator().manual_seed(sum(frames))
        return [torch.randn(len(waves), max(frames), 8, generator=generator) for _ in layers], frames


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    """A recipe with 24 training and 6 dev utterances of tones, and the upstreams ``deaf`` and ``lost``."""
    for name in ("deaf", "lost"):
        monkeypatch.setitem(UPSTREAMS.entries, name, "tests.features.test_encoders:Deaf")
    rng = np.random.default_rng(0)
    for name, count in (("train", 24), ("dev", 6)):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        text = {f"s-{name}{n:02}": "".join(rng.choice(list("aeio"), 4)) for n in range(count)}
        for utt, letters in text.items():
            soundfile.write(folder / f"{utt}.wav", tones.sound(letters, rng), tones.RATE)
        write_table(folder / "text", text)
        write_table(folder / "wav.scp", {utt: str(folder / f"{utt}.wav") for utt in text})
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\nfeatures: {upstream: fbank}\n")
    return load(tmp_path)


def test_who_hears_comes_first(cfg, capsys):
    found = command.probe(cfg, ["deaf", "lost", "fbank"], minutes=1.0, updates=60, ready=False)
    assert [one["name"] for one in found["encoders"]] == ["fbank", "deaf"]
    first, last = found["encoders"]
    assert first["cer"]["blstm"]["value"] < 30 < last["cer"]["blstm"]["value"]
    assert first["p_against_best"] is None and last["p_against_best"] < 0.05
    assert len(last["layer_weights"]) == 3 and sum(last["layer_weights"]) == pytest.approx(1, abs=1e-3)
    assert found["lacking"] == {"lost": "lost: no weights found; tried"}
    assert json.loads((cfg.recipe / "data/probe.json").read_text()) == found
    out = capsys.readouterr().out
    assert "best: fbank; in recipe.yaml: features: {upstream: fbank}" in out and "no worse" not in out


def test_error_rates_are_those_of_the_texts(cfg):
    listening = encoders.Listening.of(Context(cfg.recipe, cfg), 1.0)
    (one,), _ = encoders.rank(cfg, listening, [Candidate("fbank", "last")], SETTINGS)
    refs = listening.dev.texts
    for head in encoders.HEADS:
        hyps = one.texts[head]
        assert hyps.keys() == refs.keys()
        wrong = sum(editdistance.eval(refs[utt], hyps[utt]) for utt in refs)
        assert one.scores[head].value == pytest.approx(100 * wrong / 24)
    assert encoders.against_best([one], SETTINGS) == {}


def test_layers_are_summed_as_a_layer_mix_sums_them():
    rng = np.random.default_rng(1)
    hidden = {utt: rng.normal(3.0, 2.0, (9, 3, 4)).astype(np.float32) for utt in "ab"}
    moments = Moments()
    for one in hidden.values():
        moments.add(Moments.of_layers(one))
    weights = np.array([0.2, 0.5, 0.3], np.float32)
    got = encoders._Hidden(hidden, {}, moments).mixed(weights)
    mix = Mix([0, 1, 2], weights, "corpus", moments.mean.astype(np.float32), moments.std.astype(np.float32))
    layers = list(torch.from_numpy(hidden["a"]).transpose(0, 1)[:, None])  # 3 x (1, T, D)
    offset = got.train["a"][:, 0] - mix.apply(layers)[0].numpy()  # (T, D): the means, left in
    np.testing.assert_allclose(offset, np.broadcast_to(offset[:1], offset.shape), atol=1e-4)
    np.testing.assert_allclose(got.moments.mean[0], offset[0], atol=1e-4)


def test_some_layers_have_their_own_moments():
    rng = np.random.default_rng(2)
    hidden = {"a": rng.normal(size=(9, 3, 4))}
    part = encoders._Hidden(hidden, {}, Moments.of_layers(hidden["a"])).layers(slice(1, 3))
    expected = Moments.of_layers(hidden["a"][:, 1:])
    np.testing.assert_array_equal(part.train["a"], hidden["a"][:, 1:])
    np.testing.assert_allclose(part.moments.covariance, expected.covariance)


def test_frames_are_stacked_layer_by_layer():
    hidden = np.arange(12).reshape(3, 2, 2)  # (T, L, D)
    assert layer_mix._stacked(hidden, 2).tolist() == [
        [[0, 1, 4, 5], [2, 3, 6, 7]],
        [[8, 9, 0, 0], [10, 11, 0, 0]],
    ]


def test_what_is_tried(cfg):
    found = [one.name for one in encoders.candidates(cfg, [])]
    assert found[0] == "fbank" and found.count("fbank") == 1  # the recipe's own; it has one layer
    assert {"whisper_base", "whisper_base:last", "deaf", "deaf:last"} <= set(found) and "s3prl" not in found
    named = encoders.candidates(cfg, ["whisper_base:4", "whisper_base", "whisper_base:mix", "fbank"])
    assert [one.name for one in named] == ["whisper_base:4", "whisper_base", "fbank"]
    assert [one.settings for one in named] == [
        {"upstream": "whisper_base", "layers": 4},
        {"upstream": "whisper_base"},
        {"upstream": "fbank"},
    ]
    with raises(ConfigError, "'best'", where="--encoders fbank:best"):
        encoders.candidates(cfg, ["fbank:best"])


def test_what_cannot_be_tried(cfg):
    listening = encoders.Listening.of(Context(cfg.recipe, cfg), 1.0)
    # bestrq has no weights but one's own
    with raises(UpstreamError, "lost", "bestrq", where="features.upstream"):
        encoders.rank(cfg, listening, [Candidate("lost", "last"), Candidate("bestrq", "last")], SETTINGS)
    with raises(ConfigError, "0 to 2", where="--encoders deaf:3"):
        encoders.rank(cfg, listening, [Candidate("deaf", 3)], SETTINGS)
    (cfg.recipe / "data/dev/text").unlink()
    with raises(MissingInput, "data/dev/text"):
        encoders.Listening.of(Context(cfg.recipe, cfg), 1.0)
    args = types.SimpleNamespace(minutes=0.0, updates=9)
    with raises(ConfigError, where="--minutes 0"):
        command.main(args)


def test_whisper_without_training_is_tried_where_it_knows_the_language(cfg, tmp_path, capsys):
    folder = make_tiny_whisper(tmp_path / "whisper")
    words = ["features.upstream=whisper_base", f"features.path={folder}"]
    for lang, known in (("ron_Latn", True), ("bel_Cyrl", False)):
        with_whisper = load(cfg.recipe, [*words, f"lang={lang}"])
        ready = command.probe(with_whisper, ["fbank"], minutes=1.0, updates=2)["ready"]
        assert (ready["cer"] is not None) is known
        if known:
            assert (ready["clips"], ready["token"], ready["cer"]["n_ref"]) == (6, "ro", 24)
        else:
            assert "does not know bel_Cyrl" in ready["why"] and ready["why"] in capsys.readouterr().out


def test_whisper_is_proposed_where_it_is_better_than_what_training_would_bring(cfg):
    listening = encoders.Listening.of(Context(cfg.recipe, cfg), 1.0)
    quick = encoders.Settings(1.0, 1, 0, 10)
    ranked, _ = encoders.rank(cfg, listening, [Candidate("fbank", "last")], quick)
    for cer, better in ((9.0, True), (11.0, False)):
        own = {
            "cer": {"value": cer, "ci95": [1.0, 20.0]},
            "clips": 6,
            "probe_cer": 10 / command.AFTER_TEN_MINUTES,
        }
        said = "\n".join(command.proposal(ranked, {}, own))
        assert "about 10.0" in said and ("preset=whisper_zero" in said) is better
