"""The probe: a small CTC head, learned together with one softmax weight a layer on a few minutes of hidden
states.

B clips of a batch, T frames, L layers, D feature dimensions, C characters and the blank.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xlt.core.errors import DataError, UpstreamError
from xlt.nets.batching import batches
from xlt.nets.lengths import ctc_steps
from xlt.nets.moments import Moments
from xlt.nets.paths import best_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch

LR = 0.002  # peak learning rate of the head
WEIGHTS_LR = (
    0.02  # of the layer weights: at the head's rate they hardly leave their equal start in so few updates
)
WIDTH = 128  # of the blstm head: of the projection, and cells a direction
DROPOUT = 0.2
GRAD_CLIP = 5.0
BATCH_FRAMES = 600  # padded frames in a batch: 12 s at 50 frames a second


@dataclass(frozen=True)
class Settings:
    """How the probe learns: ``norm`` as in :class:`xlt.features.layer_mix.Mix`, ``head`` linear or blstm.

    ``quick``: layers are summed in another order, seven times as fast. Layer mixes are learned without, as
    they would change in the last digit, and features that are stored with them.
    """

    norm: str
    head: str
    updates: int
    seed: int
    quick: bool = False


@dataclass(frozen=True)
class Learned:
    """``weights``: (L,) float32, sum 1; ``loss``: CTC loss a character over the last tenth of the updates;
    ``read``: hidden states (T, L, D) of an utterance → its text, by the best path.
    """

    weights: np.ndarray
    loss: float
    left_out: list[int]  # utterances shorter than their text needs
    read: Callable[[np.ndarray], str]


def learn(
    hidden: Sequence[np.ndarray],
    texts: list[str],
    moments: Moments,
    settings: Settings,
    progress: Callable[[int], None] = lambda updates: None,
) -> Learned:
    """Learn the layer weights from hidden states (T, L, D), layer-normed already for norm ``frame``, and
    their texts.

    The same arguments give the same weights on the same machine. DataError if no utterance can be learned
    from, UpstreamError if the loss is not a number.
    """
    import numpy as np
    import torch

    letters = ["", *sorted(set("".join(texts)))]  # 0 is the blank
    chars = {c: n for n, c in enumerate(letters)}
    targets = [torch.tensor([chars[c] for c in text]) for text in texts]
    left_out = [n for n, text in enumerate(texts) if len(hidden[n]) < ctc_steps(text)]
    frames = [len(h) for h in hidden]
    kept = sorted(set(range(len(frames))) - set(left_out), key=lambda n: (frames[n], n))
    like = list(batches(kept, frames.__getitem__, BATCH_FRAMES))
    if not like:
        raise DataError(
            f"the layer mix cannot be learned: each of the {len(texts)} utterances has fewer frames than its "
            "text needs; do texts and recordings belong together?"
        )
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        net = _network(moments, settings, len(letters))
        loss = _train(net, hidden, targets, like, settings, progress)
    net.eval()

    @torch.inference_mode()
    def read(one: np.ndarray) -> str:
        with one_thread():
            x = torch.from_numpy(np.asarray(one, np.float32))[None]  # (1, T, L, D)
            best = net(x, torch.tensor([x.shape[1]]))[0].argmax(-1)
        return "".join(letters[n] for n in best_path(best))

    return Learned(torch.softmax(net.weights.detach(), 0).numpy(), loss, left_out, read)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread inside: sums then have one order, whatever the machine is busy
    with.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train(
    net: torch.nn.Module,
    hidden: Sequence[np.ndarray],
    targets: list[torch.Tensor],
    like: list[list[int]],
    settings: Settings,
    progress: Callable[[int], None],
) -> float:
    import numpy as np
    import torch

    head = [p for name, p in net.named_parameters() if name != "weights"]
    optim = torch.optim.Adam([{"params": head, "lr": LR}, {"params": [net.weights], "lr": WEIGHTS_LR}])
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optim, lambda n: 0.5 + 0.5 * math.cos(math.pi * n / settings.updates)
    )
    rng, losses = np.random.default_rng(settings.seed), []
    order: list[int] = []
    for update in range(settings.updates):
        order = order or list(rng.permutation(len(like)))
        chosen = like[order.pop()]
        lengths = torch.tensor([len(hidden[n]) for n in chosen])
        padded = torch.zeros(len(chosen), int(lengths.max()), *hidden[chosen[0]].shape[1:])  # (B, T, L, D)
        for row, n in zip(padded, chosen, strict=True):
            row[: len(hidden[n])] = torch.from_numpy(np.asarray(hidden[n], np.float32))
        logits = net(padded, lengths).log_softmax(-1).transpose(0, 1)  # (T, B, C)
        sizes = torch.tensor([len(targets[n]) for n in chosen])
        loss = torch.nn.functional.ctc_loss(
            logits, torch.cat([targets[n] for n in chosen]), lengths, sizes, reduction="sum"
        )
        if not torch.isfinite(loss):
            raise UpstreamError(
                f"the layer mix cannot be learned: the probe's loss is {loss.item()} at update {update + 1}; "
                "features.mix_norm=corpus and features.dtype=float32 are the safe settings"
            )
        optim.zero_grad()
        (loss / len(chosen)).backward()
        torch.nn.utils.clip_grad_norm_(head, GRAD_CLIP)
        optim.step()
        schedule.step()
        losses.append(loss.item() / int(sizes.sum()))
        progress(1)
    last = losses[-max(1, len(losses) // 10) :]
    return sum(last) / len(last)


def _network(moments: Moments, settings: Settings, classes: int) -> torch.nn.Module:
    import numpy as np
    import torch

    layers, dim = moments.mean.shape

    class Probe(torch.nn.Module):
        """Weighted sum of the layers (s3prl's Featurizer: softmax over weights that start at 0), then the
        head.

        Between them the sum is brought to mean 0 and deviation 1 a dimension, as training does with what is
        stored.
        """

        def __init__(self):
            super().__init__()
            self.weights = torch.nn.Parameter(torch.zeros(layers))
            scale = 1 / moments.std if settings.norm == "corpus" else moments.std * 0 + 1
            # (D, L, L): the order in which training adds up
            by_dim = np.ascontiguousarray(moments.covariance.transpose(2, 0, 1))
            for name, array in (("scale", scale), ("mean", moments.mean), ("covariance", by_dim)):
                self.register_buffer(name, torch.from_numpy(array).float())
            self.dropout = torch.nn.Dropout(DROPOUT)
            blstm = settings.head == "blstm"
            self.project = (
                torch.nn.Sequential(torch.nn.Linear(dim, WIDTH), torch.nn.LayerNorm(WIDTH)) if blstm else None
            )
            self.lstm = torch.nn.LSTM(WIDTH, WIDTH, batch_first=True, bidirectional=True) if blstm else None
            self.out = torch.nn.Linear(2 * WIDTH if blstm else dim, classes)

        def forward(self, hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            """(B, T, L, D), (B,) → (B, T, C)."""
            factor = torch.softmax(self.weights, 0)[:, None] * self.scale  # (L, D)
            with torch.no_grad():
                deviation = (
                    torch.einsum("ld,kd,dlk->d", factor, factor, self.covariance).clamp(min=1e-10).sqrt()
                )
            mixed = (
                (hidden * factor).sum(2) if settings.quick else torch.einsum("btld,ld->btd", hidden, factor)
            )
            x = (mixed - (factor * self.mean).sum(0)) / deviation
            inside = torch.arange(x.shape[1])[None, :] < lengths[:, None]
            x = self.dropout(x * inside[..., None])
            if self.lstm is not None:
                x = self.dropout(self.lstm(self.project(x))[0])
            return self.out(x)

    return Probe()
