"""Frames by hand: 1 s is 50 frames of an upstream; the lengths behind ESPnet's layers come from ESPnet."""

import dataclasses

import pytest

from tests.check.conftest import Recipe
from xlt.nets.lengths import ctc_frames, ctc_steps, upstream_frames
from xlt.upstreams import upstream_class

pytestmark = pytest.mark.slow


@pytest.fixture
def train(tmp_path):
    return Recipe(tmp_path / "recipe").cfg().train


def test_frames_of_clips():
    names = ("fbank", "whisper_base", "xls_r_300m")
    assert [upstream_class(name).expected_rate(name) for name in names] == [100.0, 50.0, 50.0]
    assert upstream_frames(1.0, 50.0) == 50
    assert upstream_frames(1.0001, 50.0) == 51  # 16002 samples: the last frame is begun
    assert upstream_frames(0.5, 100.0) == 50


def test_stacking(train):
    assert ctc_frames(train, 50, 50.0) == 50
    assert ctc_frames(train, 101, 100.0) == 51  # two are stacked, the last is half empty
    assert ctc_frames(dataclasses.replace(train, frame_rate=25.0), 50, 50.0) == 25


def test_steps_count_a_blank_between_equal_labels():
    assert [ctc_steps(text) for text in ("", "abc", "aa", "aaa", "abba")] == [1, 3, 3, 5, 5]


@pytest.mark.parametrize(
    ("encoder", "conf"),
    [
        *[
            ("transformer", {"input_layer": layer})
            for layer in ("conv2d", "conv2d1", "conv2d2", "conv2d6", "conv2d8", "linear")
        ],
        ("transformer", {}),
        ("e_branchformer", {"input_layer": "conv1d2"}),
        ("e_branchformer", {"input_layer": "conv1d3"}),
        ("conformer", {}),
        ("rnn", {}),
        ("rnn", {"subsample": [1, 3]}),
        ("vgg_rnn", {}),
    ],
)
def test_encoders_that_shorten_as_espnet_does(train, encoder, conf):
    import torch

    from xlt.models.espnet.task import encoder_choices

    made = encoder_choices.classes[encoder](
        input_size=80, **conf, **({} if "rnn" in encoder else {"num_blocks": 1})
    ).eval()
    train = dataclasses.replace(train, encoder=encoder, encoder_conf=conf)
    for frames in (40, 41, 52, 99):
        lengths = made(torch.randn(2, frames, 80), torch.tensor([frames, frames - 5]))[1].tolist()
        assert [ctc_frames(train, frames, 50.0), ctc_frames(train, frames - 5, 50.0)] == lengths
    assert ctc_frames(train, 1, 50.0) >= 0
