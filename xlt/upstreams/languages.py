"""Many languages over one frozen wav2vec 2.0: an adapter and an output layer each (Pratap et al. 2023,
arXiv:2305.13516), added, used and exchanged without touching the others.

N samples, T frames, V letters.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from xlt.core.errors import DataError, UpstreamError
from xlt.formats.adapter_file import AdapterFile, adapter_path, letters_of, read_adapter
from xlt.nets.adapters import Mms
from xlt.nets.paths import best_path
from xlt.upstreams.hf import HuggingFace
from xlt.upstreams.tunable import Net, WaveFront

if TYPE_CHECKING:
    import numpy as np

PAD, UNKNOWN, BETWEEN_WORDS, END = "<pad>", "<unk>", "|", "</s>"  # as transformers' vocabularies have them
_SILENT = ("<s>", END, PAD)


@dataclass(frozen=True)
class Language:
    """``letters``: what the outputs stand for; ``checked``: whether the adapter says that it is of this
    backbone; else only its shapes could be compared.
    """

    adapters: nn.ModuleList
    head: nn.Linear
    letters: list[str]
    checked: bool


class Languages:
    """The backbone in the Hugging Face folder ``folder``, and the languages that were added.

    UpstreamError unless it is a wav2vec 2.0 with norms before its sublayers (XLS-R, MMS), which alone has
    adapters in transformers.
    """

    def __init__(self, folder: Path, device: str = "cpu"):
        pieces = HuggingFace.pieces(HuggingFace.find("hf", str(folder), folder))
        self.folder, self.device = folder, device
        net = Net(pieces, len(pieces.layers), 0.0)
        check_backbone(net, str(folder))
        self.net = net.eval().requires_grad_(False).to(device)
        self.fingerprint = fingerprint(self.net)
        self.known: dict[str, Language] = {}

    def add(self, lang: str, folder: Path | None = None) -> Language:
        """Load the adapter of ``lang`` from ``folder``, by default the backbone's; a language that is there
        is exchanged. DataError for an adapter of another backbone, or one that is damaged.
        """
        folder = folder or self.folder
        path = adapter_path(folder, lang)
        found = read_adapter(path)
        self._check(path, found)
        letters = letters_of(folder, lang, len(found.head[1]))
        adapters = nn.ModuleList(Mms(found.dim, found.width) for _ in found.layers)
        for module, state in zip(adapters, found.layers, strict=True):
            module.load_state_dict(state)
        head = nn.Linear(found.dim, len(letters))
        head.load_state_dict({"weight": found.head[0], "bias": found.head[1]})
        made = Language(
            adapters.eval().requires_grad_(False).to(self.device),
            head.requires_grad_(False).to(self.device),
            letters,
            found.backbone is not None,
        )
        self.known[lang] = made
        return made

    def _check(self, path: Path, found: AdapterFile) -> None:
        ours = len(self.net.layers), self.net.dim
        if (len(found.layers), found.dim) != ours:
            raise DataError(
                f"{path}: is for a backbone of {len(found.layers)} layers and {found.dim} dimensions,"
                f" {self.folder}"
                f" has {ours[0]} and {ours[1]}; name the folder of the backbone that the adapter was"
                " trained on"
            )
        if found.backbone not in (None, self.fingerprint):
            raise DataError(
                f"{path}: was trained on another backbone (sha256 {str(found.backbone)[:12]}…,"
                f" {self.folder} is"
                f" {self.fingerprint[:12]}…); name the folder of its own, or train the adapter on this one"
            )

    @torch.inference_mode()
    def logits(self, lang: str, waves: list[np.ndarray]) -> list[torch.Tensor]:
        """Of each wave (N,) the outputs (T, V) before softmax."""
        language = self.known[lang]
        found = []
        for wave in waves:  # alone: what a clip gets depends on nothing else
            hidden, _ = self.net([torch.from_numpy(wave).to(self.device)], language.adapters)
            found.append(language.head(hidden[-1]).cpu())
        return found

    def texts(self, lang: str, waves: list[np.ndarray]) -> list[str]:
        """Of each wave (N,) the likeliest letter of each frame, repeats merged, blanks dropped."""
        letters = self.known[lang].letters
        blank, found = letters.index(PAD), []
        for outputs in self.logits(lang, waves):
            path = best_path(outputs.argmax(dim=1), blank)
            said = [letters[n] for n in path if letters[n] not in _SILENT]
            found.append("".join(" " if letter == BETWEEN_WORDS else letter for letter in said).strip())
        return found


def check_backbone(net: Net, where: str) -> None:
    """UpstreamError unless transformers has language adapters for this kind of network."""
    if not isinstance(net.front, WaveFront) or net.final_norm is None:
        raise UpstreamError(
            f"{where}: transformers has language adapters only for wav2vec 2.0 with norms before its"
            " sublayers"
            " (do_stable_layer_norm, as XLS-R and MMS have); name such a model"
        )


def fingerprint(net: Net) -> str:
    """SHA-256 of a backbone's parameters in float32, whatever files they came in, and under whatever names
    the two parts of the position convolution's weights are kept.
    """
    found, position = hashlib.sha256(), "front.position."
    tensors = {name: t for name, t in net.state_dict().items() if not name.startswith(position)}
    tensors |= {position + name: getattr(net.front.position, name) for name in ("weight", "bias")}
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {list(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().float().contiguous().numpy().data)
    return found.hexdigest()
