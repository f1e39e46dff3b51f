"""Classes of reference words, for error rates on them alone: which words of each utterance are of which
class.

Built in: ``numbers`` (num2words, :mod:`xlt.score.numbers`), ``names`` (capitals in ``text_raw``), ``unseen``
(not in the training texts), ``long`` (``score.long_chars``). The user's own: lists of words and phrases
(``score.words``) and a file of tags (``score.word_tags``); one with the name of a built-in class takes its
place. A word may be of several classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError, DataError
from xlt.data.normalisers import normalise_utterance
from xlt.formats.tables import read_table
from xlt.score.names import Names
from xlt.score.numbers import number_words
from xlt.text.languages import get
from xlt.text.scripts import UNSPACED

if TYPE_CHECKING:
    from xlt.core.context import Context
    from xlt.score.match import Matched

Places = list[set[int]]  # of each utterance, in the order of ids: positions of reference words
NO_TAG = "-"
TOGETHER = {"all": "all classes together", "rest": "all other words"}  # no names of classes
_LONGEST = 0.1  # share of the training words that are long, where score.long_chars does not say


@dataclass
class Classes:
    """``places``: the words of each class; ``absent``: classes that this set does not have, with the reason;
    ``notes``: what to know of a class."""

    places: dict[str, Places] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, places: Places, lacking: str = "", note: str = "") -> None:
        """A class; absent if no word is of it, or for the reason ``lacking``."""
        if lacking or not any(places):
            self.absent[name] = lacking or "no reference word is of it"
        else:
            self.places[name] = places
            self.notes |= {name: note} if note else {}


class Words:
    """What the classes rest on; read once for all sets of an experiment. ConfigError or DataError if it
    cannot be.
    """

    def __init__(self, ctx: Context):
        self.ctx, self.cfg = ctx, ctx.cfg
        normaliser = cache(lambda lang: partial(normalise_utterance(self.cfg, {"": lang}, "utt2lang"), ""))
        self.normalise: Callable[[str, str], str] = cache(lambda lang, text: normaliser(lang)(text))
        self.numbers = cache(lambda lang: number_words(get(lang), lambda text: self.normalise(lang, text)))
        self.phrases = cache(lambda name, lang: self._phrases(name, lang))
        self.tags = read_table(Path(ctx.cfg.score.word_tags)) if ctx.cfg.score.word_tags else {}
        self.lists = {name: read_list(name, path) for name, path in ctx.cfg.score.words.items()}
        self.seen = self._training_words()
        lengths = sorted((len(word) for words in self.seen.values() for word in words), reverse=True)
        tenth = (
            lengths[int(_LONGEST * len(lengths))] + 1 if lengths else None
        )  # fewer than a tenth are that long
        self.long_chars = ctx.cfg.score.long_chars or tenth

    def _training_words(self) -> dict[str, set[str]]:
        """``{language: words}`` of the training texts, as they are scored; {} without any."""
        folder = self.ctx.data / self.cfg.train_set
        if not (folder / "text").exists():
            return {}
        table = folder / "utt2lang"
        languages = read_table(table) if table.exists() else {}
        normalise = normalise_utterance(self.cfg, languages, self.ctx.display_path(table))
        raw: dict[str, tuple[str, set[str]]] = {}  # of each language an utterance and the words
        for utt, text in read_table(folder / "text").items():
            raw.setdefault(languages.get(utt, self.cfg.language), (utt, set()))[1].update(text.split())
        return {
            lang: {part for word in words for part in normalise(utt, word).split()}
            for lang, (utt, words) in raw.items()
        }

    def _phrases(self, name: str, lang: str) -> dict[str, list[tuple[str, ...]]]:
        """``{first word: phrases}`` of a list, normalised; DataError for an entry that has no text then."""
        found: dict[str, list[tuple[str, ...]]] = {}
        for number, entry in self.lists[name]:
            words = tuple(self.normalise(lang, entry).split())
            if not words:
                raise DataError(
                    f"{self.cfg.score.words[name]}:{number}: {entry!r} has no text once it is normalised;"
                    " take the line out"
                )
            found.setdefault(words[0], []).append(words)
        return found

    def classes(self, name: str, m: Matched, utt2lang: dict[str, str]) -> Classes:
        """The classes of a set's reference words."""
        refs = [ref.split() for ref, _ in m.pairs]
        langs = [utt2lang.get(utt, self.cfg.language) for utt in m.ids]
        found = Classes()
        if {lang[4:] for lang in langs} <= UNSPACED and 2 * sum(len(words) > 1 for words in refs) < len(refs):
            found.absent["words"] = "the references have no spaces between words"
            return found
        for entries in self.lists:
            found.add(
                entries,
                [
                    phrase_places(words, self.phrases(entries, lang))
                    for words, lang in zip(refs, langs, strict=True)
                ],
            )
        self._tagged(found, m.ids, refs)
        for own, add in (
            ("numbers", self._numbers),
            ("names", self._names),
            ("unseen", self._unseen),
            ("long", self._long),
        ):
            if own not in found.places and own not in found.absent:
                add(found, name, m.ids, refs, langs)
        return found

    def _numbers(
        self, found: Classes, name: str, ids: list[str], refs: list[list[str]], langs: list[str]
    ) -> None:
        by_language = {lang: self.numbers(lang) for lang in sorted(set(langs))}
        lacking = [why for why in by_language.values() if isinstance(why, str)]
        if len(lacking) == len(by_language):
            found.add("numbers", [], "; ".join(lacking))
        else:
            found.add(
                "numbers",
                [
                    set() if isinstance(of := by_language[lang], str) else of.places(words)
                    for words, lang in zip(refs, langs, strict=True)
                ],
                note="; ".join(lacking),
            )

    def _names(
        self, found: Classes, name: str, ids: list[str], refs: list[list[str]], langs: list[str]
    ) -> None:
        path = self.ctx.data / name / "text_raw"
        if not path.exists():
            found.add("names", [], f"{self.ctx.display_path(path)} is not there: stage 1 (data) writes it")
            return
        names = Names(read_table(path), self.normalise)
        places = [names.places(utt, words, lang) for utt, words, lang in zip(ids, refs, langs, strict=True)]
        found.add("names", places, names.lacking(self.ctx.display_path(path)), names.note(langs))

    def _unseen(
        self, found: Classes, name: str, ids: list[str], refs: list[list[str]], langs: list[str]
    ) -> None:
        without = sorted(set(langs) - {lang for lang, words in self.seen.items() if words})
        why = f"data/{self.cfg.train_set}/text has no words of {', '.join(without)}" if without else ""
        places = [
            (
                {i for i, word in enumerate(words) if word not in self.seen[lang]}
                if lang not in without
                else set()
            )
            for words, lang in zip(refs, langs, strict=True)
        ]
        found.add("unseen", places, why if len(without) == len(set(langs)) else "", why)

    def _long(
        self, found: Classes, name: str, ids: list[str], refs: list[list[str]], langs: list[str]
    ) -> None:
        if self.long_chars is None:
            found.add("long", [], f"data/{self.cfg.train_set}/text has no words; set score.long_chars")
            return
        found.add(
            "long",
            [{i for i, word in enumerate(words) if len(word) >= self.long_chars} for words in refs],
            note=f"{self.long_chars} or more characters",
        )

    def _tagged(self, found: Classes, ids: list[str], refs: list[list[str]]) -> None:
        """A class for each tag; DataError where a line has not a tag for each reference word."""
        path = self.cfg.as_given("score.word_tags")
        names = sorted({tag for line in self.tags.values() for tag in line.split()} - {NO_TAG})
        for tag in names:
            if tag in self.lists or tag in TOGETHER:
                raise ConfigError(
                    f"{path}: the tag {tag!r} is a list in score.words, too, or means all or no classes;"
                    " rename it"
                )
        lines = [self.tags.get(utt, "").split() for utt in ids]
        for utt, tags, words in zip(ids, lines, refs, strict=True):
            if utt in self.tags and len(tags) != len(words):
                number = list(self.tags).index(utt) + 1
                raise DataError(
                    f"{path}:{number}: utterance {utt!r} has {len(tags)} tags, and its normalised reference "
                    f"{len(words)} words ({' '.join(words)}); write one tag a word, {NO_TAG} for none"
                )
        lacking = "" if self.tags.keys() & set(ids) else f"{path} has no line for an utterance of this set"
        for tag in names:
            found.add(tag, [{i for i, own in enumerate(tags) if own == tag} for tags in lines], lacking)


def read_list(name: str, path: object) -> list[tuple[int, str]]:
    """The entries of a user's list, a word or a phrase a line, with their line numbers; ConfigError or
    DataError.
    """
    if not isinstance(path, str) or not isinstance(name, str) or not name or name in TOGETHER:
        raise ConfigError(
            f"score.words: found {name!r}: {path!r}, expected names of classes (not {' or '.join(TOGETHER)})"
            " with files, such as {entities: entities.txt}"
        )
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as err:
        raise DataError(
            f"{path}: not UTF-8 (byte {err.start}); save it as UTF-8, a word or phrase a line"
        ) from None
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigError(
            f"score.words: {name}: {path} is no file; give a text file with a word or phrase a line"
        ) from None
    found = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not found:
        raise DataError(f"{path}: empty; write a word or phrase a line, or take {name} out of score.words")
    return found


def phrase_places(words: list[str], phrases: dict[str, list[tuple[str, ...]]]) -> set[int]:
    """Positions of all words of the phrases that stand in a text."""
    return {
        place
        for i, word in enumerate(words)
        for phrase in phrases.get(word, ())
        if tuple(words[i : i + len(phrase)]) == phrase
        for place in range(i, i + len(phrase))
    }
