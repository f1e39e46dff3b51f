"""An upstream that only tests have, as a new one is written: this file and one line of the registry."""

from __future__ import annotations

import torch

from xlt.upstreams.base import Source, Upstream, check_layers

HOP = 640  # samples a frame


class Toy(Upstream):
    """Two layers: the samples of 40 ms in 8 blocks, as powers and as their logarithms."""

    pretrained = False
    uses_gpu = False

    @staticmethod
    def find(name, path, cache):
        return Source(name, None, {"upstream": name, "hop": HOP})

    @classmethod
    def expected_rate(cls, name):
        return 25.0

    @classmethod
    def expected_size(cls, name):
        return 2, 8

    def __init__(self, source, dtype, device):
        self.name, self.frame_rate, self.num_layers, self.dim = source.upstream, 25.0, 2, 8

    def batch_key(self, num_samples):
        return -(-num_samples // HOP) * HOP

    def encode(self, waves, layers):
        check_layers(self, layers)
        longest = max(self.batch_key(len(wave)) for wave in waves)
        padded = torch.stack(
            [torch.nn.functional.pad(torch.from_numpy(wave), (0, longest - len(wave))) for wave in waves]
        )
        powers = (padded.view(len(waves), -1, self.dim, HOP // self.dim) ** 2).mean(-1)  # (B, T, D)
        states = [powers, torch.log(powers + 1e-10)]
        return [states[n] for n in layers], [-(-len(wave) // HOP) for wave in waves]
