"""Telephone prompts of Asterisk: one voice a language. Text files have lines ``KEY: TEXT``; the sound is
``KEY.wav`` (8 kHz), or in one of Asterisk's forms without a header.

Without data.dir, Debian's asterisk-core-sounds of the language are fetched, as they sound on the telephone
(8 kHz). Their texts lack accents and have misspellings, which ``asterisk.tsv`` beside this file corrects.
"""

from __future__ import annotations

import gzip
import re
import zlib
from functools import cache
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.archive import corpus_place, listing
from xlt.data.corpora.debian import package_folder
from xlt.data.corpora.names import clean, speaker_ids
from xlt.text import languages, scripts

PACKAGE = "asterisk-core-sounds"
LANGUAGES = ("en", "es", "fr", "it", "ru")  # that Debian has
LICENCES = {"it": "CC-BY-3.0", "ru": "CC-BY-3.0"}  # of the others: CC-BY-SA-3.0
SUFFIXES = (".wav", ".g722", ".sln16", ".sln", ".ulaw", ".alaw", ".gsm")  # the first that is there is taken
_TEXTS = re.compile(r"(.+/)?(core|extra)-sounds-[a-z]{2}\.txt(\.gz)?")
_EXPECTED = "Asterisk's prompts: core-sounds-LL.txt (or .txt.gz) and the sound files"
_LINE = re.compile(r"([\w./-]+):(.*)")
_REGION = re.compile(r"[a-z]{2}_([A-Z]{2})_.+")
_BRACKETS = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>")
# addresses, letters that are said by their names (a.m., N B S), and keys of the telephone
_NOT_AS_SAID = re.compile(r"[*#]|www\.|\b[^\W\d_]\.[^\W\d_]\b|\b[A-ZÀ-ÞА-Я] [A-ZÀ-ÞА-Я]\b")


def recognise(place: Path) -> bool:
    """Whether ``place`` has ``core-sounds-LL.txt`` or ``.txt.gz``."""
    return any(map(_TEXTS.fullmatch, listing(place)))


def texts(path: Path) -> list[tuple[int, str, str]]:
    """Line number, from 1, key and text of each prompt; DataError for a line of another form."""
    raw = path.read_bytes()
    try:
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as err:
        raise DataError(f"{path}: damaged ({err}); fetch or unpack it again") from None
    except UnicodeDecodeError as err:
        raise DataError(f"{path}: not UTF-8 (byte {err.start + 1}); save it as UTF-8") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith(";"):
            hit = _LINE.fullmatch(line.strip())
            if not hit:
                raise DataError(f"{path}:{number}: found {line[:80]!r}, expected KEY: TEXT; correct the line")
            found.append((number, hit[1], hit[2].strip()))
    return found


