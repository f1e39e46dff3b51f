"""Whisper as it was published, without training: what it writes of recordings in a language that it knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xlt.models.whisper import languages
from xlt.models.whisper.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np


def token_for(folder: Path, lang: str) -> str:
    """Whisper's code of the language itself, or of the macrolanguage that it belongs to; "" if the Whisper in
    ``folder`` does not know it. UpstreamError if its tokenizer is missing or damaged.
    """
    return languages.own_token(lang, Vocabulary.load(folder))


def transcribe(folder: Path, token: str, waves: list[np.ndarray]) -> list[str]:
    """The texts of waves (N,), 16 kHz, of at most 30 s, the best path each, as Whisper spells them.

    UpstreamError if the weights in ``folder`` are not whole.
    """
    import torch

    from xlt.models.whisper import weights
    from xlt.models.whisper.net import Net
    from xlt.models.whisper.search import AS_PUBLISHED, beam_search

    net, vocabulary = Net(weights.published(folder), None).eval(), Vocabulary.load(folder)
    texts = []
    with torch.inference_mode():
        for wave in waves:
            encoded = net.encode(*net.mels([wave]))
            ((best, *_),) = beam_search(
                net, vocabulary, encoded, vocabulary.prompt(token), 1, 1, AS_PUBLISHED
            )
            texts.append(vocabulary.decode(best.ids))
    return texts
