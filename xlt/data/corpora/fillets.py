"""Dialogues of the game Fish Fillets NG (GPL-2), in any language that it is spoken in: acted, several voices.

``script/LEVEL/…dialogs_LL.lua`` has ``dialogId("ID", "font_ROLE", "English")`` and ``dialogStr("TEXT")`` for
each line; the sound is ``sound/LEVEL/LL/ID.ogg``, or for ``script/share/`` ``sound/share/*/LL/ID.ogg``.
Roles are told by the colours of their subtitles, ``font_small`` and ``font_big`` being the two fish, who have
most of the speech: train, dev and test are theirs, and the other roles are the further set ``test_voices``.
So is what the fish say in the levels of :data:`RECAST`, in other voices.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.archive import corpus_place, listing, nearest
from xlt.data.corpora.debian import package_folder
from xlt.data.corpora.names import clean
from xlt.data.corpora.rows import decoded
from xlt.text import languages, scripts

TEXTS = "fillets-ng-data"
SOUNDS = {"ces_Latn": "fillets-ng-data-cs", "nld_Latn": "fillets-ng-data-nl"}  # languages with speech
FISH = ("big", "small")
# Levels that came later: recorded at 44.1 kHz, not 22.05, and the pitch of small and big is 215 and 110 Hz
# there, 280 and 140 Hz in all others (medians of levels): other actors, who get a name of their own.
RECAST = {"ces": frozenset("fdto hanoi hole keys linux nowall rush".split())}
NEW_VOICES = "test_voices"
_GAME = "usr/share/games/fillets-ng"
_EXPECTED = "the game's folder, with script/ and sound/"
_SCRIPT = re.compile(r"(.+/)?script/[^/]+/[^/]*dialogs_[a-z]{2}\.lua")
_TOKEN = re.compile(
    r'--\[\[.*?\]\]|--[^\n]*|\s+|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<word>\w+)|(?P<sign>.)', re.DOTALL
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def recognise(place: Path) -> bool:
    """Whether ``place`` has ``script/LEVEL/dialogs_LL.lua``."""
    return any(map(_SCRIPT.fullmatch, listing(place)))


@dataclass(frozen=True)
class Line:
    """What a role says: ``number`` is the line in the file, from 1; ``text`` is empty where there is none."""

    id: str
    role: str
    text: str
    number: int


def dialogues(path: Path) -> list[Line]:
    """The lines of a ``dialogs_LL.lua``, in its order; DataError for a call of another form."""
    found: list[Line] = []
    for number, name, given in _calls(path):
        if name == "dialogId" and len(given) == 3:
            found.append(Line(given[0], given[1].removeprefix("font_"), "", number))
        elif name == "dialogStr" and len(given) == 1 and found:
            last = found.pop()
            found.append(Line(last.id, last.role, f"{last.text} {given[0]}".strip(), last.number))
        else:
            raise DataError(
                f'{path}:{number}: found {name} with {len(given)} strings, expected dialogId("ID", "font",'
                ' "English") and then dialogStr("TEXT"); correct the line'
            )
    return found


def _calls(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Each call ``NAME("…", …)``: its line, from 1, its name, its strings."""
    text = decoded(path)[0]
    name, given = "", list[str]()
    start = 0
    for hit in _TOKEN.finditer(text):
        if hit["word"]:
            name, given, start = hit["word"], [], text.count("\n", 0, hit.start()) + 1
        elif hit["string"]:
            given.append(_ESCAPE.sub(lambda h: " " if h[1] in "nt\n" else h[1], hit["string"][1:-1]))
        elif hit["sign"] == ")":
            yield start, name, given
        elif hit["sign"] and hit["sign"] not in "(,;":
            line = text.count("\n", 0, hit.start()) + 1
            raise DataError(f"{path}:{line}: found {hit['sign']!r}, expected strings; correct the line")


def _places(cfg: Config) -> tuple[Path, Path]:
    """The folders ``script`` and ``sound``."""
    package = SOUNDS.get(str(cfg.lang))
    if cfg.data.dir is not None:
        place = corpus_place(cfg, _EXPECTED)
        for folder in (place / _GAME, *nearest(place, lambda p: (p / "script").is_dir())):
            if (folder / "script").is_dir():
                return folder / "script", folder / "sound"
        raise DataError(f"data.dir: {place}: no script/ there; expected {_EXPECTED}")
    if package is None:
        raise DataError(
            f"lang={cfg.lang}: there is no package with the game's speech in it, only in {', '.join(SOUNDS)};"
            " name the game's folder in data.dir"
        )
    texts = package_folder(cfg, TEXTS, lambda name: bool(_SCRIPT.fullmatch(name)), "script/*/dialogs_*.lua")
    sounds = package_folder(cfg, package, lambda name: name.endswith(".ogg"), "sound/")
    return texts / _GAME / "script", sounds / _GAME / "sound"


def read(cfg: Config) -> Corpus:
    """The lines of ``cfg.lang`` that have speech. ``content`` is a line of the game: the same in all
    languages.
    """
    lang = languages.get(cfg.lang)
    script, sound = _places(cfg)
    clips = {
        (path.parent.parent.relative_to(sound).as_posix(), path.stem): path
        for path in sorted(sound.rglob(f"{lang.iso1}/*.ogg"))
    }
    if not lang.iso1 or not clips:
        raise DataError(f"{sound}: no */{lang.iso1 or lang.iso}/*.ogg; the game has no speech in {lang.name}")
    shared = {name: level for level, name in clips if level.startswith("share/")}
    utterances: list[Utterance] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    for path in sorted(script.glob(f"*/*dialogs_{lang.iso1}.lua")):
        for line in dialogues(path):
            level = shared.get(line.id, "share") if path.parent.name == "share" else path.parent.name
            place = (level, line.id)
            if place in seen:
                raise DataError(f"{path}:{line.number}: duplicate id {line.id!r} of {level}; remove one")
            seen.add(place)
            if not line.text and place not in clips:
                continue
            utt = _utterance(lang, level, line, clips.get(place))
            if why := _why_not(line, place in clips, lang):
                left_out[why].append(utt.id)
            else:
                utterances.append(utt)
    left_out["audio without text"] += [
        f"fillets_{lang.iso}-{_name(level, name)}" for level, name in clips if (level, name) not in seen
    ]
    facts = {"licence": "GPL-2", "speakers": "roles of the game; actors are not named"}
    return Corpus(TEXTS, utterances, {why: ids for why, ids in left_out.items() if ids}, facts)


def _why_not(line: Line, has_clip: bool, lang: languages.Language) -> str | None:
    if not has_clip:
        return "text without audio"
    if not line.text:
        return "audio without text"
    if "%" in line.text:  # a number, which the game says in a clip of its own
        return "a number is filled in"
    return "two languages" if scripts.foreign(line.text, lang.code[4:]) else None


def _name(level: str, name: str) -> str:
    return clean(f"{level}_{name}")


def _utterance(lang: languages.Language, level: str, line: Line, clip: Path | None) -> Utterance:
    recast = level in RECAST.get(lang.iso, ())
    speaker = f"fillets_{lang.iso}_{clean(line.role) or 'unnamed'}{'2' if recast else ''}"
    return Utterance(
        f"{speaker}-{_name(level, line.id)}",
        speaker,
        lang.code,
        line.text,
        clip or Path(),
        f"fillets/{level}/{line.id}",
        split=None if line.role in FISH and not recast else NEW_VOICES,
    )
