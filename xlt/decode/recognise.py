"""Features → text: batched CTC best path of ours, or ESPnet's beam search. Used by stage 7 and by ``xlt
transcribe``.

B batch, T frames, D dimensions, V tokens.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import yaml

from xlt.core.errors import ConfigError, DataError
from xlt.core.settings import DecodeConfig
from xlt.models.espnet.task import load_arguments, load_model, quiet
from xlt.tokens.tokenizer import Tokenizer

BATCH_FRAMES = 12000
BLANK_ID = 0


class Hypothesis(NamedTuple):
    """A text with its log probability, and the language that the model told; None if it tells none."""

    text: str
    score: float
    lang: str | None = None


class Recogniser:
    """Decodes features with the model in ``folder`` (``exp/<tag>`` or a bundle); waves if it was trained on
    the fly.

    ``decode.method``: ``greedy`` takes the best token of each frame, merges repeats and drops blanks (Graves
    et al. 2006); ``beam`` is CTC prefix beam search and ``joint`` CTC and attention (Hori et al. 2017), both
    ESPnet's.
    """

    def __init__(self, folder: Path, decode: DecodeConfig):
        self.method = decode.method
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = Tokenizer(folder)
        self.search = None
        args = load_arguments(folder)
        if list(args.token_list) != self.tokenizer.tokens:
            raise DataError(
                f"{folder / 'tokens.txt'}: {len(self.tokenizer.tokens)} {self.tokenizer.type} tokens, which"
                f" are not the {len(args.token_list)} that the model beside it was trained on; copy the whole"
                " folder again, or train again with --stage 6 --force"
            )
        if self.method == "joint" and not args.decoder:
            raise ConfigError(
                "decode.method=joint: this model has no attention decoder; use greedy or beam, or train with "
                "preset=hybrid_ssl"
            )
        if self.method == "greedy":
            self.model = load_model(folder, self.device)
        else:
            self.search = _espnet_search(args, folder, decode, self.device)

    def batches(self, utts: list[str], frames: dict[str, int]) -> Iterator[list[str]]:
        """Split utterances, given in order of length, into batches; beam search takes one at a time."""
        batch: list[str] = []
        for utt in utts:
            if batch and (self.search or (len(batch) + 1) * frames[utt] > BATCH_FRAMES):
                yield batch
                batch = []
            batch.append(utt)
        if batch:
            yield batch

    def __call__(self, feats: list[np.ndarray]) -> list[Hypothesis]:
        """Matrices (T, D), or waves (N,), → the hypothesis of each."""
        if self.search is None:
            return self._greedy(feats)
        found = []
        for matrix in feats:
            _, _, ids, hypothesis = self.search(torch.from_numpy(matrix.copy()))[0]
            found.append(self._hypothesis(list(ids), float(hypothesis.score)))
        return found

    def _hypothesis(self, ids: list[int], score: float) -> Hypothesis:
        return Hypothesis(self.tokenizer.decode(ids), score, self.tokenizer.language(ids))

    @torch.inference_mode()
    def log_probs(self, feats: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """Matrices (T, D), or waves (N,), → log probabilities of CTC (B, T, V), and frames (B,); of the
        method greedy.
        """
        lengths = torch.tensor([len(m) for m in feats])
        speech = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(m.copy()) for m in feats], batch_first=True
        )
        hidden, out_lengths = self.model.encode(speech.to(self.device), lengths.to(self.device))
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return self.model.ctc.log_softmax(hidden).cpu(), out_lengths.cpu()

    def _greedy(self, feats: list[np.ndarray]) -> list[Hypothesis]:
        probs, out_lengths = self.log_probs(feats)
        best, ids = probs.max(dim=-1)  # (B, T, V) → (B, T)
        found = []
        for row, logp, length in zip(ids, best, out_lengths.tolist(), strict=True):
            found.append(self._hypothesis(best_path(row[:length]), float(logp[:length].sum())))
        return found


def best_path(ids: torch.Tensor) -> list[int]:
    """The best token of each frame (T,) → tokens: repeats are merged, blanks dropped."""
    return [i for i in torch.unique_consecutive(ids).tolist() if i != BLANK_ID]


def _espnet_search(args, folder: Path, decode: DecodeConfig, device: str):
    """ESPnet's ``Speech2Text`` over the model in ``folder``; it reads a file, so its paths are made right in
    a copy.
    """
    from espnet2.bin.asr_inference import Speech2Text

    with tempfile.TemporaryDirectory() as scratch, quiet():
        config = Path(scratch) / "config.yaml"
        config.write_text(yaml.safe_dump(vars(args), allow_unicode=True), encoding="utf-8")
        return Speech2Text(
            str(config),
            str(folder / "model.pth"),
            device=device,
            beam_size=decode.beam_size,
            ctc_weight=decode.ctc_weight if decode.method == "joint" else 1.0,
        )
