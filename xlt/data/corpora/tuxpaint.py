"""Debian's tuxpaint-stamps-default (GPL-2): people say what a picture shows, in some ten languages.

Beside ``NAME.png`` stand ``NAME_desc_LL.ogg`` and ``NAME.txt``, which has the English text in its first line
and then lines ``LL.utf8=TEXT``. The speakers are not named: all clips of a language count as one speaker.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.archive import listing
from xlt.data.corpora.debian import package_folder
from xlt.data.groups import connect
from xlt.text import languages
from xlt.text.normalise import normalise

PACKAGE = "tuxpaint-stamps-default"
# The clip of a letter's stamp often says the letter alone, and the sentences about the sign language differ
# in one
# letter, so that they would be in training and test alike.
ALPHABETS = "symbols/alphabets/"
_CLIP = re.compile(r"(?P<stamp>.+)_desc_(?P<lang>[a-z]{2,3})(?P<variant>[_@]\w+)?(\.ogg)+", re.IGNORECASE)
_TEXT = re.compile(r"(?P<lang>[a-z]{2,3})\.utf8=(?P<text>.*)")


def recognise(place: Path) -> bool:
    """Whether ``place`` is the package or has clips named ``NAME_desc_LL.ogg``."""
    return place.name.startswith(f"{PACKAGE}_") or any(_CLIP.fullmatch(name) for name in listing(place))


def source(cfg: Config) -> Path:
    """The folder ``stamps``: in data.dir, or unpacked from data.archive or from the package that apt
    fetches.
    """
    data = cfg.data
    if data.dir is not None and not data.dir.endswith(".deb"):
        folder = Path(data.dir)
        if not folder.is_dir():
            raise DataError(f"data.dir: {folder}: no such folder; expected the unpacked {PACKAGE}")
        inner = folder / "usr/share/tuxpaint/stamps"
        return inner if inner.is_dir() else folder
    folder = package_folder(cfg, PACKAGE, lambda name: name.endswith((".ogg", ".txt")), ".ogg and .txt files")
    return folder / "usr/share/tuxpaint/stamps"


def stamp_texts(root: Path) -> dict[str, dict[str, str]]:
    """``{stamp: {two-letter code: text}}`` of every ``NAME.txt``; a stamp is named by its path, without
    ending.
    """
    found = {}
    for path in filter(Path.is_file, sorted(root.rglob("*.txt"))):
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as err:
            raise DataError(f"{path}: not UTF-8 (byte {err.start + 1}); unpack the package again") from None
        hits = map(_TEXT.fullmatch, lines[1:])
        texts = {hit["lang"]: hit["text"].strip() for hit in hits if hit}
        found[path.relative_to(root).with_suffix("").as_posix()] = {
            "en": lines[0].strip() if lines else "",
            **texts,
        }
    return found


def stamp_clips(root: Path) -> dict[str, dict[str, Path]]:
    """``{two-letter code: {stamp: clip}}``; regional variants are left to those who name them."""
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in sorted(root.rglob("*_desc_*.ogg")):
        hit = _CLIP.fullmatch(path.relative_to(root).as_posix())
        if hit and not hit["variant"]:
            found[hit["lang"].lower()][hit["stamp"]] = path
    return dict(found)


def contents(
    stamps: list[str], texts: dict[str, dict[str, str]], clips: dict[str, dict[str, Path]]
) -> dict[str, str]:
    """``{stamp: first stamp of its group}``: stamps whose text, in any language with clips, is the same are
    one group.

    Taken over all languages, so that a stamp is in the same split in each and a model that was trained on one
    language has not heard the sentences by which another is tested.
    """
    known = {lang.iso1: lang.normaliser for lang in languages.LANGUAGES.values() if lang.iso1}
    links = defaultdict(list)
    for code in sorted(set(clips) & set(known)):
        for stamp in stamps:
            if words := normalise(texts.get(stamp, {}).get(code, ""), known[code]):
                links[code, words].append(stamp)
    return connect(stamps, links.values())


def read(cfg: Config) -> Corpus:
    """The clips of ``cfg.lang`` that have a text."""
    lang = languages.get(cfg.lang)
    root = source(cfg)
    texts, clips = stamp_texts(root), stamp_clips(root)
    spoken = {
        code for code, of_code in clips.items() if any(texts.get(stamp, {}).get(code) for stamp in of_code)
    }
    if not spoken:
        raise DataError(
            f"{root}: no clips NAME_desc_LL.ogg with texts NAME.txt; expected the unpacked {PACKAGE}"
        )
    if lang.iso1 not in spoken:
        there = [known.code for known in languages.LANGUAGES.values() if known.iso1 in spoken]
        raise DataError(
            f"lang: {PACKAGE} has no speech with text in {lang.name} ({lang.code}); it has {', '.join(there)}"
        )
    own = clips[lang.iso1]
    stamps = sorted(set(texts) | {stamp for of_code in clips.values() for stamp in of_code})
    content = contents([stamp for stamp in stamps if not stamp.startswith(ALPHABETS)], texts, clips)
    speaker = f"tuxpaint_{lang.iso}"
    utterances: list[Utterance] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    for stamp in stamps:
        text = texts.get(stamp, {}).get(lang.iso1, "")
        utt = f"{speaker}-{stamp.replace('/', '_').replace(' ', '_')}"
        if stamp.startswith(ALPHABETS):
            left_out["alphabet"] += [utt] if stamp in own else []
        elif stamp in own and text:
            utterances.append(Utterance(utt, speaker, lang.code, text, own[stamp], content[stamp]))
        elif stamp in own:
            left_out["audio without text"].append(utt)
        elif text:
            left_out["text without audio"].append(utt)
    return Corpus(
        PACKAGE, utterances, dict(left_out), {"licence": "GPL-2", "speakers": "not named; counted as one"}
    )
