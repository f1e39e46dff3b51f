"""Encoders that stream give of a stream what they give of the whole."""

import random

import pytest

from tests.errors import raises
from tests.lazy import Lazy, torch
from xlt.core.errors import ConfigError
from xlt.core.registry import ENCODERS

blstms = Lazy("xlt.nets.encoders.blstm")
stems = Lazy("xlt.nets.encoders.stem")

pytestmark = pytest.mark.trains

D = 6
HEADS = [
    ("lc_blstm", {"hidden_size": 5, "num_layers": 2, "chunk_s": 4}),
    ("lc_blstm", {"hidden_size": 5, "num_layers": 1, "chunk_s": 3, "look_ahead_s": 2}),
    ("lc_blstm", {"hidden_size": 5, "num_layers": 3, "chunk_s": 4, "look_ahead_s": 1}),
    ("lc_blstm", {"hidden_size": 5, "num_layers": 3, "chunk_s": 2, "look_ahead_s": 5}),
    ("lc_blstm", {"hidden_size": 5, "num_layers": 2, "chunk_s": [4, 8, 1], "look_ahead_s": 3}),
    ("lstm", {"hidden_size": 5, "num_layers": 3}),
    ("causal_conv", {"channels": 8, "kernel": 4, "num_layers": 3}),
    ("causal_conv", {"channels": 8, "kernel": 1, "num_layers": 1}),
    ("linear", {}),
]
NAMES = [f"{name}-{'-'.join(map(str, conf.values()))}" for name, conf in HEADS]


def made(name, conf):
    torch.manual_seed(0)
    one_a_second = {"frame_rate": 1.0} if name == "lc_blstm" else {}  # seconds are frames
    return ENCODERS.get(name)(D, **conf, **one_a_second).eval()


def whole(encoder, x):
    with torch.inference_mode():
        return encoder(x[None], torch.tensor([len(x)]))[0][0]


def streamed(stream, x, sizes):
    """What comes out of pushes of ``sizes`` frames in turn and of the end; how much each push gave."""
    given, at, number = [], 0, 0
    while at < len(x):
        size = sizes[number % len(sizes)]
        given.append(stream.push(x[at : at + size]))
        at, number = at + size, number + 1
    given.append(stream.push(x[:0], last=True))
    return torch.cat(given), [len(one) for one in given]


@pytest.mark.parametrize(("name", "conf"), HEADS, ids=NAMES)
def test_a_stream_gives_what_the_whole_gives(name, conf):
    encoder, rng = made(name, conf), random.Random(0)
    size = encoder.chunk_sizes[0] if encoder.chunk_sizes else 4
    lengths = [1, size - 1, size, size + 1, 3 * size, 3 * size + 2, *(rng.randint(1, 40) for _ in range(4))]
    for length in filter(None, lengths):
        x = torch.randn(length, D)
        expected = whole(encoder, x)
        for sizes in ([1], [size], [length], [rng.randint(0, 7) or 1, 0, rng.randint(1, 7)]):
            found, _ = streamed(encoder.open_stream(), x, sizes)
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "conf"), HEADS, ids=NAMES)
def test_an_utterance_is_the_same_in_every_batch(name, conf):
    encoder, lengths = made(name, conf), [13, 8, 1]
    x = torch.randn(3, 15, D)  # noise behind each end
    with torch.inference_mode():
        found, out_lengths, _ = encoder(x, torch.tensor(lengths))
    assert out_lengths.tolist() == lengths
    for row, length in enumerate(lengths):
        expected = whole(encoder, x[row, :length])
        torch.testing.assert_close(found[row, :length], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("name", "conf"), HEADS, ids=NAMES)
def test_a_frame_waits_for_the_declared_latency_and_no_longer(name, conf):
    encoder, x = made(name, conf), torch.randn(24, D)
    assert encoder.streams
    _, counts = streamed(encoder.open_stream(), x, [1])
    behind, out = [], 0
    for heard, count in enumerate(counts[:-1], start=1):
        behind += [heard - 1 - frame for frame in range(out, out + count)]
        out += count
    assert max(behind) == encoder.latency()


