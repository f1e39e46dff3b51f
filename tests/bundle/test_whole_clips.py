"""Streams of models that were trained on whole clips, in chunks of which they have heard none before."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.errors import raises
from tests.export.bundles import TONES, altered, over_whisper
from tests.tiny import make_tiny_whisper, skip_without
from tests.tones import RATE, sound
from xlt.bundle import streaming
from xlt.bundle.streaming import Streams
from xlt.bundle.transcribe import Transcriber
from xlt.core.errors import ConfigError, DataError
from xlt.decode.partner import Encoders, Pair, Roles
from xlt.models.whisper import weights
from xlt.models.whisper.net import CtcHead, Net
from xlt.nets.chunks import Chunks
from xlt.nets.paths import best_path
from xlt.upstreams.tunable import whisper_pieces

pytestmark = pytest.mark.trains  # other arithmetic may write other letters


def whisper_ed(out, head=True):
    """A bundle of a random Whisper; its CTC head is made to write something."""
    shutil.copytree(TONES, out, ignore=shutil.ignore_patterns("model.pth", "config.yaml", "feats_stats.npz"))
    source = make_tiny_whisper(out.parent / f"{out.name}_published")
    shape = {"dim": 32, "tokens": 8, "hidden": 16, "dropout": 0.1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ctc = CtcHead(**shape) if head else None
    if ctc is not None:
        with torch.no_grad():
            ctc.output.weight *= 8
    net = Net(weights.published(source), ctc)
    weights.save(net, source, source / "tokenizer.json", out)
    features = json.loads((out / "xlt.json").read_text())["features"]
    features |= {"on_the_fly": True, "dim": 32, "frame_rate": 50.0}
    facts = {"languages": {"eng_Latn": "en"}, "windows_s": [5.0, 30.0], "tuned": "all"}
    facts |= {"head": shape} if head else {"tuned": "nothing"}
    return altered(out, family="whisper_ed", features=features, frame_rate=50.0, whisper=facts)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    return Transcriber(whisper_ed(tmp_path_factory.mktemp("tuned") / "bundle"))


def speech():
    return sound("aei oae", np.random.default_rng(1))


def streamed(streams, wave, size=1600):
    """Its text at the end, and what was written before."""
    stream, seen = streams.open(), []
    for start in range(0, len(wave), size):
        stream.push(wave[start : start + size])
        seen.append(stream.partial)
    return stream.end().text, seen


def test_a_blstm_in_a_chunk_as_long_as_the_clip_writes_what_it_writes_of_the_whole():
    bundle, wave = Transcriber(TONES), speech()
    streams = Streams(bundle)
    assert (streams.whole_clips, streams.chunk_s) == (True, 0.64)
    (whole,) = bundle.recogniser(bundle.encode([wave]))
    assert len(wave) < 10 * RATE and streamed(Streams(bundle, 10.0), wave)[0] == whole.text != ""
    found, seen = streamed(streams, wave)
    assert found and any(seen[:-1])  # it wrote before the end


def test_a_trained_whisper_hears_chunks_with_its_own_encoder_and_ctc(tuned):
    wave, model = speech(), tuned.recogniser.model.model
    streams = Streams(tuned, 0.32)
    assert streams.whole_clips and streams.latency_s == pytest.approx(0.32 + 0.32)
    whole, (frames,) = (
        whisper_pieces(model.net.whisper.model.encoder).streaming().under(Chunks(16, 250, 16), _Facts)
    ).encode([wave], [2])
    rows = model.head(50.0).open_outputs(0.32).push(whole[0][0].numpy(), last=True)[0]
    assert rows.shape == (frames, 8)
    expected = tuned.recogniser.tokenizer.decode(best_path(rows.argmax(-1)))
    assert expected
    for size in (1600, len(wave)):
        assert streamed(streams, wave, size)[0] == expected


class _Facts:
    """Of an upstream of whisper_ed's tiny one, as far as a clip under chunks asks."""

    name, frame_rate, num_layers, dim, best_batch_s = "whisper_base", 50.0, 3, 32, None

    @staticmethod
    def _window_frames(samples):
        return -(-samples // 320)


def test_the_head_in_a_chunk_as_long_as_the_clip_is_the_whole_head(tuned):
    model = tuned.recogniser.model.model
    encoded = model.net.encode(*model.net.mels([speech()]))
    feats = encoded.hidden[0, : int(encoded.frames)].detach().numpy()
    whole = model.net.head(encoded)[0].detach()
    outputs = model.head(50.0).open_outputs(30.0)
    parts = [outputs.push(feats[at : at + 50], at + 50 >= len(feats))[0] for at in range(0, len(feats), 50)]
    torch.testing.assert_close(torch.from_numpy(np.concatenate(parts)), whole, atol=1e-4, rtol=1e-4)


def test_a_blstm_over_a_frozen_whisper_of_whole_clips(tmp_path):
    bundle = Transcriber(over_whisper(tmp_path / "bundle"))
    streams, wave = Streams(bundle), speech()
    assert streams.whole_clips and streams.latency_s == pytest.approx(0.64 + 0.32)
    once, parts = streamed(streams, wave, len(wave))[0], streamed(streams, wave)[0]
    assert once == parts != ""


@pytest.mark.parametrize("ctc", [False, True])
def test_of_two_models_the_one_that_gives_ctc_streams(tmp_path, ctc):
    pair, models, encoders = Pair.__new__(Pair), ("own", "other"), Encoders(list, tuple)
    pair._ctc, pair._roles = models[ctc], Roles(ctc=ctc, attention=not ctc)
    recogniser = SimpleNamespace(model=SimpleNamespace(model=pair))
    bundle = SimpleNamespace(folder=tmp_path, recogniser=recogniser, encode=encoders)
    folder = tmp_path / "partner" if ctc else tmp_path
    assert streaming._part(bundle) == (folder, models[ctc], encoders[ctc])


def test_what_cannot_hear_chunks_says_what_to_do(tmp_path, tuned):
    published = whisper_ed(tmp_path / "published", head=False)
    with raises(DataError, "CTC", "README", where=str(published)):
        Streams(Transcriber(published))
    for wrong in (0.0, -1.0, float("nan"), float("inf"), 31.0):
        with raises(ConfigError, "0.64", where=f"chunk_s={wrong:g}"):
            Streams(tuned, wrong)
    with raises(ConfigError, "0.02", where="features.chunk_s=0.333"):
        Streams(tuned, 0.333)


@pytest.mark.parametrize("kind", ["tuned", "frozen"])
def test_chunks_in_int8_are_those_of_float32_within_a_hundredth(tmp_path, tuned, kind):
    """In the mean, as a share of how much hidden states vary; hidden states are those of the last layer."""
    skip_without("int8")
    bundle = tuned if kind == "tuned" else Transcriber(over_whisper(tmp_path / "bundle"))
    wave, found = speech(), []
    for dtype in (None, "int8"):
        streams = Streams(bundle, None, dtype)
        found.append(streams._features.open(streams.chunk_s).push(wave, last=True))
        assert streamed(streams, wave)[0]
    float32, int8 = found
    error = ((int8 - float32) ** 2).mean() / float32.var(axis=0).mean()
    assert 0 < error < 1e-4  # the root is a hundredth


def test_int8_is_refused_where_there_is_no_encoder_for_it():
    with raises(ConfigError, "fbank", where="int8"):
        Streams(Transcriber(TONES), None, "int8")
