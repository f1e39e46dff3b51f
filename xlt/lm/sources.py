"""Where language models get words and sentences beside the training texts: word lists (``lm.words``) and text
files (``lm.text``), normalised as the recipe's own texts are, and what is left out of them.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.core.machine import free_memory
from xlt.data.normalisers import normalisers
from xlt.formats.text_file import Most, numbered_lines, text_size
from xlt.formats.word_list import read_word_list
from xlt.lm import affixes, hunspell
from xlt.lm.overlap import HeldOut, Overlap, held_out, refuse
from xlt.text import languages
from xlt.text.normalise import has_digits, normalise, sigma

if TYPE_CHECKING:
    from xlt.core.config import Config
    from xlt.core.context import Context

NONE, AUTO, WORDFREQ, HUNSPELL = "none", "auto", "wordfreq", "hunspell:"
MOST_WORDS = 60_000  # of a list by frequency: the rarer ones cost more time than they bring
MOST_FORMS = 400_000  # of a dictionary: of the 690,000 of Belarusian more spell other words no better
_LEAST = 0.1  # a list of which less can be written is of another script
_OTHER_SCRIPT = 0.5  # of a line's or a file's letters that the recogniser cannot write
MEMORY = 16  # bytes of an order for each byte of text: with 7 orders 100 were measured
_MEMORY = 4e9  # where the system does not say how much is free
_ORDER = 7  # of characters, if lm.order=null
HELD_OUT = "lines with sentences of held-out sets"  # reason
_LOST = "\ufffd"
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
    """``lines``: normalised sentences; ``numbers``: the line of the file that each is from, from 1;
    ``overlaps``: lines that are left out since held-out sets have them."""

    lines: list[str]
    numbers: list[int]
    facts: Source
    overlaps: list[Overlap]


class Entry(NamedTuple):
    """A word of a list as it is there, with its frequency per million, if it has one."""

    word: str
    per_million: float | None


class Reading(NamedTuple):
    """How a file of sentences is read. ``setting``: what names it; ``lang``: e.g. ron_Latn; ``most``: its
    largest size.
    """

    setting: str
    lang: str
    normalise: Callable[[str], str]
    most: Most


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
    plain = cache(lambda char: unicodedata.category(char) in ("Ll", "Lo") and normalise(char, name) == char)

    @cache
    def word(text: str) -> str:
        same = all(map(plain, text)) and unicodedata.is_normalized("NFC", text)
        return text if same else normalise(text, name)

    return lambda text: " ".join(filter(None, map(word, text.split())))


def names_a_file(cfg: Config) -> bool:
    """Whether ``lm.words`` is a word list of the user's own."""
    return cfg.lm.words not in (NONE, AUTO, WORDFREQ) and not cfg.lm.words.startswith(HUNSPELL)


def list_files(cfg: Config) -> list[Path]:
    """The files of ``lm.words`` on this machine: a word list, or a dictionary's .dic and .aff."""
    if names_a_file(cfg):
        return [Path(cfg.lm.words)]
    name = cfg.lm.words.removeprefix(HUNSPELL)
    return [Path(name), Path(name).with_suffix(".aff")] if name.endswith(".dic") else []


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
        found = _dictionary(hunspell.named(wanted.removeprefix(HUNSPELL), cfg), cfg, alphabet)
    else:
        found = from_file(cfg, alphabet)
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
    for make in (_wordfreq, lambda cfg, chars: _dictionary(hunspell.of_language(cfg), cfg, chars)):
        try:
            return make(cfg, alphabet)
        except (ConfigError, DataError) as err:
            reasons.append(str(err).partition(": ")[2].rpartition("; ")[0])
    say(f"  lm.words: no word list ({'; '.join(reasons)}): the model learns from texts alone")
    return None


