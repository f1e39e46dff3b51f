"""ESPnet frontends that encode speech during training, one a kind of upstream; what both share stands
here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from xlt.audio.files import SAMPLE_RATE
from xlt.nets.batching import batches
from xlt.nets.moments import Moments

if TYPE_CHECKING:
    import numpy as np
    import torch

    from xlt.nets.featurizer import Featurizer
    from xlt.upstreams.base import Source


class Frontend(Protocol):
    """A frontend as training uses it before ESPnet does. B batch, N samples, T frames, D dimensions."""

    featurizer: Featurizer

    def num_frames(self, num_samples: int) -> int: ...

    def to(self, device: str) -> Any: ...

    def hidden(
        self, input: torch.Tensor, input_lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """(B, N), (B,) → the featurizer's layers, each (B, T, D), and their frames (B,)."""


def find_weights(upstream: str, path: str | None, cache: str | None, identity: dict | None) -> Source:
    """The upstream's weights; UpstreamError unless they are those of ``identity`` (None: any)."""
    from xlt.core.errors import UpstreamError
    from xlt.fetch.files import cache_root
    from xlt.upstreams import upstream_class

    source = upstream_class(upstream).find(upstream, path, cache_root(cache))
    if identity is not None and source.identity != identity:
        raise UpstreamError(
            f"the features were to come from {identity}, but the upstream found is {source.identity}; give "
            "the weights of the training, e.g. a bundle that holds them, or run from stage 3 (features)"
        )
    return source


def numbers_of(layers: str | int | list, count: int, name: str) -> list[int]:
    """The numbers of ``layers`` of an upstream with ``count`` hidden states; ConfigError if one is not
    there.
    """
    from types import SimpleNamespace

    from xlt.features.extract import layer_numbers
    from xlt.upstreams.base import check_layers

    upstream: Any = SimpleNamespace(num_layers=count, name=name)
    numbers = layer_numbers(upstream, layers)
    check_layers(upstream, numbers)
    return numbers


def statistics(
    frontend: Frontend,
    read: Callable[[str], np.ndarray],
    samples: dict[str, int],
    batch_s: float,
    device: str = "cpu",
) -> Iterator[tuple[int, dict]]:
    """Encode the utterances of ``samples`` ({id: N}) and yield ``(samples done, statistics so far)`` a batch.

    The statistics are what :class:`~xlt.nets.featurizer.Featurizer` reads: count (), sum (L, D) and products
    (L, L, D), or (L, D) where layers are not mixed, float64. ``read``: id → wave (N,) float32.
    """
    import torch

    total = Moments()
    shortest_first = sorted(samples, key=lambda u: (samples[u], u))
    for utts in batches(shortest_first, samples.__getitem__, batch_s * SAMPLE_RATE):
        waves = [torch.from_numpy(read(utt)) for utt in utts]
        lengths = torch.tensor([len(w) for w in waves])
        speech = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True).to(device)
        states, frames = frontend.hidden(speech, lengths.to(device))
        total.add(frontend.featurizer.moments(states, frames))
        yield int(lengths.sum()), {"count": total.count, "sum": total.total, "products": total.products}
