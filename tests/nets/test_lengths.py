"""Frames by hand: 1 s is 50 frames of an upstream; the lengths behind ESPnet's layers come from ESPnet."""

import dataclasses

import pytest

from tests.check.conftest import Recipe
from xlt.core.config import load, presets
from xlt.nets.lengths import ctc_frames, ctc_steps, least_frames, shortening, upstream_frames
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
        ("quartznet", {"width": 0.03}),
        ("quartznet", {"width": 0.03, "stride": 3}),
        ("jasper", {"width": 0.03}),
    ],
)
def test_encoders_that_shorten_as_espnet_does(train, encoder, conf):
    import torch

    from xlt.models.espnet.task import encoder_choices

    made = encoder_choices.classes[encoder](
        input_size=80, **conf, **({"num_blocks": 1} if "former" in encoder else {})
    ).eval()
    train = dataclasses.replace(train, encoder=encoder, encoder_conf=conf)
    for frames in (40, 41, 52, 99):
        lengths = made(torch.randn(2, frames, 80), torch.tensor([frames, frames - 5]))[1].tolist()
        assert [ctc_frames(train, frames, 50.0), ctc_frames(train, frames - 5, 50.0)] == lengths
    assert ctc_frames(train, 1, 50.0) >= 0
    least = least_frames(encoder, conf)
    if "rnn" not in encoder:
        assert made(torch.randn(1, least, 80), torch.tensor([least]))[1].tolist() == [1]
        assert ctc_frames(train, least, 50.0) == 1 and (least == 1 or ctc_frames(train, least - 1, 50.0) < 1)


@pytest.mark.parametrize(
    ("encoder", "conf", "factor"),
    [
        ("blstm", {}, 1),
        ("rnn", {}, 4),
        ("rnn", {"subsample": [1, 3]}, 3),
        ("vgg_rnn", {}, 4),
        ("conformer", {}, 4),
        ("transformer", {"input_layer": "linear"}, 1),
        ("e_branchformer", {"input_layer": "conv1d3"}, 3),
        ("quartznet", {}, 2),
        ("jasper", {"stride": 4}, 4),
    ],
)
def test_how_many_frames_become_one(train, encoder, conf, factor):
    assert shortening(dataclasses.replace(train, encoder=encoder, encoder_conf=conf)) == factor


def test_presets_on_log_mels_leave_at_least_25_frames_a_second(tmp_path):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n")
    scratch = {}
    for preset in presets():
        cfg = load(tmp_path, [f"preset={preset}"])
        if cfg.features.upstream == "fbank":
            scratch[preset] = ctc_frames(cfg.train, 1000, 100.0)  # of ten seconds
    assert scratch == {
        "deepspeech2": 500,
        "quartznet": 500,
        "jasper": 500,
        "transformer": 249,
        "conformer": 249,
        "e_branchformer": 249,
        "emformer": 250,
        "conformer_stream": 249,
    }