@cache
def _spelling(iso1: str) -> tuple[re.Pattern[str], dict[str, str]] | None:
    rows = [
        line.split("\t")
        for line in Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    known = {wrong: right for lang, wrong, right in rows if lang == iso1}
    if not known:
        return None
    longest_first = sorted(known, key=lambda wrong: (-len(wrong), wrong))
    return re.compile(rf"\b({'|'.join(map(re.escape, longest_first))})\b", re.IGNORECASE), known


def corrected(text: str, iso1: str) -> str:
    """``text`` as the language is spelled, in small letters where it was changed.

    >>> corrected("Ya esta en la conferencia, numero dos.", "es")
    'ya está en la conferencia, número dos.'
    """
    if not (found := _spelling(iso1)):
        return text
    pattern, known = found
    while (once := pattern.sub(lambda hit: known[hit[0].lower()], text)) != text:  # a phrase hides its words
        text = once
    return text


def _places(cfg: Config, iso1: str) -> tuple[list[Path], Path]:
    """The files of texts, and a folder that has the sounds."""
    if not iso1:
        raise DataError(
            f"lang={cfg.lang}: Asterisk calls languages by two letters (ISO 639-1), which this one does not"
            " have; make a table of the prompts and use data.reader=table"
        )
    if cfg.data.dir is not None:
        texts_in = sounds_in = corpus_place(cfg, _EXPECTED)
    elif iso1 in LANGUAGES:
        name = f"{PACKAGE}-{iso1}"
        texts_in = package_folder(cfg, name, lambda n: bool(_TEXTS.fullmatch(n)), f"core-sounds-{iso1}.txt")
        sounds_in = package_folder(cfg, f"{name}-wav", lambda n: n.endswith(".wav"), ".wav files")
    else:
        raise DataError(
            f"lang={cfg.lang}: Debian has no prompts in it, only in {', '.join(LANGUAGES)}; name the folder"
            " of the prompts in data.dir"
        )
    found: dict[str, Path] = {}
    for path in sorted(texts_in.rglob(f"*-sounds-{iso1}.txt*")):
        if _TEXTS.fullmatch(path.name):
            found.setdefault(path.name.removesuffix(".gz"), path)
    if not found:
        raise DataError(f"{texts_in}: no core-sounds-{iso1}.txt there; expected {_EXPECTED}")
    return list(found.values()), sounds_in


def _sounds(root: Path, beside: Path, iso1: str) -> tuple[str, dict[str, Path]]:
    """The voice's name and ``{key: file}``: of the folder named by the language, such as ``es_MX_f_Allison``
    or ``es``, or of that of the texts.
    """
    named = [path for path in sorted(root.rglob(f"{iso1}*")) if path.is_dir()]
    for folder in (*(p for p in named if p.name == iso1 or p.name.startswith(f"{iso1}_")), beside):
        found: dict[str, Path] = {}
        for suffix in SUFFIXES:
            for path in sorted(folder.rglob(f"*{suffix}")):
                found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
        if found:
            return (iso1 if folder == beside else folder.name), found
    raise DataError(f"{root}: no {', '.join(SUFFIXES)} files of {iso1} there; expected {_EXPECTED}")


def read(cfg: Config) -> Corpus:
    """The prompts of ``cfg.lang``. ``content`` is a prompt's key: the same in all languages."""
    lang = languages.get(cfg.lang)
    paths, root = _places(cfg, lang.iso1)
    voice, sounds = _sounds(root, paths[0].parent, lang.iso1)
    (speaker,) = speaker_ids([f"asterisk_{voice}"]).values()
    region = _REGION.fullmatch(voice)
    different: dict[str, set[str]] = {}
    for _, key, text in (row for path in paths for row in texts(path)):
        different.setdefault(key, set()).add(text)
    corpus = Corpus(
        f"{PACKAGE}-{lang.iso1}", [], {}, {"licence": LICENCES.get(lang.iso1, "CC-BY-SA-3.0"), "voice": voice}
    )
    for key, of_key in different.items():
        utt, (text, *others) = f"{speaker}-{clean(key)}", sorted(of_key)
        said = corrected(_BRACKETS.sub(" ", text), lang.iso1).strip()
        why = "one clip, several texts" if others else _why_not(text, key in sounds)
        if not why and scripts.foreign(said, lang.code[4:]):
            why = "not as it is said"
        if why:
            corpus.left_out.setdefault(why, []).append(utt)
            continue
        tags = {"accent": region[1]} if region else {}
        content = f"asterisk/{key}"
        corpus.utterances.append(Utterance(utt, speaker, lang.code, said, sounds[key], content, tags=tags))
    if lost := [f"{speaker}-{clean(key)}" for key in sounds if key not in different]:
        corpus.left_out["audio without text"] = corpus.left_out.get("audio without text", []) + lost
    return corpus


def _why_not(text: str, has_sound: bool) -> str | None:
    """Why a prompt cannot be used, or None."""
    rest = _BRACKETS.sub(" ", text)
    if not has_sound:
        return "text without audio"
    if not text:
        return "audio without text"
    if not any(char.isalpha() for char in rest):
        return None if any(char.isdigit() for char in rest) else "no speech"
    comments = any(char.isalpha() for hit in _BRACKETS.findall(text) for char in hit)
    letters = all(len(word) == 1 for word in re.findall(r"\w+", rest))
    return "not as it is said" if comments or letters or _NOT_AS_SAID.search(rest) else None
