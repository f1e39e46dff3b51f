"""The lines that a person sees of training."""

import logging
import types

import pytest

from xlt.models.espnet import epochs
from xlt.models.espnet.epochs import EpochLines


@pytest.fixture
def say_epoch(monkeypatch, capsys):
    """``say_epoch(lines, number, valid, at_s)``: what is printed when an epoch has ended ``at_s`` seconds
    after the start."""
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(epochs, "time", types.SimpleNamespace(monotonic=lambda: clock.now))

    def run(lines, number, valid, at_s=0.0):
        clock.now = at_s
        message = f"{number}epoch results: [train] iter_time=0.1, loss=40.7, [valid] {valid}, time=1 second"
        lines.emit(logging.LogRecord("root", logging.INFO, "trainer.py", 1, message, (), None))
        return capsys.readouterr().out.strip()

    return run


def test_line_of_an_epoch(say_epoch):
    lines = EpochLines("char", 30)
    assert (
        say_epoch(lines, 1, "loss_ctc=60, cer_ctc=0.8, loss=60.1", 30)
        == "epoch 1/30, about 14 min left: 80.0% of characters wrong on dev"
    )
    assert say_epoch(lines, 2, "cer_ctc=0.447", 60).endswith("44.7% of characters wrong on dev (best so far)")
    assert (
        say_epoch(lines, 3, "cer_ctc=0.4531", 90)
        == "epoch 3/30, about 14 min left: 45.3% of characters wrong on dev (best 44.7 at 2)"
    )
    assert say_epoch(lines, 30, "cer_ctc=0.5", 900).startswith("epoch 30/30: 50.0%")
    long = EpochLines("char", 101)  # begun at 900 s, an epoch takes 900 s
    assert say_epoch(long, 1, "cer_ctc=0.5", 1800).startswith("epoch 1/101, about 25.0 h left: ")


def test_after_a_restart_the_best_is_not_known(say_epoch):
    lines = EpochLines("phone", 4)
    assert say_epoch(lines, 3, "cer_ctc=0.5") == "epoch 3/4: 50.0% of IPA letters wrong on dev"
    assert say_epoch(lines, 4, "cer_ctc=0.6") == "epoch 4/4: 60.0% of IPA letters wrong on dev"


def test_models_without_ctc(say_epoch):
    lines = EpochLines("bpe", 2)
    assert say_epoch(lines, 1, "cer_ctc=nan, acc=0.71, loss=3.2") == "epoch 1/2: 71.0% of tokens right on dev"
    assert say_epoch(lines, 2, "loss=3.2") == "epoch 2/2: loss 3.2 on dev"
    lines.emit(logging.LogRecord("root", logging.INFO, "trainer.py", 1, "1epoch:train:1-1batch", (), None))
