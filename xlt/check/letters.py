"""Letters that do not belong: of other scripts, in a case that the language writes otherwise, signs and
digits among them.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator

from xlt.check.characters import label
from xlt.check.datadir import DataDir, Sets
from xlt.check.encoding import Finding, invisible, labels, words_with
from xlt.check.faults import Fault
from xlt.check.scripts import (
    PALOCHKA,
    PALOCHKA_LETTER,
    digits_within,
    foreign,
    repaired,
    script_name,
    script_of,
    written_in,
)
from xlt.check.words import Seen, characters_of, count
from xlt.core.config import Config
from xlt.data.normalisers import normalise_utterance, normalisers
from xlt.text.normalise import normalise, sigma


def own_scripts(data: DataDir, cfg: Config) -> frozenset[str] | None:
    """The scripts of the set's languages; None if any is possible."""
    return written_in(set(data.table("utt2lang").values()) or {cfg.lang or ""})


def letter_counts(data: DataDir, cfg: Config) -> dict[str, int]:
    """How often the set has each character; where the language writes a palochka, that counts as one of its
    letters though it is typed as I, l or 1 everywhere.
    """
    counts = {char: seen.count for char, seen in data.characters.items()}
    langs = set(data.table("utt2lang").values()) or {cfg.lang or ""}
    if any(code[:3] in PALOCHKA and code.endswith("Cyrl") for code in langs):
        counts[PALOCHKA_LETTER] = counts.get(PALOCHKA_LETTER, 0) + 1
    return counts


def _strangers(data: DataDir, cfg: Config) -> tuple[dict[str, str], dict[str, Seen]]:
    """Words with look-alikes and what they would be, and all other words in foreign scripts."""
    own = own_scripts(data, cfg)
    counts = letter_counts(data, cfg)
    alike, stray = {}, {}
    for word, seen in data.words.items():
        if (word.isascii() and (own is None or "Latn" in own)) or not (
            foreign(word, own) or digits_within(word)
        ):
            continue
        if better := repaired(word, own, counts):
            alike[word] = better
        elif foreign(word, own):
            stray[word] = seen
    return alike, stray


def look_alikes(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Letters of another script within a word that look like the word's own: Cyrillic а in a Latin word."""
    for data in sets.values():
        alike, _ = _strangers(data, cfg)
        if alike:
            word, better = next(iter(alike.items()))
            shown = next(f"{label(a)} for {label(b)}" for a, b in zip(word, better, strict=True) if a != b)
            words = {word: data.words[word] for word in alike}
            yield Finding(data, words).fault(
                "warning",
                "{count} words have letters of another script, or digits, that look like their own letters,"
                " first {first!r}: {letters}",
                count=count(words),
                first=word,
                letters=shown,
            )


def stray_scripts(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Words in scripts that the language is not written in."""
    for data in sets.values():
        _, stray = _strangers(data, cfg)
        by_script: dict[str, dict[str, Seen]] = defaultdict(dict)
        for word, seen in stray.items():
            by_script[script_of(foreign(word, own_scripts(data, cfg))[0])][word] = seen
        for code, words in sorted(by_script.items()):
            yield Finding(data, words).fault(
                "warning",
                "{count} words ({share:.3g}%) are in {script} script: {words}",
                "write them in the language's own script, leave the utterances "
                f"out, or set lang to a code with another script ({cfg.lang} now)",
                count=count(words),
                share=100 * count(words) / count(data.words),
                script=script_name(code),
                words=", ".join(map(repr, list(words)[:5])),
            )


def signs_and_digits(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Digits, punctuation and symbols: how they are said cannot be known, and no one hears a comma."""
    for data in sets.values():
        of = normalise_utterance(cfg, data.table("utt2lang"), str(data.where("utt2lang")))

        def signs(word: str, data: DataDir = data, of=of) -> list[str]:
            found = [char for char in word if unicodedata.category(char)[0] in "NPS"]
            digits = [char for char in found if unicodedata.category(char)[0] == "N"]
            if cfg.data.digits == "keep":
                found, digits = [char for char in found if char not in digits], []
            return digits or (found if found and of(data.words[word].places[0][1], word) != word else [])

        words, chars = words_with(data, signs)
        for what, remedy, kinds in (
            ("digits", "write numbers as they are said", "N"),
            ("punctuation or symbols", "make the data with stage 1, which takes them out", "PS"),
        ):
            own = {char: seen for char, seen in chars.items() if unicodedata.category(char)[0] in kinds}
            where = {word: seen for word, seen in words.items() if set(word) & set(own)}
            if own:
                yield Finding(data, where).fault(
                    "warning",
                    "{what} in {count} words: {characters}",
                    remedy,
                    what=what,
                    count=count(where),
                    characters=labels(own),
                )


def case_of_i(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """I is ı in languages that have both, and i in all others: the normaliser must be of the language's
    kind.
    """
    names = set(normalisers(cfg).values())
    if len(names) != 1:
        return  # joined recipes: each is checked by itself
    name = names.pop()
    dotless = normalise("I", name) == "ı"
    for data in sets.values():
        table, words = ("text_raw", data.raw_words) if data.raw_words else ("text", data.words)
        chars = characters_of(words)
        if (
            not dotless
            and ("ı" in chars or "İ" in chars or any("i\u0307" in word for word in words))
            and (cfg.lang or "")[:3] != "lit"
        ):
            shown = {word: seen for word, seen in words.items() if set("ıİ\u0307") & set(word)}
            finding = Finding(data, shown, table)
            yield finding.fault(
                "warning",
                "the text has a dotless ı or a dotted İ, first in {first!r}, but {normaliser} turns I into i",
                "set data.normaliser to one that knows them, e.g. tur-v2",
                first=finding.first,
                normaliser=name,
            )
        if dotless and "ı" in data.characters and data.raw_words and not {"ı", "İ"} & set(chars):
            shown = {word: seen for word, seen in data.words.items() if "ı" in word}
            finding = Finding(data, shown)
            yield finding.fault(
                "warning",
                "the source never has ı or İ, but {normaliser} turns each I into ı, first in {first!r}",
                "set data.normaliser to the language's own, or to generic-v2",
                first=finding.first,
                normaliser=name,
            )


def final_sigma(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """ς ends a word and σ does not: other programs lower capitals letter by letter."""
    for data in sets.values():
        words = {
            word: seen
            for word, seen in data.words.items()
            if ("σ" in word or "ς" in word) and word != (right := sigma(word)) and right
        }
        if words:
            finding = Finding(data, words)
            yield finding.fault(
                "warning",
                "σ at the end of a word or ς inside one in {count} words, first {first!r}, expected"
                " {right!r}",
                count=count(words),
                first=finding.first,
                right=sigma(finding.first),
            )


def uneven_case(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Letters whose capital is not one letter that comes back: whoever upper-cases text changes them."""
    for data in sets.values():
        chars = {
            char: seen
            for char, seen in data.characters.items()
            if char.isalpha() and not invisible(char) and (len(char.upper()) > 1 or len(char.lower()) > 1)
        }
        if chars:
            yield Finding(data, chars).fault(
                "note",
                "letters without a single capital: {characters}",
                "compare scores in lower case only; all of xlt does",
                characters=labels(chars),
            )


CHECKS = (look_alikes, stray_scripts, signs_and_digits, case_of_i, final_sigma, uneven_case)
