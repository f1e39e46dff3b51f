"""Encoders under chunks: whole clips and streams agree, and hear no more of the future than allowed."""

import numpy as np
import pytest

from tests.errors import raises
from tests.lazy import Lazy, torch
from tests.tiny import make_tiny_wav2vec2, make_tiny_whisper
from tests.upstreams.layouts import make
from tests.upstreams.test_bestrq import load as load_bestrq
from tests.upstreams.test_bestrq import save as save_bestrq
from xlt.core.errors import UpstreamError
from xlt.features.extract import encode_waves
from xlt.nets.chunks import ALL, Chunks
from xlt.upstreams import upstream_class
from xlt.upstreams.base import Source
from xlt.upstreams.bestrq import BestRqUpstream
from xlt.upstreams.fast import dense
from xlt.upstreams.hf import HuggingFace
from xlt.upstreams.whisper import WhisperEncoder

levels = Lazy("xlt.upstreams.chunked.levels")

CHUNKS = [Chunks(8, left=20), Chunks(16, left=ALL, ahead=4), Chunks(5, left=0, ahead=7)]
KINDS = ["whisper", "whisper_gpu", "xls_r", "xls_r_gpu", "hubert_large", "bestrq"]


def noise(seconds, seed=0):
    wave = np.random.default_rng(seed).normal(0.01, 0.1, round(16000 * seconds))
    return (wave * np.linspace(0.1, 1, len(wave))).astype(np.float32)


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory):
    """Of each kind, with random weights; those of a GPU compute with transformers' own layers."""
    root = tmp_path_factory.mktemp("upstreams")
    make_tiny_whisper(root / "whisper")
    make_tiny_wav2vec2(root / "xls_r")
    make(root / "hubert", "hubert_large")
    whisper = Source("whisper_base", str(root / "whisper"), {})
    xls_r = HuggingFace.find("hf", str(root / "xls_r"), root)
    found = {
        "whisper": WhisperEncoder(whisper, "float32", "cpu"),
        "xls_r": HuggingFace(xls_r, "float32", "cpu"),
        "hubert_large": HuggingFace(HuggingFace.find("hf", str(root / "hubert"), root), "float32", "cpu"),
        "bestrq": load_bestrq(save_bestrq(root / "bestrq")),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "usable", lambda: False)
        found["whisper_gpu"] = WhisperEncoder(whisper, "float32", "cpu")
        found["xls_r_gpu"] = HuggingFace(xls_r, "float32", "cpu")
    return found


def streamed(stream, wave, sizes):
    """All hidden states (L, T, D) of a wave that comes in pieces of ``sizes`` samples, again and again."""
    found, at, n = [], 0, 0
    while at < len(wave):
        size = sizes[n % len(sizes)]
        found.append(stream.push(wave[at : at + size]))
        at, n = at + size, n + 1
    return np.concatenate([*found, stream.push(wave[:0], last=True)], axis=1)


