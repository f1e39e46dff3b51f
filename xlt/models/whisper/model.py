"""A trained Whisper, or the published one, in use.

B batch, N samples, T frames, D dimensions, V tokens of CTC.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import ConfigError, DataError
from xlt.formats.model_folder import read_info
from xlt.models.family import Written
from xlt.models.whisper import weights
from xlt.models.whisper.judge import places_by
from xlt.models.whisper.net import Encoded
from xlt.models.whisper.search import AS_PUBLISHED, TUNED, beam_search, text_scores
from xlt.models.whisper.vocabulary import Vocabulary
from xlt.text.normalise import normalise
from xlt.tokens.tokenizer import Tokenizer
from xlt.upstreams.mels import MAX_SAMPLES

if TYPE_CHECKING:
    import numpy as np

    from xlt.features.streaming import Hearing
    from xlt.models.whisper.streaming import Head

KEPT_FRAMES = 100_000  # encoder outputs of so many frames are kept for those who ask again: 200 MB


class WhisperModel:
    """The model in ``folder``, an experiment or a bundle: :class:`~xlt.models.family.Model` and
    :class:`~xlt.models.family.Writing`. It takes waves, or stored encoder outputs if only its decoder was
    trained.

    DataError if the files do not fit each other.
    """

    def __init__(self, folder: Path, device: str):
        info = read_info(folder)
        facts = info["whisper"]
        self.folder, self.tokenizer = folder, Tokenizer(folder)
        self.net = weights.load(folder, facts).to(device)
        self.vocabulary = Vocabulary.load(folder)
        self.has_ctc = self.net.head is not None
        self.stored = not info["features"].get("on_the_fly")
        self.rules = AS_PUBLISHED if facts["tuned"] == "nothing" else TUNED
        names = info["normaliser"].split("+")
        self._spell: Callable[[str], str] = (
            functools.partial(normalise, normaliser=names[0]) if len(names) == 1 else str
        )
        self._prompts = [
            tuple(self.vocabulary.prompt(token)) for token in dict.fromkeys(facts["languages"].values())
        ]
        self._known: OrderedDict[int, tuple[np.ndarray, Encoded]] = OrderedDict()

    @torch.inference_mode()
    def log_probs(self, inputs: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """Waves (N,), or stored outputs (T, D), → log probabilities of CTC (B, T, V), and frames (B,)."""
        if self.net.head is None:
            raise ConfigError(
                f"{self.folder}: this Whisper was not trained and has no CTC head; decode it with"
                " decode.method=attention"
            )
        rows = [self.net.head(encoded)[0].cpu() for encoded in self._encode(inputs)]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return padded, torch.tensor([len(row) for row in rows])

    @torch.inference_mode()
    def write(self, inputs: list[np.ndarray], beam_size: int, n_best: int) -> list[list[Written]]:
        """See :class:`~xlt.models.family.Writing`; of texts that are spelled alike, the best one's score."""
        encoded = self._encode(inputs)
        found: list[list[Written]] = [[] for _ in inputs]
        for (_, prompt), places in self._groups(encoded).items():
            together = _joined([encoded[place] for place in places])
            beams = beam_search(self.net, self.vocabulary, together, prompt, beam_size, n_best, self.rules)
            for place, hypotheses in zip(places, beams, strict=True):
                texts: dict[str, Written] = {}
                for one in hypotheses:
                    text = self._spell(self.vocabulary.decode(one.ids))
                    texts.setdefault(text, Written(text, one.score, one.looped, one.avoided))
                found[place] = list(texts.values())
        return found

    @torch.inference_mode()
    def score_texts(self, inputs: list[np.ndarray], texts: list[list[str]]) -> list[list[float]]:
        """See :class:`~xlt.models.family.Writing`."""
        encoded = self._encode(inputs)
        prompts = self._languages(encoded)
        return [
            text_scores(self.net, self.vocabulary, one, prompt, those) if those else []
            for one, prompt, those in zip(encoded, prompts, texts, strict=True)
        ]

    def head(self, frame_rate: float) -> Head:
        """The CTC head for streams of the encoder's outputs, ``frame_rate`` a second; DataError without."""
        from xlt.models.whisper.streaming import Head

        if self.net.head is None:
            raise DataError(
                f"{self.folder}: this Whisper was not trained and has no CTC head, which writes while"
                " somebody speaks; train it on your recordings, as the README shows"
            )
        return Head(self.net.head, frame_rate)

    def hearing(self, dtype: str | None = None) -> Hearing:
        """Its own encoder for streams; see :func:`xlt.models.whisper.streaming.hearing`."""
        from xlt.models.whisper.streaming import hearing

        return hearing(self.net, dtype)

    def forget(self) -> None:
        """Let go of what is kept for those who ask again."""
        self._known.clear()

    def _encode(self, inputs: Sequence[np.ndarray]) -> list[Encoded]:
        """The encoder's outputs of each, B = 1; those of the same arrays are computed once."""
        new = {id(one): one for one in inputs if id(one) not in self._known}
        groups: dict[int, list[np.ndarray]] = {}
        for one in new.values():
            groups.setdefault(0 if self.stored else self._window(one), []).append(one)
        for members in groups.values():
            for at in range(0, len(members), 16):
                self._encode_batch(members[at : at + 16])
        found = [self._known[id(one)][1] for one in inputs]
        while sum(e.hidden.shape[1] for _, e in self._known.values()) > KEPT_FRAMES and len(self._known) > 1:
            self._known.popitem(last=False)
        return found

    def _window(self, wave: np.ndarray) -> int:
        if len(wave) > MAX_SAMPLES:
            raise DataError(
                f"data.max_dur_s: an utterance of {len(wave) / SAMPLE_RATE:.1f} s: Whisper hears at most"
                f" {MAX_SAMPLES / SAMPLE_RATE:g} s at once; leave longer ones out, or cut them"
            )
        return self.net.window(len(wave))

    def _encode_batch(self, members: list[np.ndarray]) -> None:
        if self.stored:
            for one in members:
                hidden = torch.from_numpy(one.copy())[None].to(self.net.device)
                self._known[id(one)] = one, Encoded(hidden, torch.tensor([len(one)]))
            return
        found = self.net.encode(*self.net.mels(members))
        for row, one in enumerate(members):
            self._known[id(one)] = one, found.rows([row])

    def _languages(self, encoded: Sequence[Encoded]) -> list[tuple[int, ...]]:
        """The prompt of each: of a model of several languages, that whose token is the likeliest."""
        if len(self._prompts) == 1:
            return self._prompts * len(encoded)
        found = []
        tokens = [prompt[1] for prompt in self._prompts]
        for one in encoded:
            first = torch.tensor([[self._prompts[0][0]]], device=self.net.device)
            states, _ = self.net.decode(first, one.hidden)
            found.append(self._prompts[int(self.net.logits(states[0, -1])[tokens].argmax())])
        return found

    def _groups(self, encoded: Sequence[Encoded]) -> dict[tuple[int, tuple[int, ...]], list[int]]:
        """The places of clips that can be searched together: of one window and one language."""
        keys = [
            (one.hidden.shape[1], prompt)
            for one, prompt in zip(encoded, self._languages(encoded), strict=True)
        ]
        return places_by(keys)


def _joined(parts: Sequence[Encoded]) -> Encoded:
    return Encoded(torch.cat([p.hidden for p in parts]), torch.cat([p.frames for p in parts]))
