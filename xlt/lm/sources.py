"""Where language models get words and sentences beside the training texts: word lists (``lm.words``) and text
files (``lm.text``), normalised as the recipe's own texts are, and what is left out of them.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.data.normalisers import normalisers
from xlt.formats.text_file import numbered_lines
from xlt.text import languages
from xlt.text.normalise import has_digits, normalise

if TYPE_CHECKING:
    from xlt.core.config import Config
    from xlt.core.context import Context

NONE, AUTO, WORDFREQ, HUNSPELL = "none", "auto", "wordfreq", "hunspell:"
MOST_WORDS = 60_000  # of a list by frequency: the rarer ones cost more time than they bring
_LEAST = 0.1  # a list of which less can be written is of another script
_OTHER_SCRIPT = 0.5  # of a line's or a file's letters that the recogniser cannot write
_EARLY = 1000  # lines after which a file in another script is refused
# wordfreq's own page says that its lists are of these languages, too
_WORDFREQ_NAMES = {"bos": "sh", "hrv": "sh", "srp": "sh", "tgl": "fil"}
_WORDFREQ = ("CC-BY-SA-4.0", "https://github.com/rspeer/wordfreq")


class Source(NamedTuple):
    """Facts on a source: ``path`` as it was given, if it is a file; ``lines``: entries or sentences read;
    ``words``: of a list those kept, of a text all words of the lines kept; ``left_out``: reason → lines or
    words."""

    what: str
    path: str | None = None
    lines: int = 0
    words: int = 0
    left_out: dict[str, int] = {}
    licence: str | None = None
    url: str | None = None


class WordList(NamedTuple):
    """``words``: normalised, with their frequency per million, 1.0 each where the list has none."""

    words: dict[str, float]
    facts: Source


class Text(NamedTuple):
    """``lines``: normalised sentences; ``numbers``: the line of the file that each is from, from 1."""

    lines: list[str]
    numbers: list[int]
    facts: Source


class Entry(NamedTuple):
    """A word of a list as it is there, with its frequency per million or 1.0."""

    word: str
    weight: float


def normaliser(cfg: Config, setting: str) -> Callable[[str], str]:
    """The recipe's normaliser for words and sentences; ConfigError if it joins several."""
    names = set(normalisers(cfg).values())
    if len(names) > 1:
        raise ConfigError(
            f"{setting}: the joined recipes normalise differently ({', '.join(sorted(names))}), and the file"
            " does not name its language; give it to a recipe of one language"
        )
    name = names.pop()
    if normalise("你 好", name) != "你 好":  # spaces beside a character go, so words are not enough
        return lambda text: normalise(text, name)
    word = cache(lambda text: normalise(text, name))
    return lambda text: " ".join(filter(None, map(word, text.split())))


def word_list(cfg: Config, alphabet: Collection[str]) -> WordList | None:
    """The word list of ``lm.words``, of words that the characters ``alphabet`` can write; None without one.

    ConfigError or DataError if a list that the user named cannot be had; ``auto`` says so and goes on.
    """
    wanted = cfg.lm.words
    if wanted == NONE:
        return None
    if wanted == AUTO:
        found = _auto(cfg, alphabet)
    elif wanted == WORDFREQ:
        found = _wordfreq(cfg, alphabet)
    elif wanted.startswith(HUNSPELL):
        raise ConfigError(f"lm.words={wanted}: not there yet; name a file")
    else:
        found = _file(cfg, alphabet)
    if found:
        say(f"  lm.words: {in_words(found.facts)}")
    return found


def in_words(facts: Source) -> str:
    """One line on a source: ``wordfreq's list of Romanian: 39,100 words; left out: 120 with digits (…)``."""
    out = ", ".join(f"{count:,} {reason}" for reason, count in facts.left_out.items() if count)
    return (
        f"{facts.what}: {facts.words:,} words"
        + (f"; left out: {out}" if out else "")
        + (f" ({facts.licence})" if facts.licence else "")
    )


def _auto(cfg: Config, alphabet: Collection[str]) -> WordList | None:
    """The first list of this very language that can be had; says why there is none."""
    reasons = []
    for make in (_wordfreq,):
        try:
            return make(cfg, alphabet)
        except (ConfigError, DataError) as err:
            reasons.append(str(err).partition(": ")[2].partition(";")[0])
    say(f"  lm.words: no word list ({'; '.join(reasons)}); the model learns from texts only")
    return None


