"""Names: words with a capital inside a sentence of the text as it was before normalisation."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

# what always has a capital and is no name
_PRONOUNS = {"eng": {"i", "i'm", "i'd", "i'll", "i've"}}
_ALL_NOUNS = {"deu", "ltz", "gsw", "nds", "bar"}  # languages that write every noun with a capital


class Names:
    """``raw``: texts before normalisation; ``normalise``: (language, text) → as it is scored.

    A word that may begin a sentence is none: the first of the utterance, one behind a full stop, question or
    exclamation mark of any script, colon, ellipsis or free dash, and one in opening quotation marks behind
    any punctuation: a name is rather missed than an article counted. Nor do capitals say anything in an
    utterance without any small letter.
    """

    def __init__(self, raw: dict[str, str], normalise: Callable[[str, str], str]):
        self.raw, self.normalise = raw, normalise
        self.capitals = self.small = self.unlike = 0

    def places(self, utt: str, words: list[str], lang: str) -> set[int]:
        """Positions of the names in the normalised reference ``words``; none if its words are not those of
        the raw text.
        """
        found: set[int] = set()
        made: list[str] = []
        before = ""
        text = self.raw.get(utt, "")
        small = any(char.islower() for char in text)
        for word in text.split():
            parts = self.normalise(lang, word).split()
            own = " ".join(parts) in _PRONOUNS.get(lang[:3], ())
            if small and _capital(word) and not own and not _begins(before, word, lang):
                found |= set(range(len(made), len(made) + len(parts)))
            made += parts
            before = word
        if made != words:
            self.unlike += 1
            return set()
        self.small += small
        self.capitals += any(map(_capital, text))
        return found

    def lacking(self, path: str) -> str:
        """Why there can be no names; "" if there can."""
        if not self.small and not self.capitals and self.unlike:
            return f"the words of {path} are not those of the references: run stage 1 (data) again"
        if not self.capitals:
            return f"{path} has no capital letters"
        return "" if self.small else f"{path} has no small letters"

    def note(self, langs: list[str]) -> str:
        """What to know of the names that were found."""
        nouns = sorted({lang for lang in langs if lang[:3] in _ALL_NOUNS})
        notes = [f"{', '.join(nouns)}: all nouns have capitals"] if nouns else []
        notes += (
            [f"{self.unlike} utterances whose raw text has other words are left out"] if self.unlike else []
        )
        return "; ".join(notes)


def _capital(text: str) -> bool:
    return any(unicodedata.category(char) in ("Lu", "Lt") for char in text)


def _begins(before: str, word: str, lang: str) -> bool:
    """Whether ``word`` may begin a sentence behind the word ``before``, "" at the beginning."""
    import regex

    if regex.search(r"^[\p{Pd}\p{Ps}\p{Pi}]*$|[\p{STerm}:…]\W*$", before) or (
        lang[:3] == "ell" and before.endswith(";")
    ):
        return True
    quoted = word[0] in "\"'" or unicodedata.category(word[0]) in ("Pi", "Pf", "Ps")
    return quoted and not before[-1].isalnum()
