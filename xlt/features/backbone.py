"""A frozen upstream that the models of several languages share: each clip is encoded once for all of them."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from xlt.features.extract import Setup, encode_waves, layer_numbers, load, load_mix, under
from xlt.formats.matrix import round_trip
from xlt.upstreams.base import check_layers

if TYPE_CHECKING:
    import numpy as np
    import torch

    from xlt.audio.augment.chunk import Mask
    from xlt.features.mix import Mix
    from xlt.upstreams.base import Upstream

Layers = str | int | list  # last, a number, or a list of them


class _Remembering:
    """An upstream that keeps what it gave for the clips before: ``layers``, and those that were asked for."""

    def __init__(self, upstream: Upstream, layers: Iterable[int]):
        self._upstream, self._layers = upstream, set(layers)
        self._waves: list[np.ndarray] = []
        self._found: dict[int, torch.Tensor] = {}  # layer → (B, T, D)
        self._lengths: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._upstream, name)

    def encode(self, waves: list[np.ndarray], layers: list[int]) -> tuple[list[torch.Tensor], list[int]]:
        """As :meth:`xlt.upstreams.base.Upstream.encode`."""
        if not (set(layers) <= self._found.keys() and self._is_known(waves)):
            self._layers |= set(layers)
            wanted = sorted(self._layers)
            outputs, self._lengths = self._upstream.encode(waves, wanted)
            self._found = dict(zip(wanted, outputs, strict=True))
            self._waves = [wave.copy() for wave in waves]
        return [self._found[n] for n in layers], self._lengths

    def _is_known(self, waves: list[np.ndarray]) -> bool:
        import numpy as np

        return len(waves) == len(self._waves) and all(map(np.array_equal, waves, self._waves))


class Backbone:
    """The upstream of ``setup``, loaded. ``layers``: all that its models read, so that the first of them that
    hears a clip has it encoded for the others, too. Threads may share it: it encodes for one at a time.
    ``frame_rate``: features a second.

    A model gets the same features, bit by bit, as from an upstream of its own: neither the layers that are
    asked for nor the other clips of a batch change an output.
    """

    def __init__(self, setup: Setup, layers: Iterable[Layers]):
        self.setup = setup
        self._one = threading.Lock()
        self.upstream = upstream = load(setup)
        numbers = sorted({number for one in layers for number in layer_numbers(upstream, one)})
        check_layers(upstream, numbers)
        self.num_layers, self.frame_rate = upstream.num_layers, upstream.frame_rate
        self._numbers = numbers
        self._remembering: dict[Mask | None, Any] = {}

    def encode(self, waves: list[np.ndarray], setup: Setup, mix: Mix | None) -> list[np.ndarray]:
        """Features (T, D) of each wave (N,), 16 kHz, as the model of ``setup`` was trained on; ``mix``: its
        layer mix, or None.
        """
        with self._one:
            if setup.mask not in self._remembering:
                upstream = under(self.upstream, setup.mask)
                self._remembering[setup.mask] = _Remembering(upstream, self._numbers)
            upstream = self._remembering[setup.mask]
            found = encode_waves(upstream, waves, setup.layers, setup.batch_s, mix=mix)
        return [round_trip(matrix, setup.storage) for matrix in found]

    def layers(self, waves: list[np.ndarray], layers: Sequence[int]) -> list[np.ndarray]:
        """Waves (N,), 16 kHz → ``layers`` side by side, (T, n D)."""
        return self.encode(waves, dataclasses.replace(self.setup, layers=list(layers)), None)


class Encoder:
    """The upstream of ``setup``, loaded, or that of ``backbone``: waves (N,), 16 kHz → features (T, D), as
    exact as what stage 3 stores for the training. Streams of speech share its weights.
    """

    def __init__(self, setup: Setup, backbone: Backbone | None = None):
        self.setup, self.backbone, self.mix = setup, backbone, load_mix(setup)
        self._own = load(setup) if backbone is None else None

    @property
    def upstream(self) -> Upstream:
        """What is loaded."""
        if self._own is not None:
            return self._own
        assert self.backbone is not None
        return self.backbone.upstream

    def __call__(self, waves: list[np.ndarray]) -> list[np.ndarray]:
        setup = self.setup
        if self.backbone is not None:
            return self.backbone.encode(waves, setup, self.mix)
        upstream = under(self.upstream, setup.mask)
        found = encode_waves(upstream, waves, setup.layers, setup.batch_s, mix=self.mix)
        return [round_trip(matrix, setup.storage) for matrix in found]  # what stage 7 reads