def codes_of(code: str) -> list[str]:
    """Names under which others file the language ``code``, the shortest of them first."""
    lang = languages.get(code)
    return list(dict.fromkeys(filter(None, [lang.iso1, languages.tag(lang.iso), lang.iso])))


def _wordfreq(cfg: Config, alphabet: Collection[str]) -> WordList:
    """The most frequent words of wordfreq's list of this very language."""
    lang, where = languages.get(cfg.language), f"lm.words={cfg.lm.words}"
    try:
        import wordfreq
    except ImportError:
        raise ConfigError(f"{where}: the package wordfreq is not installed; pip install wordfreq") from None
    # asked for a language that it lacks, it takes the nearest: Russian for Belarusian
    there = wordfreq.available_languages("best")
    names = [*codes_of(lang.code), _WORDFREQ_NAMES.get(lang.iso, "")]
    name = next((name for name in names if name in there), None)
    if name is None:
        raise ConfigError(
            f"{where}: wordfreq has no list of {lang.name} ({lang.code}); name a dictionary, a file, or none"
        )
    buckets = wordfreq.get_frequency_list(name, "best")  # of like frequency, by centibels
    entries = (
        Entry(word, 1e6 * wordfreq.cB_to_freq(-below))
        for below, words in enumerate(buckets)
        for word in words
    )
    size = "large" if name in wordfreq.available_languages("large") else "small"
    facts = Source(f"wordfreq's {size} list of {lang.name}", licence=_WORDFREQ[0], url=_WORDFREQ[1])
    return keep(entries, cfg, alphabet, facts, most=MOST_WORDS, total=sum(map(len, buckets)))


def keep(
    entries: Iterable[Entry],
    cfg: Config,
    alphabet: Collection[str],
    facts: Source,
    *,
    most: int | None = None,
    total: int | None = None,
) -> WordList:
    """The entries that can be used, normalised; words that become the same add their weights, unless all are
    1.0. ``most``: as many words at the most, of ``total`` entries. DataError if hardly any can be written.
    """
    of, chars = normaliser(cfg, "lm.words"), frozenset(alphabet)
    words: dict[str, float] = {}
    left: Counter[str] = Counter()
    lines, mass, lost = 0, 0.0, 0.0
    for entry in entries:
        if most is not None and len(words) >= most:
            break
        lines += 1
        mass += entry.weight
        word = of(entry.word)
        reason = _why_not(word, chars)
        if reason:
            left[reason] += 1
            lost += entry.weight * (reason == CANNOT_WRITE)
        elif word in words and entry.weight == words[word] == 1.0:
            left["duplicates"] += 1
        else:
            words[word] = words.get(word, 0.0) + entry.weight
    if not words or lost > (1 - _LEAST) * mass:
        raise DataError(
            f"lm.words={cfg.lm.words}: {facts.what} is in another script: {left[CANNOT_WRITE]:,} of {lines:,}"
            f" words have characters that the training texts of {cfg.lang} lack; name another list, or none"
        )
    if total is not None and total > lines:
        left[f"beyond the {most:,} most frequent"] = total - lines
    return WordList(words, facts._replace(lines=total or lines, words=len(words), left_out=dict(left)))


CANNOT_WRITE = "with characters that the training texts lack"


def _why_not(word: str, alphabet: frozenset[str]) -> str | None:
    """Why a normalised entry is no word to learn, or None."""
    if not any(unicodedata.category(char)[0] == "L" for char in word):
        return "without letters"
    if has_digits(word):
        return "with digits"
    if " " in word:
        return "of several words"
    return None if alphabet.issuperset(word) else CANNOT_WRITE


def _file(cfg: Config, alphabet: Collection[str]) -> WordList:
    """The user's own list, a word a line, optionally with its frequency behind a tab or a space."""
    path, given = Path(cfg.lm.words), cfg.as_given("lm.words")
    rows = list(_rows(path))
    if not rows:
        raise DataError(f"{path}: no words in it; write a word a line, or set lm.words=none")
    counted = [row for row in rows if row[2] is not None]
    if counted and len(counted) < len(rows):
        lacking = next(row for row in rows if row[2] is None)
        raise DataError(
            f"{path}:{lacking[0]}: {lacking[1]!r} has no frequency, but the word on line {counted[0][0]} has"
            " one; give it to all or to none"
        )
    total = sum(row[2] for row in counted if row[2])
    entries = [Entry(word, 1e6 * freq / total if freq else 1.0) for _, word, freq in rows]
    return keep(entries, cfg, alphabet, Source(f"the list {given}", path=given))


