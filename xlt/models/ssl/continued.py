"""Continued pre-training: an encoder that others have trained goes on learning from speech of the language
that it will be used for.

Stretches of a clip are covered with noise, and low-rank changes (LoRA) of the attention let the encoder give
there what the encoder as it was gives for the clip without noise, in all of its layers. This is masked
regression as in data2vec (Baevski et al. 2022, arXiv 2202.03555), but onto a teacher that does not change, so
that nothing can collapse. Frames that are not covered count as well, which keeps the encoder near to what it
was. What comes out is a folder like the one that it began with, the changes added to its weights.

N samples, T frames of a clip, R rows (frames of all clips), D dimensions.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xlt.core.errors import UpstreamError
from xlt.formats.tensors import read_header
from xlt.formats.weights import read_weights
from xlt.models.ssl.masks import spans
from xlt.models.ssl.method import Step, Totals, sized
from xlt.nets.adapters import PROJECTIONS, Lora
from xlt.upstreams import upstream_class
from xlt.upstreams.base import Source, has_fast_bf16
from xlt.upstreams.hf_folder import SAFE
from xlt.upstreams.tunable import Net

_AGAIN = "download the whole model again"
_LEAST = 1e-3  # deviation of a dimension below which it counts as constant
# what transformers calls a projection in a layer of Whisper, wav2vec 2.0 and w2v-BERT 2.0
_NAMES = ("self_attn.{}_proj.weight", "attention.{}_proj.weight", "self_attn.linear_{}.weight")
_BESIDE = ("tokenizer.json", "generation_config.json")  # what a family reads of such a folder as well


@dataclass(frozen=True)
class Options:
    """``rank`` of the changes; spans of ``mask_ms`` begin so often that, but for overlaps, ``mask_share`` of
    the frames is covered.
    """

    rank: int = 8
    mask_share: float = 0.4
    mask_ms: int = 300


class ContinuedMethod:
    """See :class:`xlt.models.ssl.method.Method`."""

    kind: type = Options  # of ``options``
    measure = "variance of covered frames explained"
    baseline = "by the encoder as it was"
    collapses = reads_texts = False

    def __init__(self, sizes: dict[str, Any], seed: int, device: str, source: Source | None):
        if source is None:
            raise ValueError("a continued pre-training starts from an encoder")
        self.options: Any = sized(self.kind, sizes)
        self.device, self.source = device, source
        self.upstream = source.upstream
        self.narrow = device == "cuda" or has_fast_bf16()
        self.pieces = pieces = upstream_class(source.upstream).pieces(source)
        self.net = Net(pieces, len(pieces.layers), 0.0).eval().requires_grad_(False).to(device)
        self.places = _places(source, len(pieces.layers))
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            # what is trained, and all that a checkpoint keeps: the encoder is not in it
            self.module = nn.ModuleList(Lora(self.net.dim, self.options.rank) for _ in self.net.layers)
        self.module.to(device)
        self.changes = self.module

    def prepare(self, waves: Iterable[Tensor]) -> None:
        """Nothing: targets are normalised in each batch."""

    def step(
        self, waves: list[Tensor], rng: np.random.Generator, done: float, texts: Sequence[str] = ()
    ) -> Step:
        waves = self.clips(waves)
        with torch.no_grad():
            targets, rows = self._states(waves, None)
        counts = [end - begin for begin, end in rows]
        masks = [self._mask(len(wave), count, rng) for wave, count in zip(waves, counts, strict=True)]
        covered = [self._covered(wave, mask, rng) for wave, mask in zip(waves, masks, strict=True)]
        hidden, heard = np.zeros((2, rows[-1][1]), bool)  # of the frames with speech, those that are covered
        for (begin, _), mask in zip(rows, masks, strict=True):
            heard[begin : begin + len(mask)] = True
            hidden[begin : begin + len(mask)] = mask
        wanted, chosen = (torch.from_numpy(found).to(self.device) for found in (heard, hidden[heard]))
        targets = [state[wanted] for state in targets]

        def errors(states: list[Tensor]) -> Tensor:
            return lack([state[wanted] for state in states], targets)

        found = errors(self._states(covered, self.module)[0])
        masked = int(hidden.sum())
        guessed = 0.0
        if not self.module.training:
            guessed = masked - float(errors(self._states(covered, None)[0])[chosen].sum())
        return Step(found.mean(), masked, masked - float(found.detach()[chosen].sum()), None, guessed)

    def clips(self, waves: list[Tensor]) -> list[Tensor]:
        """What the encoder is to hear at once: no more than it can, and short clips together."""
        most: Any = self.net.front.max_samples
        waves = [wave[:most] for wave in waves]
        return [torch.cat([waves[n] for n in group]) for group in self.groups(waves)]

    def groups(self, waves: list[Tensor]) -> list[list[int]]:
        """Which of the waves are heard one behind the other: short ones, as long as they fit into the clip
        that Whisper pads each to, 5 s, so that most of the work would be for silence.
        """
        room, groups, filled = getattr(self.net.front, "grid", 0), list[list[int]]([[]]), 0
        for number, wave in enumerate(waves):
            if groups[-1] and filled + len(wave) > room:
                groups.append([])
                filled = 0
            groups[-1].append(number)
            filled += len(wave)
        return groups

    def _states(
        self, waves: list[Tensor], changes: nn.ModuleList | None
    ) -> tuple[list[Tensor], list[tuple[int, int]]]:
        """Hidden states 1 to the last, each (R, D) float32, and the rows of each wave."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.narrow):
            states, rows = self.net(waves, changes)
        return [state.float() for state in states[1:]], rows

    def _mask(self, samples: int, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Which frames of a clip (T,) are covered: of its speech, not of what Whisper's front puts behind."""
        hop: Any = self.net.front.hop
        count = min(frames, -(-samples // hop))
        length = max(1, round(self.options.mask_ms * 16 / hop))
        return spans(count, self.options.mask_share, length, rng)

    def _covered(self, wave: Tensor, mask: np.ndarray, rng: np.random.Generator) -> Tensor:
        """The wave with white noise, on average as loud as the clip, in place of the masked frames."""
        hop: Any = self.net.front.hop
        places = torch.from_numpy(np.repeat(mask, hop)[: len(wave)])
        noise = torch.from_numpy(rng.normal(0, 1, len(places)).astype(np.float32))
        changed = wave.clone()
        level = wave.square().mean().sqrt()
        changed[: len(places)][places.to(wave.device)] = noise[places].to(wave.device) * level
        return changed

    def chance(self, totals: Totals) -> float:
        """What the encoder as published explains of covered frames."""
        return totals.guessed / max(1, totals.masked)

    @torch.no_grad()
    def save(self, out: Path) -> None:
        """The source's folder with changed weights of the attention, in one safetensors file."""
        from safetensors.torch import save_file

        tensors = _tensors(self.source)
        for number, (layer, change) in enumerate(zip(self.net.layers, self.changes, strict=True)):
            for name in PROJECTIONS:
                key, lora = self.places[number, name], change
                before = getattr(layer, name).weight.cpu()
                if not torch.equal(tensors[key].float(), before.float()):
                    raise UpstreamError(f"{self.source.folder}: {key} is not what was trained on; {_AGAIN}")
                after = before + (lora.b[name] @ lora.a[name]).cpu()
                tensors[key] = after.to(tensors[key].dtype)
        save_file({key: value.contiguous() for key, value in tensors.items()}, out / SAFE, {"format": "pt"})
        (out / SAFE).chmod(0o644)  # safetensors makes it readable by its owner only
        folder = self.source.folder
        others = [Path(file) for file in self.source.files if Path(file).suffix == ".json"]
        for path in (*others, *(folder / name for name in _BESIDE)):
            if path.is_file() and not path.name.endswith(".index.json"):
                shutil.copyfile(path, out / path.name)


def lack(states: list[Tensor], targets: list[Tensor]) -> Tensor:
    """What states lack of their targets, each (R, D): squared errors as a share of the variance, (R,), the
    mean of layers and dimensions.
    """
    each = []
    for state, target in zip(states, targets, strict=True):
        deviation = target.std(dim=0, correction=0).clamp(min=_LEAST)
        each.append(((state - target) / deviation).square().mean(dim=1))
    return torch.stack(each).mean(dim=0)


def _files(source: Source) -> list[Path]:
    """Those with weights; UpstreamError unless they lie in a Hugging Face folder."""
    found = [Path(file) for file in source.files if Path(file).suffix in (".safetensors", ".bin")]
    if source.path is None or not source.folder.is_dir() or not found:
        raise UpstreamError(
            f"features.upstream={source.upstream}: not a Hugging Face folder, so that what is trained cannot"
            " be written back; use whisper_base, or hf with a folder in features.path"
        )
    return found


def _tensors(source: Source) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    found: dict[str, Tensor] = {}
    for path in _files(source):
        found |= (
            load_file(path) if path.suffix == ".safetensors" else read_weights(path, _AGAIN, UpstreamError)
        )
    return found


def _places(source: Source, layers: int) -> dict[tuple[int, str], str]:
    """``{(layer, projection): name of its tensor}`` in the source's files; UpstreamError if they have no such
    tensor.
    """
    names: set[str] = set()
    for path in _files(source):
        safe = path.suffix == ".safetensors"
        names |= (read_header(path, _AGAIN, UpstreamError).tensors if safe else _tensors(source)).keys()
    found = {}
    for number in range(layers):
        for name in PROJECTIONS:
            ends = [f"encoder.layers.{number}.{form.format(name)}" for form in _NAMES]
            fits = [key for key in names if any(key == end or key.endswith(f".{end}") for end in ends)]
            if len(fits) != 1:
                raise UpstreamError(
                    f"features.upstream={source.upstream}: {source.folder} has no tensor that ends in"
                    f" {ends[0]}, where what is trained would be written; use whisper_base, or hf with a"
                    " folder of wav2vec 2.0, HuBERT or w2v-BERT 2.0"
                )
            found[number, name] = fits[0]
    return found
