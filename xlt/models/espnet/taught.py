"""ESPnet's model with a teacher: beside its own loss, its CTC outputs are compared with the teacher's, frame
by frame (``train.posterior_weight``; Hinton et al. 2015 for classifiers, Takashima et al. 2018 for CTC).

B batch, T frames, D dimensions, V tokens.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import torch

with contextlib.redirect_stderr(io.StringIO()):  # it reports optional packages that we do not use
    from espnet2.asr.espnet_model import ESPnetASRModel

NAME = "xlt_taught"  # in ESPnet's list of models
POSTERIORS = "teacher"  # what ESPnet calls the teacher's outputs


def untaught(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a trained model as ESPnet's own, which needs no teacher any more."""
    if "posterior_weight" not in config["model_conf"]:
        return config
    conf = {key: value for key, value in config["model_conf"].items() if key != "posterior_weight"}
    return {**config, "model": "espnet" if config["model"] == NAME else config["model"], "model_conf": conf}


class TaughtModel(ESPnetASRModel):
    """``posterior_weight``: share of the comparison in the CTC loss; sets without outputs of a teacher, such
    as dev, have none.
    """

    def __init__(self, *args, posterior_weight: float = 0.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.posterior_weight = posterior_weight
        self._teacher: tuple[torch.Tensor, torch.Tensor] | None = None

    def forward(self, speech, speech_lengths, text, text_lengths, **kwargs):
        """``teacher``: log probabilities (B, T, V), with their lengths (B,)."""
        outputs, lengths = kwargs.pop(POSTERIORS, None), kwargs.pop(f"{POSTERIORS}_lengths", None)
        self._teacher = None if outputs is None or lengths is None else (outputs, lengths)
        return super().forward(speech, speech_lengths, text, text_lengths, **kwargs)

    def _calc_ctc_loss(self, encoder_out, encoder_out_lens, ys_pad, ys_pad_lens):
        """``encoder_out``: (B, T, D)."""
        loss, cer = super()._calc_ctc_loss(encoder_out, encoder_out_lens, ys_pad, ys_pad_lens)
        if self._teacher is None:
            return loss, cer
        distance = divergence(self.ctc.log_softmax(encoder_out), encoder_out_lens, *self._teacher)
        return (1 - self.posterior_weight) * loss + self.posterior_weight * distance, cer


def divergence(
    ours: torch.Tensor, lengths: torch.Tensor, theirs: torch.Tensor, their_lengths: torch.Tensor
) -> torch.Tensor:
    """Kullback-Leibler divergence of our log probabilities (B, T, V) from the teacher's, natural, summed over
    the frames that both have, mean over the batch, as ESPnet's CTC loss is.
    """
    frames = min(ours.shape[1], theirs.shape[1])
    both = torch.minimum(lengths, their_lengths.to(lengths.device))  # (B,)
    ours, theirs = ours[:, :frames], theirs[:, :frames].to(ours)
    there = torch.arange(frames, device=ours.device)[None] < both[:, None]  # (B, T)
    apart = (theirs.exp() * (theirs - ours)).sum(dim=2)  # (B, T)
    return (apart * there).sum() / len(ours)