def _rows(path: Path) -> Iterator[tuple[int, str, float | None]]:
    """Line number, word, and frequency, if it has one; DataError for what is no list of words."""
    for number, line in numbered_lines(path, "lm.words"):
        columns = [part.strip() for part in line.split("\t")] if "\t" in line else line.split()
        if not columns:
            continue
        if len(columns) == 1:
            yield number, columns[0], None
            continue
        freq = _frequency(columns[-1])
        if len(columns) > 2 and (freq is None or "\t" in line) or (freq is None and "\t" not in line):
            if _frequency(columns[0]) is not None and len(columns) == 2:
                raise DataError(
                    f"{path}:{number}: the frequency stands before the word; expected the word, then its"
                    " frequency: swap the columns"
                )
            raise DataError(
                f"{path}:{number}: {line[:60]!r}: expected one word, optionally with its frequency; give"
                " sentences in lm.text"
            )
        if freq is None:
            raise DataError(
                f"{path}:{number}: the frequency {columns[-1]!r} is not a number above 0; correct it or"
                " remove the column"
            )
        yield number, " ".join(columns[:-1]), freq


def _frequency(text: str) -> float | None:
    """A number above 0, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


def read_texts(ctx: Context, alphabet: Collection[str]) -> list[Text]:
    """The files of ``lm.text``, normalised, and what is left out; ConfigError or DataError."""
    cfg = ctx.cfg
    given = cfg.as_given("lm.text")
    for name in cfg.lm.text:
        if not isinstance(name, str) or cfg.lm.text.count(name) > 1:
            raise ConfigError(f"lm.text: found {name!r} {cfg.lm.text.count(name)} times; list each file once")
    texts = []
    for place, name in zip(cfg.lm.text, given, strict=True):
        texts.append(read_text(Path(place), name, cfg, alphabet))
        say(f"  lm.text: {in_words(texts[-1].facts)}")
    return texts


def read_text(path: Path, given: str, cfg: Config, alphabet: Collection[str]) -> Text:
    """One file of sentences. Lines keep a few characters that the recogniser cannot write, since the words
    around them are right; lines that are mostly of such are left out. DataError for a file without any other
    line.
    """
    of = normaliser(cfg, "lm.text")
    letters = Letters(alphabet)
    lines: list[str] = []
    numbers: list[int] = []
    left: Counter[str] = Counter()
    number = 0
    for number, raw in numbered_lines(path, "lm.text"):
        line = of(raw)
        if not any(map(str.isalpha, line)):
            left["lines without letters" if raw else "empty lines"] += 1
        elif letters.foreign(line, number):
            left["lines mostly of characters that the training texts lack"] += 1
        else:
            lines.append(line)
            numbers.append(number)
        if letters.lines == _EARLY:
            letters.refuse(path, cfg)
    if not letters.total:
        raise DataError(f"{path}: no text in it; write a sentence a line, or take it out of lm.text")
    letters.refuse(path, cfg)
    words = sum(len(line.split()) for line in lines)
    return Text(lines, numbers, Source(f"the text {given}", given, number, words, dict(left)))


class Letters:
    """Counts letters and marks outside the alphabet, to find texts in another script."""

    def __init__(self, alphabet: Collection[str]):
        self.alphabet = frozenset(alphabet)
        self.total = self.lacking = self.lines = self.first = 0

    def foreign(self, line: str, number: int) -> bool:
        """Whether most letters of a line are outside the alphabet."""
        letters = [char for char in line if char.isalpha()]
        lacking = sum(char not in self.alphabet for char in letters)
        self.lines += 1
        self.total += len(letters)
        self.lacking += lacking
        odd = lacking > _OTHER_SCRIPT * len(letters)
        self.first = self.first or (number if odd else 0)
        return odd

    def refuse(self, path: Path, cfg: Config) -> None:
        """DataError if the text so far is in another script."""
        if self.lacking > _OTHER_SCRIPT * self.total:
            raise DataError(
                f"{path}:{self.first}: {100 * self.lacking / self.total:.0f}% of the letters are not in the"
                f" training texts of {cfg.lang}; expected text in its script, take the file out of lm.text"
            )
