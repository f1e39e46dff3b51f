"""Texts of one language → phones, with a report of what the converter did not know."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.errors import DataError
from xlt.log import say
from xlt.phones import engines
from xlt.phones.choice import choose
from xlt.phones.segments import segment

if TYPE_CHECKING:
    from xlt.sections import PhonesConfig


class G2p:
    """The converter of language ``code``; ConfigError if it has none. It counts what it meets."""

    def __init__(self, code: str, settings: PhonesConfig):
        self.choice = choose(code, settings)
        self._engine = engines.make(self.choice)
        self._graphemes = 0
        self._phones: Counter = Counter()

    def __call__(self, texts: list[str]) -> list[list[str]]:
        """The phones of each text, in order."""
        self._graphemes += sum(engines.is_grapheme(c) for text in texts for c in text)
        found = [segment(ipa, self.choice) for ipa in self._engine(texts)]
        self._phones.update(phone for phones in found for phone in phones)
        return found

    def facts(self) -> dict:
        """What was met so far: ``unmapped`` graphemes and phones with ``no_features`` in panphon, with counts."""
        from xlt.phones.features import vectors

        known = vectors(self._phones)
        return {"g2p": str(self.choice), "graphemes": self._graphemes, "foreign_texts": self._engine.foreign,
                "unmapped": _counts(self._engine.unmapped), "guess": self._engine.guess,
                "no_features": _counts({p: n for p, n in self._phones.items() if p not in known})}


def _counts(found: dict[str, int]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def report(code: str, facts: dict) -> None:
    """Say which converter was used and what it did not know."""
    unmapped = facts["unmapped"]
    share = 100 * (1 - sum(unmapped.values()) / max(1, facts["graphemes"]))
    say(f"  {code}: phones by {facts['g2p']}; {share:.2f}% of {facts['graphemes']} graphemes are mapped")
    if unmapped:
        say(f"    unmapped, {facts['guess']}: {_listed(unmapped)}; give them IPA with phones.table=g2p.tsv")
    if facts["foreign_texts"]:
        say(f"    {facts['foreign_texts']} texts have words that are read as another language")
    if facts["no_features"]:
        say(f"    phones that panphon does not know: {_listed(facts['no_features'])}")


def _listed(counts: dict[str, int]) -> str:
    return " ".join(f"{name}:{n}" for name, n in counts.items())


def phones_of(tables: dict[Path, dict[str, str]], langs: dict[Path, dict[str, str]],
              settings: PhonesConfig) -> tuple[dict[Path, dict[str, str]], dict[str, dict]]:
    """Phone texts ``{file: {utterance: "k a t"}}`` of Kaldi texts, each utterance by the converter of its language.

    Also the facts of each language. DataError for an utterance that has no phones.
    """
    made: dict[Path, dict[str, str]] = {path: {} for path in tables}
    facts = {}
    for code in sorted({lang for of in langs.values() for lang in of.values()}):
        g2p = G2p(code, settings)
        for path, texts in tables.items():
            own = [utt for utt in texts if langs[path][utt] == code]
            for utt, phones in zip(own, g2p([texts[utt] for utt in own]) if own else [], strict=True):
                if not phones:
                    raise DataError(f"{path}: {utt}: {texts[utt]!r} has no phones by {g2p.choice}; give its letters IPA with "
                                    "phones.table=g2p.tsv, or remove the utterance")
                made[path][utt] = " ".join(phones)
        facts[code] = g2p.facts()
        report(code, facts[code])
    return {path: {utt: made[path][utt] for utt in texts} for path, texts in tables.items()}, facts
