"""Texts of one language → phones, with a report of what the converter did not know."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.phones import engines
from xlt.phones.choice import TABLE, Choice, choose_all
from xlt.phones.segments import segment
from xlt.text.languages import OF_SCRIPT

if TYPE_CHECKING:
    from xlt.core.settings import PhonesConfig

_SPELLED = 3.5  # phones a letter; alphabets and syllabaries have up to 2, spelled ones 5


class G2p:
    """The converter that ``choice`` names. It counts what it meets."""

    def __init__(self, choice: Choice):
        self.choice = choice
        self._engine = engines.make(self.choice)
        self._graphemes = 0
        self._letters = self._sounds = 0  # espeak: letters, and their phones, of texts without digits
        self._phones: Counter = Counter()

    def __call__(self, texts: list[str]) -> list[list[str]]:
        """The phones of each text, in order."""
        self._graphemes += sum(engines.is_grapheme(c) for text in texts for c in text)
        found = [segment(ipa, self.choice) for ipa in self._engine(texts)]
        self._phones.update(phone for phones in found for phone in phones)
        if self.choice.engine == "espeak":
            for phones, text in zip(found, texts, strict=True):
                letters = sum(map(engines.is_grapheme, text))
                if letters and not any(c.isdigit() for c in text):
                    self._letters, self._sounds = self._letters + letters, self._sounds + len(phones)
        return found

    def check(self) -> None:
        """DataError if espeak did not read what it met but called the letters by their names, as it does in a
        script that the voice does not know: ``arabic alif …`` for Punjabi in Arabic script."""
        script = self.choice.code[4:]
        if script not in OF_SCRIPT and self._sounds > _SPELLED * self._letters:
            raise DataError(
                f"{self.choice.code}: {self.choice} gives {self._sounds / self._letters:.1f} phones a letter:"
                f" it does not read the script {script} but spells it; {TABLE}"
            )

    def facts(self) -> dict:
        """What was met so far: ``unmapped`` graphemes and phones with ``no_features`` in panphon, with
        counts.
        """
        from xlt.phones.features import vectors

        known = vectors(self._phones)
        return {
            "g2p": str(self.choice),
            "graphemes": self._graphemes,
            "foreign_texts": self._engine.foreign,
            "unmapped": _counts(self._engine.unmapped),
            "tones": _counts(self._engine.tones),
            "guess": self._engine.guess,
            "no_features": _counts({p: n for p, n in self._phones.items() if p not in known}),
        }


def _counts(found: dict[str, int]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def report(code: str, facts: dict) -> None:
    """Say which converter was used and what it did not know."""
    unmapped = facts["unmapped"]
    share = 100 * (1 - sum(unmapped.values()) / max(1, facts["graphemes"]))
    say(f"  {code}: phones by {facts['g2p']}; {share:.2f}% of {facts['graphemes']} graphemes are mapped")
    if unmapped:
        say(f"    unmapped, {facts['guess']}: {_listed(unmapped)}; give them IPA with phones.table=g2p.tsv")
    if facts["tones"]:
        say(
            f"    read as tones, which are not kept: {_listed(facts['tones'])}; a letter among them also"
            " needs IPA"
        )
    if facts["foreign_texts"]:
        say(f"    {facts['foreign_texts']} texts have words that espeak reads as another language")
    if facts["no_features"]:
        say(f"    phones that panphon does not know: {_listed(facts['no_features'])}")


def _listed(counts: dict[str, int]) -> str:
    return " ".join(f"{name}:{n}" for name, n in counts.items())


def phones_of(
    tables: dict[Path, dict[str, str]], langs: dict[Path, dict[str, str]], settings: PhonesConfig
) -> tuple[dict[Path, dict[str, str]], dict[str, dict]]:
    """Phone texts ``{file: {utterance: "k a t"}}`` of Kaldi texts, each utterance by the converter of its
    language.

    Also the facts of each language. DataError for an utterance that has no phones.
    """
    made: dict[Path, dict[str, str]] = {path: {} for path in tables}
    facts = {}
    for choice in choose_all({lang for of in langs.values() for lang in of.values()}, settings).values():
        code, g2p = choice.code, G2p(choice)
        for path, texts in tables.items():
            own = [utt for utt in texts if langs[path][utt] == code]
            for utt, phones in zip(own, g2p([texts[utt] for utt in own]) if own else [], strict=True):
                if not phones:
                    raise DataError(
                        f"{path}: {utt}: {texts[utt]!r} has no phones by {g2p.choice}; give its letters IPA"
                        " with phones.table=g2p.tsv, or remove the utterance"
                    )
                made[path][utt] = " ".join(phones)
        g2p.check()
        facts[code] = g2p.facts()
        report(code, facts[code])
    return {path: {utt: made[path][utt] for utt in texts} for path, texts in tables.items()}, facts