def _dictionary(found: hunspell.Dictionary, cfg: Config, alphabet: Collection[str]) -> WordList:
    """The word forms of a hunspell dictionary, all of the same weight."""
    forms = affixes.expand(found.dic, MOST_FORMS)
    given = cfg.as_given("lm.words").removeprefix(HUNSPELL)
    facts = Source(
        f"hunspell's dictionary {found.name}",
        path=given if "/" in given or given.endswith(".dic") else None,
        licence=found.licence,
        url=found.url,
    )
    made = keep((Entry(word, None) for word in forms.words), cfg, alphabet, facts)
    if not forms.whole:
        made.facts.left_out[f"forms beyond {MOST_FORMS:,}"] = forms.beyond
    return made


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
    spelled = sigma if name == "el" else str  # its Greek words end with σ, for ς
    entries = (
        Entry(spelled(word), 1e6 * wordfreq.cB_to_freq(-below))
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
    """The entries that can be used, normalised; frequencies of words that become the same are added.

    ``most``: as many words at the most, of ``total`` entries. DataError if hardly any can be written.
    """
    of, chars = normaliser(cfg, "lm.words"), frozenset(alphabet)
    words: dict[str, float] = {}
    left: Counter[str] = Counter()
    lines, mass, lost = 0, 0.0, 0.0
    for entry in entries:
        if most is not None and len(words) >= most:
            break
        lines += 1
        weight = entry.per_million or 1.0
        mass += weight
        word = of(entry.word)
        reason = _why_not(word, chars)
        if reason:
            left[reason] += 1
            lost += weight * (reason == CANNOT_WRITE)
        elif word in words and entry.per_million is None:
            left["duplicates"] += 1
        else:
            words[word] = words.get(word, 0.0) + weight
    if not words or lost > (1 - _LEAST) * mass:
        raise DataError(
            f"lm.words={cfg.as_given('lm.words')}: {facts.what} is in another script: {left[CANNOT_WRITE]:,}"
            f" of {lines:,} words have characters that the training texts of {cfg.lang} lack; name another"
            " list, or none"
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


def from_file(cfg: Config, alphabet: Collection[str]) -> WordList:
    """The user's own list, a word a line, optionally with its frequency behind a tab or a space."""
    given = cfg.as_given("lm.words")
    rows = read_word_list(Path(cfg.lm.words), "lm.words")
    total = sum(row.frequency or 0.0 for row in rows)
    entries = (Entry(row.word, 1e6 * row.frequency / total if row.frequency else None) for row in rows)
    return keep(entries, cfg, alphabet, Source(f"the list {given}", path=given))


def read_texts(ctx: Context, alphabet: Collection[str]) -> list[Text]:
    """The files of ``lm.text``, normalised, without lines of held-out sets if ``lm.exclude_overlap``.

    ConfigError if they are not there or too large for the memory; DataError if one is damaged, in another
    script, or has sentences of held-out sets.
    """
    cfg = ctx.cfg
    check_files(cfg)
    found = held_out(ctx) if cfg.lm.text else None
    texts = []
    for path, given in zip(cfg.lm.text, cfg.as_given("lm.text"), strict=True):
        text = read_text(Path(path), given, cfg, alphabet, found)
        if not cfg.lm.exclude_overlap:
            refuse(text.overlaps, path)
        say(f"  lm.text: {in_words(text.facts)}")
        texts.append(text)
    return texts


def check_files(cfg: Config) -> None:
    """ConfigError if ``lm.text`` does not name files, each once, that together fit into the memory; reads
    none.
    """
    names = cfg.lm.text
    for name in names:
        if not isinstance(name, str) or names.count(name) > 1:
            raise ConfigError(f"lm.text: found {name!r} {names.count(name)} times; list each file once")
        if not Path(name).is_file():
            what = "a folder; name the files in it" if Path(name).is_dir() else "no such file; check the name"
            raise ConfigError(f"lm.text: {name}: {what}")
    sizes = {name: text_size(Path(name)) for name in names}
    if names and sum(sizes.values()) > (most := largest(cfg)).size:
        raise ConfigError(
            f"lm.text: {max(names, key=sizes.__getitem__)}: {sum(sizes.values()) / 1e6:,.0f} MB in all files,"
            f" more than {most.size / 1e6:,.0f} MB of text; {most.remedy}"
        )


def largest(cfg: Config) -> Most:
    """As much text as an estimation can hold in this machine's memory."""
    order = cfg.lm.order or _ORDER
    return fitting(max(order, _ORDER) if cfg.lm.unit == "word" else order)  # words are spelled by characters


def fitting(order: int) -> Most:
    """The same for n-grams of ``order``."""
    free = free_memory() or _MEMORY
    need = MEMORY * order
    return Most(
        int(free / need),
        f"n-grams of order {order} need {need} times as much memory, and {free / 1e9:.1f} GB are free;"
        " estimate them with KenLM's lmplz, which works on disk, and give them in lm.model",
    )


def read_text(
    path: Path, given: str, cfg: Config, alphabet: Collection[str], held_out: HeldOut | None = None
) -> Text:
    """One file of sentences, without those of ``held_out``.

    Lines keep a few characters that the recogniser cannot write, such as digits, since the words around them
    are right; lines that are mostly of such are left out. DataError for a file without any other line.
    """
    reading = Reading("lm.text", cfg.lang or "", normaliser(cfg, "lm.text"), largest(cfg))
    return sentences(path, given, reading, alphabet, held_out)


def sentences(
    path: Path, given: str, reading: Reading, alphabet: Collection[str], held_out: HeldOut | None = None
) -> Text:
    """The same for any recipe or bundle."""
    letters = Letters(alphabet)
    text = Text([], [], Source(f"the text {given}", given), [])
    left: Counter[str] = Counter()
    number = 0
    for number, raw in numbered_lines(path, reading.setting, reading.most):
        line = reading.normalise(raw)
        if _LOST in raw:
            left["lines with U+FFFD, where a program lost a character"] += 1
        elif not any(map(str.isalpha, line)):
            left["lines without letters" if raw else "empty lines"] += 1
        elif letters.foreign(line, number):
            left["lines mostly of characters that the training texts lack"] += 1
        elif overlaps := list(held_out.overlaps([(number, raw)])) if held_out else []:
            left[HELD_OUT] += 1
            text.overlaps.extend(overlaps)
        else:
            text.lines.append(line)
            text.numbers.append(number)
        if letters.lines == _EARLY:
            letters.refuse(path, reading)
    if not letters.total:
        raise DataError(f"{path}: no text in it; write a sentence a line, or leave the file out")
    letters.refuse(path, reading)
    if held_out and text.overlaps:
        short = {
            one.number: one for one in held_out.short_overlaps(zip(text.numbers, text.lines, strict=True))
        }
        kept = [place for place, line in enumerate(text.numbers) if line not in short]
        text = text._replace(
            lines=[text.lines[place] for place in kept],
            numbers=[text.numbers[place] for place in kept],
            overlaps=sorted([*text.overlaps, *short.values()]),
        )
        left[HELD_OUT] += len(short)
    words = sum(line.count(" ") + 1 for line in text.lines)
    return text._replace(facts=text.facts._replace(lines=number, words=words, left_out=dict(left)))


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

    def refuse(self, path: Path, reading: Reading) -> None:
        """DataError if the text so far is in another script."""
        if self.lacking > _OTHER_SCRIPT * self.total:
            raise DataError(
                f"{path}:{self.first}: {100 * self.lacking / self.total:.0f}% of the letters are not in the"
                f" training texts of {reading.lang}; expected text in its script, leave the file out"
            )
