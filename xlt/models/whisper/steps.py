"""Whisper's decoder for searching and scoring: the steps of transformers' own forward, in which the rows of
one clip share its keys and values of cross attention.

transformers' cache holds a copy of these for every row, which a beam of five would read at each step: ten
times as much as the weights, in a window of 30 s.

C clips, W rows a clip, U tokens, M tokens of a tree, T frames, H heads, D dimensions, P positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from xlt.models.whisper.net import Net

Pair = tuple[Tensor, Tensor]  # keys and values


def _heads(x: Tensor, attention: Any) -> Tensor:
    """(R, U, D) → (R, H, U, D/H)."""
    return x.unflatten(-1, (attention.num_heads, attention.head_dim)).transpose(1, 2)


class Steps:
    """The decoder on clips with encoder outputs (C, T, D), from the first token on.

    After :meth:`begin` each clip has one row; :meth:`choose` gives it W of them.
    """

    def __init__(self, net: Net, hidden: Tensor):
        self.net, self.decoder = net, net.whisper.model.decoder
        self.clips, self.rows = len(hidden), 1
        hidden = hidden.to(self.decoder.embed_positions.weight.dtype)
        self.cross = [self._keys_values(hidden, layer.encoder_attn) for layer in self.decoder.layers]
        self.past: list[Pair] = []  # of each layer, (C × W, H, P, D/H)
        self.length = 0

    def begin(self, prompt: Sequence[int]) -> Tensor:
        """→ the states behind the prompt's last token, (C, D)."""
        ids = torch.tensor([list(prompt)] * self.clips, device=self.net.device)
        positions = torch.arange(len(prompt), device=self.net.device)
        return self._pass(ids, positions, causal=True)[:, -1]

    def step(self, ids: Tensor) -> Tensor:
        """The next token of each row, (C × W,), → the states behind it, (C × W, D)."""
        positions = torch.full((1,), self.length, device=self.net.device)
        return self._pass(ids[:, None], positions)[:, -1]

    def tree(self, ids: Sequence[int], parents: Sequence[int]) -> Tensor:
        """Tokens (M,) of a tree, the parent of each before it, -1 for the first one, all of them of the only
        clip → the states behind each, (M, D).
        """
        sees = torch.zeros(len(ids), len(ids), dtype=torch.bool)  # (M, M), itself and its forbears
        depth = [0] * len(ids)
        for number, parent in enumerate(parents):
            if parent >= 0:
                sees[number] = sees[parent]
                depth[number] = depth[parent] + 1
            sees[number, number] = True
        device = self.net.device
        return self._pass(
            torch.tensor([list(ids)], device=device), torch.tensor(depth, device=device), sees.to(device)
        )[0]

    def choose(self, rows: Sequence[int], clips: Sequence[int]) -> None:
        """Go on with ``rows`` of those that there are, W of each of ``clips`` in turn, W being all alike."""
        if list(clips) != list(range(self.clips)):
            index = torch.tensor(list(clips), device=self.net.device)
            self.cross = [(keys[index], values[index]) for keys, values in self.cross]
        if list(rows) != list(range(self.clips * self.rows)):
            index = torch.tensor(list(rows), device=self.net.device)
            self.past = [(keys[index], values[index]) for keys, values in self.past]
        self.clips, self.rows = len(clips), len(rows) // len(clips)

    def _pass(
        self, ids: Tensor, positions: Tensor, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """Tokens (C × W, U) behind those of the cache, their positions (U,) → states (C × W, U, D)."""
        x = self.net.embed(ids) + self.decoder.embed_positions.weight[positions]
        past, self.past = self.past, []
        fast = self.net.fast
        for number, layer in enumerate(self.decoder.layers):
            y = layer.self_attn_layer_norm(x)
            keys, values = self._keys_values(y, layer.self_attn)
            if past:
                keys = torch.cat([past[number][0], keys], 2)
                values = torch.cat([past[number][1], values], 2)
            self.past.append((keys, values))
            x = x + self._attend(y, layer.self_attn, (keys, values), mask, causal)
            y = layer.encoder_attn_layer_norm(x)
            y = y.reshape(self.clips, -1, y.shape[-1])  # (C, W × U, D): rows of a clip as further queries
            x = x + self._attend(y, layer.encoder_attn, self.cross[number], None).reshape(x.shape)
            y = layer.final_layer_norm(x)
            x = x + fast(layer.fc2)(layer.activation_fn(fast(layer.fc1)(y)))
        self.length += ids.shape[1]
        return self.decoder.layer_norm(x)

    def _attend(
        self, x: Tensor, attention: Any, keys_values: Pair, mask: Tensor | None, causal: bool = False
    ) -> Tensor:
        """Normalised states (R, U, D) → (R, U, D)."""
        fast = self.net.fast
        q = _heads(fast(attention.q_proj)(x) * attention.scaling, attention)
        y = functional.scaled_dot_product_attention(
            q, *keys_values, attn_mask=mask, is_causal=causal, scale=1.0
        )
        return fast(attention.out_proj)(y.transpose(1, 2).flatten(2))

    def _keys_values(self, x: Tensor, attention: Any) -> Pair:
        fast = self.net.fast
        return _heads(fast(attention.k_proj)(x), attention), _heads(fast(attention.v_proj)(x), attention)
