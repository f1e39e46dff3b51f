"""A speech encoder of transformers that encodes a wave at a time.

N samples, T frames, D dimensions.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from safetensors import SafetensorError
from torch import nn

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import UpstreamError
from xlt.upstreams import hf_config
from xlt.upstreams.conformer import MEL_HOP, bert_mels
from xlt.upstreams.hf_kinds import kind_of
from xlt.upstreams.s3prl import fix_last_state

if TYPE_CHECKING:
    import numpy as np

# adapters are those of one language; the others shorten the output behind the hidden states
WITHOUT = {"adapter_attn_dim": None, "add_adapter": False, "use_intermediate_ffn_before_adapter": False}


class Expert(nn.Module):
    """The model in ``folder`` and its extractor; ``weights=False``: with random weights.

    UpstreamError for files that are damaged or do not fit each other.
    """

    def __init__(self, folder: Path, weights: bool = True):
        super().__init__()
        self.kind = kind_of(folder)
        self.extracter = (hf_config.mel_extractor if self.kind.mels else hf_config.extractor)(folder)
        model: Any = getattr(transformers, self.kind.model)
        changes = {key: value for key, value in WITHOUT.items() if key in model.config_class.__annotations__}
        if weights:
            transformers.utils.logging.disable_progress_bar()
            try:
                self.model = hf_config.load(folder, model, **changes)
            except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as err:
                raise UpstreamError(
                    f"{folder}: cannot be loaded ({' '.join(str(err).split())[:160]}); download the whole"
                    " model again"
                ) from None
        else:
            self.model = model(
                hf_config.typed_config(folder / hf_config.CONFIG, model.config_class, **changes)
            )
        self.eval().requires_grad_(False)
        fix_last_state(self)
        strides = [] if self.kind.mels else self.model.config.conv_stride
        self.hop = MEL_HOP * self.extracter.stride if self.kind.mels else math.prod(strides)

    @torch.no_grad()
    def hidden(self, wave: np.ndarray) -> list[torch.Tensor]:
        """Samples (N,), at least MIN_SAMPLES, → all hidden states, each (T, D) float32."""
        device = next(self.model.parameters()).device
        if self.kind.mels:
            inputs = bert_mels(self.extracter, wave)[None].to(device)
        else:
            made = self.extracter(wave, sampling_rate=SAMPLE_RATE, return_tensors="pt")
            inputs = made["input_values"].to(device)
        return [h[0].float() for h in self.model(inputs, output_hidden_states=True).hidden_states]
