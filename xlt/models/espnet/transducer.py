"""ESPnet's model with a transducer in place of an attention decoder (``train.decoder=transducer``).

ESPnet's own takes the loss of a package that is not maintained (warprnnt); here it is torchaudio's. Beside it
there is always CTC, by which texts are aligned.

B batch, T frames, U labels, D dimensions, V tokens.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import torch
from torchaudio.functional import rnnt_loss

from xlt.models.espnet.taught import TaughtModel
from xlt.nets.transducer import Transducer, greedy
from xlt.tokens.tokenizer import SPACE, UNK, is_tag

with contextlib.redirect_stderr(io.StringIO()):
    from espnet2.asr_transducer.utils import get_transducer_task_io

DECODER = "transducer"  # ESPnet's name of the prediction network
NAME = "xlt_transducer"  # in ESPnet's list of models
HIDDEN = 320  # ESPnet's default width of it


class TransducerModel(TaughtModel):
    """The loss is (1 - ctc_weight) times the transducer's and ctc_weight times that of CTC. On dev
    ``cer_transducer`` is the error rate of the greedy search, in characters without spaces, as ESPnet counts
    for CTC.
    """

    def __init__(self, *args, joint_network: torch.nn.Module, **kwargs):
        super().__init__(*args, joint_network=None, **kwargs)
        self.use_transducer_decoder = True
        self.joint_network = joint_network

    def _calc_transducer_loss(self, encoder_out, encoder_out_lens, labels):
        """(B, T, D), (B,), (B, U) → the loss, CER and WER, which is not asked for."""
        before, target, frames, count = get_transducer_task_io(
            labels, encoder_out_lens, ignore_id=self.ignore_id, blank_id=self.blank_id
        )
        self.decoder.set_device(encoder_out.device)
        heard = encoder_out[:, : int(frames.max())].unsqueeze(2)  # (B, T, 1, D)
        logits = self.joint_network(heard, self.decoder(before).unsqueeze(1))  # (B, T, U + 1, V)
        loss = rnnt_loss(logits.float(), target, frames, count, blank=self.blank_id, reduction="mean")
        rate = None if self.training else self._rate(encoder_out, encoder_out_lens, labels)
        return (1 - self.ctc_weight) * loss, rate, None

    def _rate(self, encoder_out, encoder_out_lens, labels):
        import editdistance

        net = Transducer(self.decoder, self.joint_network)
        wrong = whole = 0
        for hidden, frames, ids in zip(encoder_out, encoder_out_lens.tolist(), labels.tolist(), strict=True):
            right = self._written([label for label in ids if label != self.ignore_id])
            wrong += editdistance.eval(right, self._written(greedy(net, hidden[:frames]).ids))
            whole += len(right)
        return wrong / max(1, whole)

    def _written(self, ids: Sequence[int]) -> str:
        tokens = (self.token_list[label] for label in ids)
        left_out = (SPACE, UNK)
        return "".join(t for t in tokens if t not in left_out and not is_tag(t)).replace("▁", "")
