"""When a training is said to have gone on too long, or not long enough."""

import pytest

from xlt.train.overfit import barely, rising


def course(*values, key="loss"):
    return [{"epoch": epoch, "train_loss": 1.0, key: value} for epoch, value in enumerate(values, 1)]


def test_a_loss_that_rises_says_since_when_and_what_it_means():
    said = rising(course(54.0, 20.0, 8.0, 7.0, 6.8, 7.2, 7.5, 7.6, 7.7))
    # the mean of 7.5, 7.6 and 7.7 is 7.6, 12% above 6.8
    assert said.startswith("dev loss rises since epoch 5 (6.8, at the end 7.6): ")
    assert "more speech helps" in said


@pytest.mark.parametrize(
    "values",
    [
        [54.0, 20.0, 8.0, 7.0, 6.8],  # the last is the best
        [54.0, 20.0, 8.0, 6.8, 9.0, 9.0],  # two epochs say little
        [54.0, 6.8, 7.0, 7.2, 7.4, 7.4],  # 7.33 is 8% above
        [6.8, 9.0, 9.0, 9.0, 7.0, 7.0, 7.0],  # it has fallen again
        [],
    ],
)
def test_noise_is_no_rise(values):
    assert rising(course(*values)) is None


def test_whisper_has_its_error_on_dev():
    assert rising(course(8.9, 7.6, 7.3, 8.5, 8.6, 8.7, key="score")).startswith(
        "the error on dev rises since epoch 3 (7.3, at the end 8.6): "
    )


def test_a_network_that_has_not_begun_is_told_to_train_longer():
    said = barely(course(1.0, 0.97, 0.763, 0.766, key="cer_ctc"), 1500)
    assert (
        said.startswith("at best 76% of characters are wrong on dev: ") and "train.min_updates=4500" in said
    )


@pytest.mark.parametrize("history", [course(1.0, 0.5, key="cer_ctc"), course(9.0, 8.0, key="score"), []])
def test_others_are_not(history):
    assert barely(history, 1500) is None
