"""The encoder of BEST-RQ as an upstream: the same whatever is beside a clip, and chunk by chunk."""

import json

import numpy as np
import pytest

from tests.data.corpus import melody
from tests.errors import raises
from tests.lazy import Lazy, torch
from tests.tiny import make_tiny_wav2vec2
from xlt.core.errors import ConfigError, UpstreamError
from xlt.nets.chunks import Chunks
from xlt.upstreams.bestrq import BestRqUpstream
from xlt.upstreams.bestrq_sizes import Sizes

bestrq_net = Lazy("xlt.upstreams.bestrq_net")
tunable = Lazy("xlt.upstreams.tunable")


def save(folder, **sizes):
    """An encoder with random weights."""
    folder.mkdir(parents=True)
    own = Sizes(layers=2, dim=32, heads=2, ffn=64, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pieces = bestrq_net.pieces(own)
    pieces.front.mean.fill_(10.0)
    pieces.front.std.fill_(3.0)
    bestrq_net.write(folder, own, tunable.Net(pieces, 2, 0.0))
    return folder


def load(folder):
    return BestRqUpstream(BestRqUpstream.find("bestrq", str(folder), folder), "float32", "cpu")


WAVES = [melody(1, 1.0), melody(2, 2.37), melody(3, 0.6)]


def test_a_clip_gives_the_same_alone_and_beside_others(tmp_path):
    upstream = load(save(tmp_path / "m"))
    together, lengths = upstream.encode(WAVES, [0, 1, 2])
    assert lengths == [25, 60, 15] == [upstream.num_frames(len(wave)) for wave in WAVES]
    assert upstream.num_layers == 3 and together[0].shape == (3, 60, 32)
    for row, wave in enumerate(WAVES):
        alone, (length,) = upstream.encode([wave], [0, 1, 2])
        for one, all_of_them in zip(alone, together, strict=True):
            assert torch.allclose(one[0], all_of_them[row, :length], atol=1e-5)


def test_any_length_has_the_frames_that_are_foretold(tmp_path):
    upstream = load(save(tmp_path / "m"))
    for samples in (1, 399, 640, 641, 1039, 1040, 16001, 16640, 16641):
        (out,), (length,) = upstream.encode([np.zeros(samples, np.float32)], [2])
        assert length == upstream.num_frames(samples) == out.shape[1] == -(-samples // 640)
        assert torch.isfinite(out).all()


@pytest.mark.parametrize("left", [0, 2])
def test_with_chunks_a_frame_hears_nothing_behind_its_own_chunk(tmp_path, left):
    upstream = load(save(tmp_path / "m", chunk_frames=8, left_chunks=left))
    wave = melody(5, 2.0)  # 50 rows: 6 chunks and a part
    other = wave.copy()
    other[24 * 640 + 240 :] = melody(6, 2.0)[24 * 640 + 240 :]  # behind the third chunk, and its last window
    (one,), _ = upstream.encode([wave], [2])
    (two,), _ = upstream.encode([other], [2])
    assert torch.allclose(one[0, :24], two[0, :24], atol=1e-5)
    assert not torch.allclose(one[0, 25:], two[0, 25:], atol=1e-2)
    early = wave.copy()
    early[: 8 * 640] = 0  # the first chunk
    (three,), _ = upstream.encode([early], [2])
    seen = 8 * (1 + 2 * left) + 8  # two layers, each of which looks back; the convolution does by two rows
    assert torch.allclose(one[0, seen + 8 :], three[0, seen + 8 :], atol=1e-5)


def test_what_is_tuned_begins_as_what_is_frozen(tmp_path):
    folder = save(tmp_path / "m", chunk_frames=8)
    source = BestRqUpstream.find("bestrq", str(folder), folder)
    net = tunable.Net(BestRqUpstream.pieces(source), 2, 0.0).eval()
    hidden, spans = net([torch.from_numpy(wave) for wave in WAVES])
    frozen, _ = load(folder).encode(WAVES, [2])
    for row, (begin, end) in enumerate(spans):
        assert torch.allclose(hidden[2][begin:end], frozen[0][row, : end - begin], atol=1e-6)
    assert hidden[2].requires_grad
    bare = BestRqUpstream.bare_pieces("bestrq", folder)
    assert bare.chunks == Chunks(8, left=32) and len(bare.layers) == 2


def test_log_mels_are_stacked_by_four():
    mels = torch.arange(7 * 80.0).reshape(7, 80)
    rows = bestrq_net.stacked(mels)
    assert rows.shape == (2, 320)
    assert rows[0].tolist() == list(range(320)) and rows[1].tolist() == [*range(320, 560), *[0.0] * 80]


def test_folders_that_are_not_its_own(tmp_path):
    with raises(ConfigError, "egs/pretrain/run.sh", where="features.upstream=bestrq"):
        BestRqUpstream.find("bestrq", None, tmp_path)
    with raises(UpstreamError, "config.json", where=f"features.path={tmp_path}"):
        BestRqUpstream.find("bestrq", str(tmp_path), tmp_path)
    other = make_tiny_wav2vec2(tmp_path / "w2v")
    with raises(UpstreamError, "'wav2vec2'", "set features.upstream=hf", where="w2v/config.json"):
        BestRqUpstream.find("bestrq", str(other), tmp_path)


@pytest.mark.parametrize(
    ("key", "value"), [("dim", 33), ("layers", "two"), ("heads", 0), ("chunk_frames", -1)]
)
def test_a_damaged_config(tmp_path, key, value):
    folder = save(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: value}))
    with raises(UpstreamError, where="m/config.json"):
        load(folder)


def test_damaged_weights_and_those_of_another_size(tmp_path):
    folder = save(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "layers": 3}))
    with raises(UpstreamError, where="m/model.safetensors"):
        load(folder)
    (folder / "model.safetensors").write_bytes(b"x" * 100)
    with raises(UpstreamError, where="m/model.safetensors"):
        load(folder)
