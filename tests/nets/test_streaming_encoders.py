"""Encoders for streams: what comes block by block is what the whole clip gives."""

import inspect

import pytest

from tests.errors import raises
from tests.lazy import Lazy, torch
from xlt.core.errors import ConfigError

emformer = Lazy("xlt.nets.encoders.emformer")
contextual = Lazy("xlt.nets.encoders.contextual")
task = Lazy("xlt.models.espnet.task")

SECONDS = {"segment_s": 0.32, "left_s": 0.4, "frame_rate": 25.0}  # segments of 8 frames


def made(encoder):
    """In evaluation, with moments of batch norm as after some training."""
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return encoder.eval()


def new_emformer(**conf):
    torch.manual_seed(0)
    conf = {"layers": 3, "heads": 2, "feed_forward": 24, **SECONDS, **conf}
    return made(emformer.EmformerEncoder(16, **conf))


def new_contextual(**conf):
    torch.manual_seed(0)
    sizes = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 3}
    conf = {"block_size": 10, "hop_size": 4, "look_ahead": 2, **conf}
    more = {"macaron_style": True, "cnn_module_kernel": 3}
    return made(contextual.ContextualConformer(16, **sizes, **more, **conf))


def streamed(encoder, x, step):
    stream = encoder.open_stream()
    parts = [stream.push(x[start : start + step]) for start in range(0, len(x), step)]
    return torch.cat([*parts, stream.push(x[:0], last=True)])


@pytest.mark.parametrize("frames", [1, 7, 8, 9, 12, 16, 17, 41])
@pytest.mark.parametrize("conf", [{}, {"right_s": 0.0}, {"memory": 2}, {"kernel": 0}, {"left_s": 0.0}])
def test_emformer_gives_a_stream_what_it_gives_the_whole(frames, conf):
    encoder, x = new_emformer(**conf), torch.randn(2, frames + 3, 16)  # noise behind the ends must not matter
    lengths = torch.tensor([frames, max(1, frames - 5)])
    with torch.inference_mode():
        whole, found, _ = encoder(x, lengths)
        assert found.tolist() == lengths.tolist()
        for row, length in enumerate(lengths.tolist()):
            torch.testing.assert_close(
                streamed(encoder, x[row, :length], 5), whole[row, :length], atol=1e-4, rtol=0
            )


@pytest.mark.parametrize("conf", [{}, {"block_size": 8, "look_ahead": 4}, {"input_layer": "linear"}])
def test_contextual_blocks_give_a_stream_what_they_give_the_whole(conf):
    """Around every end of a block: with 10, 4 and 2 frames, first blocks of 10 and then ends 4 apart."""
    encoder = new_contextual(**conf)
    for frames in range(encoder.least, encoder.least + 23 * encoder.subsample, encoder.subsample):
        x, lengths = torch.randn(2, frames + 2, 16), torch.tensor([frames, encoder.least])
        with torch.inference_mode():
            whole, found, _ = encoder(x, lengths)
            for row, length in enumerate(lengths.tolist()):
                torch.testing.assert_close(
                    streamed(encoder, x[row, :length], 7), whole[row, : found[row]], atol=1e-4, rtol=0
                )


def test_a_stream_of_fewer_frames_than_a_convolution_needs_goes_on_as_it_ends():
    encoder, x = new_contextual(), torch.randn(3, 16)
    whole = encoder(torch.cat([x, x[-1:].expand(4, -1)])[None], torch.tensor([7]))[0][0]
    torch.testing.assert_close(streamed(encoder, x, 1), whole.detach(), atol=1e-4, rtol=0)
    assert streamed(encoder, x[:0], 1).shape == (0, 16)


@pytest.mark.parametrize(("new", "shortening"), [(new_emformer, 1), (new_contextual, 4)])
def test_a_chunk_comes_when_it_and_its_look_ahead_are_there_and_nothing_grows(new, shortening):
    encoder = new()
    sizes, stream, given = encoder.sizes, encoder.open_stream(), []
    for _ in range(12 * sizes.chunk):
        given.append(len(stream.push(torch.zeros(1, 16))))
        assert len(stream._waiting) <= sizes.chunk + sizes.left + sizes.ahead
    times = [place for place, count in enumerate(given) if count]
    assert {b - a for a, b in zip(times, times[1:], strict=False)} == {sizes.chunk}
    assert {given[place] for place in times[1:]} == {sizes.chunk // shortening}
    # the first frame of what came last has waited longest
    assert times[-1] - shortening * sum(given[: times[-1]]) == encoder.latency()


@pytest.mark.parametrize(
    ("new", "conf", "where"),
    [
        (new_emformer, {"segment_s": 0.33}, "train.encoder_conf.segment_s"),  # 8.25 frames
        (new_emformer, {"segment_s": 0.0}, "train.encoder_conf.segment_s"),
        (new_emformer, {"heads": 3}, "train.encoder_conf.heads"),
        (new_emformer, {"layers": 0}, "train.encoder_conf.layers"),
        (new_emformer, {"memory": -1}, "train.encoder_conf.memory"),
        (new_contextual, {"hop_size": 0}, "train.encoder_conf.hop_size"),
        (new_contextual, {"block_size": 5}, "train.encoder_conf.block_size"),
        (new_contextual, {"init_average": False}, "train.encoder_conf.init_average"),
    ],
)
def test_sizes_that_cannot_be_are_refused(new, conf, where):
    with raises(ConfigError) as caught:
        new(**conf)
    assert str(caught.value).startswith(where)


def test_recipes_choose_seconds_and_the_training_says_how_many_frames_these_are():
    task.check_arguments("encoder", "emformer", {"segment_s": 0.64})
    assert task.encoder_arguments("emformer", {"layers": 2}, 50.0) == {"layers": 2, "frame_rate": 50.0}
    assert task.encoder_arguments("blstm", {"num_layers": 2}, 50.0) == {"num_layers": 2}
    for name, argument in (("emformer", "frame_rate"), ("contextual_block_conformer", "hop")):
        with raises(ConfigError, argument):
            task.check_arguments("encoder", name, {argument: 4})
    assert "hop_size" in inspect.signature(contextual.ContextualConformer.__init__).parameters