def whole(chunked, wave):
    return chunked.whole(wave, chunked.num_layers - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_gives_what_the_whole_clip_gives(upstreams, kind):
    upstream = upstreams[kind]
    for chunks, seconds in zip(CHUNKS, (2.0, 1.703, 0.31), strict=True):
        wave, chunked = noise(seconds), upstream.chunked(chunks)
        expected = torch.stack(whole(chunked, wave)).numpy()
        assert expected.shape == (upstream.num_layers, upstream.num_frames(len(wave)), upstream.dim)
        for sizes in ([777], [5120, 1, 90], [len(wave)]):
            found = streamed(upstream.open_stream(chunks), wave, sizes)
            assert found.shape == expected.shape and np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("kind", ["whisper", "xls_r", "bestrq"])
def test_nothing_behind_the_look_ahead_is_heard(upstreams, kind):
    upstream, chunks = upstreams[kind], Chunks(8, left=16, ahead=2)
    hop = round(16000 / upstream.frame_rate)
    wave = noise(2.0)
    other = wave.copy()
    other[18 * hop + 400 :] = noise(2.0, seed=1)[18 * hop + 400 :]  # and what the last frame's window reaches
    one, two = (np.stack(whole(upstream.chunked(chunks), w)) for w in (wave, other))
    assert np.abs(one - two)[:, :16].max() < 1e-5
    assert np.abs(one - two)[-1, 16:24].max() > 1e-3  # the third chunk does hear it


@pytest.mark.parametrize("kind", ["whisper", "xls_r", "bestrq"])
def test_under_one_chunk_that_holds_the_clip_only_levels_differ(upstreams, kind, monkeypatch):
    """Against the upstream's own code, with the levels of the clip handed to ours. Of wav2vec 2.0 it has one
    frame fewer: it adds no silence.
    """
    upstream, wave = upstreams[kind], noise(5.0)
    if kind == "whisper":  # 5 s, the grid, so that there is no silence behind; the floor is far below
        monkeypatch.setattr(levels, "RANGE", 100.0)
    if kind == "xls_r":
        monkeypatch.setattr(levels.RunningNorm, "__call__", lambda self, w: (w - wave.mean()) / wave.std())
    chunks = Chunks(10_000)
    ours = np.stack(whole(upstream.chunked(chunks), wave))
    layers = list(range(upstream.num_layers))
    theirs = np.stack([h[0].numpy() for h in upstream.encode([wave], layers)[0]])
    assert np.abs(ours - theirs)[:, :200].max() < (1e-3 if kind == "xls_r" else 1e-4)


def test_positions_begin_again(upstreams):
    """A stream of silence is the same every 30 s, once the level that it begins with is forgotten."""
    upstream, chunks = upstreams["whisper"], Chunks(50, left=0)
    stream, second = upstream.open_stream(chunks), np.zeros(16000, np.float32)
    found = np.concatenate([stream.push(second) for _ in range(64)], axis=1)
    assert found.shape[1] >= 3150
    assert np.abs(found[:, 1550:1650] - found[:, 3050:3150]).max() < 1e-5


def test_memory_is_bounded(upstreams):
    for kind in ("whisper", "xls_r", "bestrq"):
        stream = upstreams[kind].open_stream(Chunks(16, left=32, ahead=4))
        held = []
        for n in range(40):
            stream.push(noise(1.0, seed=n))
            held.append(held_by(stream))
        assert max(held[20:]) <= max(held[:20])


def held_by(stream) -> int:
    """Numbers that a stream keeps, the encoder's not counted."""
    state = stream._state
    inner = [vars(state), *(vars(part) for part in vars(state).values() if hasattr(part, "__dict__"))]
    kept = [*stream._kept, stream._rows, *(value for part in inner for value in part.values())]
    return sum(
        value.size if isinstance(value, np.ndarray) else value.numel()
        for value in kept
        if isinstance(value, (np.ndarray, torch.Tensor))
    )


def test_features_are_those_of_the_layers_and_of_long_clips(upstreams, monkeypatch):
    from xlt.upstreams.chunked import net

    upstream, waves = upstreams["whisper"], [noise(1.0), noise(2.5, seed=1)]
    chunked = upstream.chunked(Chunks(16, left=32))
    at_once = encode_waves(chunked, waves, [0, 2])
    assert [feats.shape for feats in at_once] == [(50, 64), (125, 64)]
    monkeypatch.setattr(net, "LONGEST", 60)
    in_pieces = encode_waves(chunked, waves, [0, 2])
    assert all(np.abs(a - b).max() < 1e-4 for a, b in zip(at_once, in_pieces, strict=True))


def test_what_cannot_stream(upstreams, tmp_path):
    for layout in ("hubert_base", "w2v_bert"):
        make(tmp_path / layout, layout)
        upstream = HuggingFace(HuggingFace.find("hf", str(tmp_path / layout), tmp_path), "float32", "cpu")
        with raises(UpstreamError, "set features.chunk_s=0", where="features.chunk_s"):
            upstream.open_stream(Chunks(16))
    with raises(UpstreamError, where="features.chunk_s=0"):
        upstreams["whisper"].open_stream(Chunks(0))
    stream = upstreams["whisper"].open_stream(Chunks(16))
    assert stream.push(np.zeros(0, np.float32), last=True).shape == (3, 1, 32)
    with raises(UpstreamError, "open another one"):
        stream.push(np.zeros(10, np.float32))


def test_s3prl_hears_the_same(upstreams, tmp_path):
    folder = make_tiny_wav2vec2(tmp_path / "xls_r")
    kind = upstream_class("hf_wav2vec2_custom")
    upstream = kind(kind.find("hf_wav2vec2_custom", str(folder), tmp_path), "float32", "cpu")
    ours, theirs = (whole(one.chunked(CHUNKS[1]), noise(0.9)) for one in (upstream, upstreams["xls_r"]))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


def test_bestrq_has_its_own_chunks_the_same_way(tmp_path):
    upstream = load_bestrq(save_bestrq(tmp_path / "m", chunk_frames=8, left_chunks=2))
    assert isinstance(upstream, BestRqUpstream)
    wave = noise(2.3)
    theirs = upstream.encode([wave], [0, 1, 2])[0]
    found = streamed(upstream.open_stream(Chunks(8, left=16)), wave, [1000])
    assert np.abs(found - np.stack([h[0].numpy() for h in theirs])).max() < 1e-4