@pytest.mark.parametrize(("name", "conf"), HEADS, ids=NAMES)
def test_streams_share_an_encoder_and_do_not_mix(name, conf):
    encoder = made(name, conf)
    clips = [torch.randn(11, D) for _ in range(2)]
    streams = [encoder.open_stream() for _ in clips]
    found = [[stream.push(x[:5]) for stream, x in zip(streams, clips, strict=True)]]
    found.append([stream.push(x[5:], last=True) for stream, x in zip(streams, clips, strict=True)])
    for parts, x in zip(zip(*found, strict=True), clips, strict=True):
        torch.testing.assert_close(torch.cat(parts), whole(encoder, x), atol=1e-5, rtol=1e-5)


def test_a_stream_without_end_keeps_little():
    encoder = made("lc_blstm", {"hidden_size": 5, "chunk_s": 4, "look_ahead_s": 2})
    stream = encoder.open_stream()
    for _ in range(50):
        stream.push(torch.randn(3, D))
        assert len(stream.left) < 4 + 2


def test_a_chunk_as_long_as_the_utterance_is_the_whole_blstm():
    ours, x = made("lc_blstm", {"hidden_size": 5, "chunk_s": 9}), torch.randn(9, D)
    offline = blstms.BlstmEncoder(D, hidden_size=5).eval()
    offline.load_state_dict(ours.state_dict())
    assert not offline.streams
    torch.testing.assert_close(whole(ours, x), whole(offline, x))


def test_the_backward_half_hears_the_chunk_and_its_look_ahead_alone():
    encoder = made("lc_blstm", {"hidden_size": 5, "num_layers": 1, "chunk_s": 4, "look_ahead_s": 2})
    x, expected = torch.randn(10, D), []
    with torch.inference_mode():
        fore = encoder.ahead[0](x[None])[0][0]
        for start in (0, 4, 8):
            seen = x[start : start + 6].flip(0)
            back = encoder.back[0](seen[None])[0][0].flip(0)[:4]
            expected.append(torch.cat([fore[start : start + 4], back[: len(fore) - start]], dim=1))
    torch.testing.assert_close(whole(encoder, x), torch.cat(expected), atol=1e-6, rtol=1e-5)


def test_training_draws_a_chunk_and_a_stream_may_ask_for_one():
    encoder = made("lc_blstm", {"hidden_size": 5, "dropout": 0.0, "chunk_s": [4, 16]})
    x = torch.randn(16, D)
    by_size = [whole(made("lc_blstm", {"hidden_size": 5, "chunk_s": size}), x) for size in (4, 16)]
    torch.testing.assert_close(whole(encoder, x), by_size[0])
    torch.testing.assert_close(encoder.open_stream(16).push(x), by_size[1], atol=1e-5, rtol=1e-5)
    assert (encoder.latency(), encoder.latency(16)) == (3, 15)
    encoder.train()
    with torch.no_grad():
        drawn = [encoder(x[None], torch.tensor([16]))[0][0] for _ in range(20)]
    kinds = {next(n for n, one in enumerate(by_size) if torch.allclose(one, found)) for found in drawn}
    assert kinds == {0, 1}


@pytest.mark.parametrize("length", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("stack", [1, 2, 3])
def test_a_stem_streams_and_fills_its_last_stack_as_the_whole_does(length, stack):
    torch.manual_seed(0)
    stem, x = stems.Stem(D, stack=stack, projection=4).eval(), torch.randn(length, D)
    expected = stem(x[None], torch.tensor([length]))[0][0]
    for sizes in ([1], [2], [length]):
        found, counts = streamed(stem.open_stream(), x, sizes)
        torch.testing.assert_close(found, expected)
        assert sum(counts[:-1]) == length // stack


def test_what_cannot_stream_says_so():
    for name in ("blstm", "deepspeech2", "jasper", "quartznet"):
        assert not ENCODERS.get(name).streams


def test_sizes_that_are_none_are_refused():
    for wrong in (0, [], [4, 0]):
        with raises(ConfigError, "0.64", where=f"train.encoder_conf.chunk_s={wrong}"):
            made("lc_blstm", {"chunk_s": wrong})
    for key in ("chunk_s", "look_ahead_s"):
        with raises(ConfigError, where=f"train.encoder_conf.{key}=0.5"):
            made("lc_blstm", {"chunk_s": 4, key: 0.5})
    with raises(ConfigError, where="train.encoder_conf.kernel=0"):
        made("causal_conv", {"kernel": 0})
