"""Whisper's tokens: byte-level BPE, which can spell every text, and special tokens behind it.

``tokenizer.json`` is read by the library tokenizers, which comes with transformers. Special tokens are found
by name, as their ids differ between the sizes of Whisper.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from xlt.core import jsons
from xlt.core.errors import UpstreamError

MANY_TOKENS, SPANISH = 6.0, 1.6  # a word; Belarusian has 3.6, Greek 4.1, Spanish in Georgian letters 13.2
FILE = "tokenizer.json"
MAX_POSITIONS = 448  # of the decoder, the prompt's among them
REMEDY = "give a Whisper directory with its tokenizer.json in features.path"
_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
_NAMED = {
    "end": "<|endoftext|>",
    "start": "<|startoftranscript|>",
    "transcribe": "<|transcribe|>",
    "no_times": "<|notimestamps|>",
    "spare": "<|startoflm|>",
}

# OpenAI's list of symbols that no one says (whisper/tokenizer.py, non_speech_tokens, MIT licence), and the
# notes, of which the first of several bytes is taken
_SYMBOLS = [
    *'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
    *"<< >> <<< >>>".split(),
    *"-- --- -( -[ (' (\" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪".split(),
]
_NOTES = "♩♪♫♬♭♮♯"


@dataclass(frozen=True)
class Vocabulary:
    """Text ↔ ids of Whisper's tokens; ``languages``: Whisper's code of a language, ``ro`` → its token.

    ``spare``: a special token that nobody uses, whose row a new language's embedding may take.
    """

    tokenizer: Any  # tokenizers.Tokenizer
    languages: dict[str, int]
    end: int
    start: int
    transcribe: int
    no_times: int
    spare: int

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """Of ``tokenizer.json`` in ``folder``; UpstreamError if it is missing, damaged or not a multilingual
        Whisper's.
        """
        from tokenizers import Tokenizer

        path = folder / FILE
        if not path.is_file():
            raise UpstreamError(f"{path}: no such file; {REMEDY}")
        try:
            document = jsons.parse(path.read_text(encoding="utf-8"))
            add_lost_merges(document["model"])
            tokenizer = Tokenizer.from_str(json.dumps(document))
        except Exception as err:  # the library raises nothing narrower
            raise UpstreamError(f"{path}: not a readable tokenizer ({err}); {REMEDY}") from None
        named: dict[str, Any] = {field: tokenizer.token_to_id(name) for field, name in _NAMED.items()}
        if lacking := [_NAMED[field] for field, number in named.items() if number is None]:
            raise UpstreamError(f"{path}: no token {', '.join(lacking)}, which Whisper has; {REMEDY}")
        languages = {
            match[1]: number
            for number, token in sorted(tokenizer.get_added_tokens_decoder().items())
            if (match := _LANGUAGE.fullmatch(token.content))
        }
        if not languages:
            raise UpstreamError(
                f"{path}: no language tokens such as <|ro|>: this Whisper knows English only; {REMEDY}"
            )
        return cls(tokenizer, languages, **named)

    @property
    def first_special(self) -> int:
        """Ids from here on are never text."""
        return self.end

    def prompt(self, language: str) -> list[int]:
        """What the decoder begins with: ``language`` is a code of ``languages``, or "" for the spare one."""
        token = self.languages[language] if language else self.spare
        return [self.start, token, self.transcribe, self.no_times]

    def encode(self, text: str) -> list[int]:
        """Ids of ``text`` behind a space, as Whisper writes it; no special tokens; [] for no text."""
        return self._spell(f" {text}") if text else []

    def decode(self, ids: Sequence[int]) -> str:
        """Text without special tokens, characters of which a byte is lacking, and spaces at its ends."""
        text = self.tokenizer.decode([number for number in ids if number < self.first_special])
        return text.replace("\ufffd", "").strip()

    def unchanged(self, text: str) -> bool:
        """Whether ``text`` comes back from its ids as it was."""
        return self.decode(self.encode(text)) == text

    def tokens_per_word(self, texts: Iterable[str]) -> float:
        """Tokens by words, which spaces divide, of all ``texts`` together; 0 where there are no words."""
        tokens = words = 0
        for text in texts:
            tokens += len(self.encode(text))
            words += len(text.split())
        return tokens / words if words else 0.0

    @cached_property
    def symbols(self) -> list[int]:
        """Tokens that stand for no sound, as OpenAI's decoder suppresses them: brackets, quotes, notes, a
        hyphen or apostrophe that begins a word.
        """
        found = {self._spell(" -")[0], self._spell(" '")[0]}
        for symbol in [*_SYMBOLS, *_NOTES]:
            for ids in (self._spell(symbol), self._spell(f" {symbol}")):
                if len(ids) == 1 or symbol in _NOTES:
                    found.add(ids[0])
        return sorted(found)

    @cached_property
    def blank(self) -> list[int]:
        """The tokens of a space."""
        return self._spell(" ")

    def _spell(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids


def add_lost_merges(model: dict[str, Any]) -> None:
    """Put into ``model``, a BPE model of tokenizer.json, the merges of tokens that nothing makes.

    Some published files lost the first line of merges.txt, so that `` the`` became two tokens instead of the
    one that Whisper was trained with. Only a token of two characters tells of what it is made.
    """
    vocab, merges = model["vocab"], [_pair(merge) for merge in model["merges"]]
    made = {first + second for first, second in merges}
    for token in sorted(vocab, key=lambda token: vocab[token]):
        if len(token) == 2 and token not in made:
            rank = sum(vocab[first + second] < vocab[token] for first, second in merges)
            merges.insert(rank, (token[0], token[1]))
    model["merges"] = [list(pair) for pair in merges]


def _pair(merge: str | list[str]) -> tuple[str, str]:
    """``"a b"``, as older files have it, or ``["a", "b"]``."""
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second
