"""Ids of speakers and utterances, names of sets and of languages: what readers make of the words that a
corpus has.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.text.languages import LANGUAGES, Language, names_of

_SETS = {
    "train": (
        "train training trn tr entrenamiento entraînement entrainement treino addestramento eğitim обучение"
    ),
    "dev": "dev development devel valid validation val validacion validación validação doğrulama валидация",
    "test": "test tst testing eval evaluation prueba teste тест",
}
SET_OF = {word: name for name, words in _SETS.items() for word in words.split()}
UNNAMED = "unnamed"
_REGION_OF = {"cmn_Hans": "zh-cn", "cmn_Hant": "zh-tw"}  # corpora name a place where we name a script
_LONGEST = 120  # bytes of a part of an id that is made here
_LONGEST_ID = 240  # bytes: a file is called like it, and file systems end at 255
# not seen, and turn what follows around: an id with one is another than it looks (Unicode, UAX 9)
_TURNING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_NOT_IN_IDS = re.compile(rf"[\s/\\\x00-\x1f\x7f-\x9f\ud800-\udfff{_TURNING}]")


def _cut(name: str) -> str:
    raw = name.encode("utf-8")
    if len(raw) <= _LONGEST:
        return name
    return raw[: _LONGEST - 9].decode("utf-8", "ignore") + "_" + hashlib.sha256(raw).hexdigest()[:8]


def clean(name: str) -> str:
    """``name`` as a part of an id: NFC, without spaces, slashes, controls, and marks of direction."""
    return _cut(_NOT_IN_IDS.sub("_", unicodedata.normalize("NFC", name.strip())))


def fault_of_id(name: str) -> str | None:
    """Why ``name`` cannot be an utterance's or a speaker's id, or None. Ids stand in tables, and files are
    called like them.

    >>> fault_of_id("ana-1"), fault_of_id("ana/1")
    (None, "has '/'")
    """
    if not name or name in (".", ".."):
        return "is none"
    if hit := _NOT_IN_IDS.search(name.replace("\\", "_")):
        return f"has {hit[0]!a}"
    size = len(name.encode("utf-8"))
    return f"has {size} bytes, more than {_LONGEST_ID}" if size > _LONGEST_ID else None


def _spelling(name: str) -> str:
    """What two spellings of one name share: Rosa Quispe, rosa  quispe. Single letters are codes."""
    plain = " ".join(unicodedata.normalize("NFC", name).split())
    return plain.casefold() if len(plain) > 1 else plain


def speaker_ids(names: Iterable[str]) -> dict[str, str]:
    """An id for each name. In none is a character up to ``-``: so ids ``SPEAKER-…`` sort like their speakers,
    as Kaldi needs it.

    Names that differ keep ids that differ, but for spaces, the form of their accents, and upper and lower
    case, which is told: two spellings of one voice would be in train and in test. No name is ``unnamed``.
    """
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    names = list(names)
    count = Counter(unicodedata.normalize("NFC", name.strip()) for name in names)
    usual: dict[str, str] = {}
    for plain in sorted(count, key=lambda plain: (-count[plain], plain)):
        usual.setdefault(_spelling(plain), plain)
    for name in sorted(set(names)):
        plain = usual[_spelling(name)]
        own = "".join("_" if c <= "-" else c for c in clean(plain)) or UNNAMED
        if taken.setdefault(own, plain) != plain:
            own += "_" + hashlib.sha256(plain.encode()).hexdigest()[:6]
        found[name] = own
    several = [plain for plain in count if usual[_spelling(plain)] != plain]
    if several:
        shown = ", ".join(f"{plain!r} is {usual[_spelling(plain)]!r}" for plain in sorted(several)[:4])
        more = f" and {len(several) - 4} more" if len(several) > 4 else ""
        say(f"  speakers that differ in upper and lower case or in spaces alone count as one: {shown}{more}")
    return found


def utterance_ids(wanted: Iterable[tuple[str, str, str]]) -> list[str]:
    """``SPEAKER-NAME`` of each (speaker's id, name, place), or the name if it begins so; where several would
    be alike, the place (e.g. a row) is added."""
    named = []
    for speaker, name, place in wanted:
        plain = clean(name)
        named.append((plain if plain.startswith(f"{speaker}-") else f"{speaker}-{plain}", place))
    count = Counter(name for name, _ in named)
    return [name if count[name] == 1 else f"{name}-{clean(place)}" for name, place in named]


def span(start_s: float, end_s: float) -> str:
    """``0001230-0004560``: a part of a recording in an id, milliseconds."""
    return f"{round(start_s * 1000):07d}-{round(end_s * 1000):07d}"


def names_language(word: str, lang: Language) -> bool:
    """Whether ``word`` names ``lang``: its code, ISO code or English name, also with a region: ``swh``,
    ``sw``, ``sw-KE``.
    """
    word = word.strip().casefold().replace("_", "-")
    first, *rest = word.split("-")
    if first not in {*names_of(lang.iso), lang.iso1} - {""}:
        return word == lang.name.casefold()
    scripts = [part for part in rest if re.fullmatch("[a-z]{4}", part)]
    return not scripts or scripts[0] == lang.code[4:].casefold()


def folder_of(lang: Language, found: dict[Path, str], place: Path) -> Path:
    """The folder of ``lang`` among those ``found`` in ``place``, each with the word that names its language.
    DataError.
    """
    own = [folder for folder, word in found.items() if names_language(word, lang)]
    exact = [
        folder for folder in own if found[folder].casefold().replace("_", "-") == _REGION_OF.get(lang.code)
    ]
    own = exact or own
    if len(own) == 1:
        return own[0]
    words = ", ".join(found[folder] for folder in own or found)
    if own:
        raise DataError(f"{place}: has several folders of {lang.name}: {words}; name one: data.dir={own[0]}")
    if len(found) == 1 and not any(names_language(words, other) for other in LANGUAGES.values()):
        say(f"  note: takes {words}, a name that is not in the table of languages, as {lang.code}")
        return next(iter(found))
    raise DataError(
        f"{place}: has no {lang.name} ({lang.code}), but {words}; set lang, or name the folder in data.dir"
    )
