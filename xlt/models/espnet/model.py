"""A trained ESPnet model in use.

B batch, T frames, D dimensions, N samples, V tokens.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml

from xlt.core.errors import ConfigError, DataError
from xlt.models.espnet.task import load_arguments, load_model, quiet
from xlt.models.espnet.transducer import DECODER as TRANSDUCER
from xlt.nets.lengths import least_frames
from xlt.nets.transducer import Transducer
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from xlt.features.streaming import Hearing
    from xlt.lm.model import LanguageModel
    from xlt.models.espnet.streaming import Head


class EspnetModel:
    """The model in ``folder``, an experiment or a bundle; it takes waves if it was trained on the fly.

    DataError if the files do not fit each other.
    """

    def __init__(self, folder: Path, device: str):
        self.folder, self.device = folder, device
        self.tokenizer = Tokenizer(folder)
        self.arguments = load_arguments(folder)
        if list(self.arguments.token_list) != self.tokenizer.tokens:
            raise DataError(
                f"{folder / 'tokens.txt'}: {len(self.tokenizer.tokens)} {self.tokenizer.type} tokens, which"
                f" are not the {len(self.arguments.token_list)} that the model beside it was trained on; copy"
                " the whole folder again, or train again with --stage 6 --force"
            )
        stack = (self.arguments.preencoder_conf or {}).get("stack", 1) if self.arguments.preencoder else 1
        self.least = stack * (least_frames(self.arguments.encoder, self.arguments.encoder_conf) - 1) + 1
        self.net: Any = load_model(folder, device, self.arguments)
        self._searcher: Any = None  # ESPnet's, once it is needed
        self._encoded: tuple[list[np.ndarray], Any] | None = None  # of a transducer, which is asked twice

    @torch.inference_mode()
    def log_probs(self, inputs: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """Matrices (T, D), or waves (N,), → log probabilities of CTC (B, T, V), and frames (B,).

        A matrix of which the encoder would leave no frame goes on as it ends.
        """
        hidden, lengths = self._encode(inputs)
        return self.net.ctc.log_softmax(hidden).cpu(), lengths.cpu()

    @functools.cached_property
    def transducer(self) -> Transducer | None:
        """Its prediction and joint networks; None if it has none."""
        there = self.arguments.decoder == TRANSDUCER
        return Transducer(self.net.decoder, self.net.joint_network) if there else None

    @torch.inference_mode()
    def hidden(self, inputs: list[np.ndarray]) -> list[torch.Tensor]:
        """Matrices (T, D), or waves (N,), → what the encoder gives of each, (T, H)."""
        hidden, lengths = self._encode(inputs)
        return [row[:length] for row, length in zip(hidden, lengths.tolist(), strict=True)]

    def forget(self) -> None:
        """Let go of what was encoded last."""
        self._encoded = None

    def _encode(self, inputs: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, T, H), (B,)."""
        if self.transducer is None:
            return self._encode_now(inputs)
        if self._encoded is None or list(map(id, self._encoded[0])) != list(map(id, inputs)):
            self._encoded = list(inputs), self._encode_now(inputs)
        return self._encoded[1]

    def _encode_now(self, inputs: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = [
            np.pad(one, ((0, self.least - len(one)), (0, 0)), "edge")
            if one.ndim == 2 and 0 < len(one) < self.least
            else one
            for one in inputs
        ]
        lengths = torch.tensor([len(one) for one in inputs])
        speech = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(one.copy()) for one in inputs], batch_first=True
        )
        hidden, out_lengths = self.net.encode(speech.to(self.device), lengths.to(self.device))
        return hidden[0] if isinstance(hidden, tuple) else hidden, out_lengths

    def head(self, frame_rate: float) -> Head:
        """For streams of features at ``frame_rate`` (Hz); DataError if it needs whole utterances."""
        from xlt.models.espnet.streaming import Head

        return Head(self.net, self.folder, frame_rate)

    def hearing(self, dtype: str | None = None) -> Hearing:
        """The encoder that it brings itself, for streams; see :func:`xlt.models.espnet.streaming.hearing`."""
        from xlt.models.espnet.streaming import hearing

        return hearing(self.net.frontend, self.folder, dtype)

    def search(
        self,
        beam_size: int,
        ctc_weight: float,
        lms: Sequence[tuple[LanguageModel, float]] = (),
        length_bonus: float = 0.0,
    ) -> Callable[[np.ndarray], tuple[list[int], float]]:
        """ESPnet's beam search by CTC and attention (Hori et al. 2017), and by language models."""
        if self.arguments.decoder in (None, TRANSDUCER):
            raise ConfigError(
                "decode.method=joint: this model has no attention decoder; use "
                + ("transducer" if self.transducer else "greedy or beam")
                + ", or train with preset=hybrid_ssl"
            )
        beam_size = min(beam_size, len(self.tokenizer.tokens))  # ESPnet asks for so many at once
        if self._searcher is None:
            self._searcher = self._load_searcher(beam_size, ctc_weight)
        recognise = self._searcher
        from xlt.models.espnet.fusion import beam_search

        beam = beam_search(recognise.beam_search, beam_size, ctc_weight, lms, length_bonus)

        @torch.inference_mode()
        def best(one: np.ndarray) -> tuple[list[int], float]:
            recognise.beam_search = beam
            _, _, ids, hypothesis = recognise(torch.from_numpy(one.copy()))[0]
            return list(ids), float(hypothesis.score)

        return best

    def _load_searcher(self, beam_size: int, ctc_weight: float) -> Any:
        from espnet2.bin.asr_inference import Speech2Text

        with tempfile.TemporaryDirectory() as scratch, quiet():
            weights = Path(scratch) / "model.pth"  # ESPnet loads its own, of torch.save alone
            torch.save(self.net.state_dict(), weights)
            del self.net
            config = Path(scratch) / "config.yaml"  # a copy, in which the paths are right
            config.write_text(yaml.safe_dump(vars(self.arguments), allow_unicode=True), encoding="utf-8")
            found = Speech2Text(
                str(config),
                str(weights),
                device=self.device,
                beam_size=beam_size,
                ctc_weight=ctc_weight,
            )
        self.net = found.asr_model
        return found
