"""Ctrl-C at a chosen moment of a training."""

from __future__ import annotations


def interrupt_after(monkeypatch, epoch: int) -> None:
    """Ctrl-C when the validation of ``epoch`` begins."""
    from xlt.models.espnet.task import XltTrainer

    original, count = XltTrainer.validate_one_epoch.__func__, [0]

    def validate(cls, *args, **kwargs):
        count[0] += 1
        if count[0] == epoch:
            raise KeyboardInterrupt
        return original(cls, *args, **kwargs)

    monkeypatch.setattr(XltTrainer, "validate_one_epoch", classmethod(validate))
