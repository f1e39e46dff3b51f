"""Voices in festvox's layout, such as CMU Arctic's: one speaker reads sentences. ``etc/txt.done.data`` has a
entry ``( ID "TEXT" )`` for each ``wav/ID.wav``; some voices call the file otherwise (:data:`NAMES`).

Without data.dir, Debian's voice of the language is fetched: festvox-ru, 99 minutes of Russian.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.archive import corpus_place, listing
from xlt.data.corpora.debian import package_folder
from xlt.data.corpora.names import clean, speaker_ids
from xlt.data.corpora.rows import How, decoded_as
from xlt.text import encodings, languages

PROMPTS = "etc/txt.done.data"
NAMES = (PROMPTS, "etc/utts.data", "etc/utt.data", "etc/txt.data")  # the first that is there is read
PACKAGES = {"rus_Cyrl": "festvox-ru"}  # voices of Debian that come with their recordings
_ENDINGS = tuple(f"/{name}" for name in NAMES)
_EXPECTED = f"a voice in festvox's layout ({PROMPTS} and wav/), or a folder or archive of several"
_ENTRY = re.compile(r'\(\s*([^\s()"]+)\s+"((?:[^"\\]|\\.)*)"\s*\)', re.DOTALL)
_BETWEEN = re.compile(r"(\s+|;[^\n]*)*")  # entries
_STRESS = re.compile(r"\+(?=[^\W\d_])")  # Festival reads вол+ос with stress on the letter behind the sign


def recognise(place: Path) -> bool:
    """Whether ``place`` has ``etc/txt.done.data`` and ``wav/``, itself or in its folders."""
    return any(f"/{name}".endswith(_ENDINGS) for name in listing(place))


def _is_wanted(name: str) -> bool:
    return name.endswith(_ENDINGS) or name.lower().endswith(".wav")


def _source(cfg: Config) -> Path:
    package = PACKAGES.get(str(cfg.lang))
    if cfg.data.dir and not cfg.data.dir.endswith(".deb"):
        return corpus_place(cfg, _EXPECTED)
    if not package and not (cfg.data.dir or cfg.data.archive):
        raise DataError(
            f"lang={cfg.lang}: there is no package with a voice and its recordings for it, only for "
            f"{', '.join(PACKAGES)}; name the voice's folder in data.dir"
        )
    return package_folder(cfg, package or "festvox-*", _is_wanted, f"{PROMPTS} and wav/")


def prompts(path: Path, how: How | None = None) -> dict[str, str]:
    """``{id: text}`` of a file of prompts, without stress signs; DataError for what has another form."""
    text, _, told = decoded_as(path, how or How())
    if told:
        say(f"  {told}")
    found: dict[str, str] = {}
    for number, name, said in _entries(path, text):
        if name in found:
            raise DataError(f"{path}:{number}: duplicate id {name!r}; remove one of the two entries")
        plain = re.sub(r"\\(.)", r"\1", said, flags=re.DOTALL)
        found[name] = _STRESS.sub("", " ".join(plain.split()))
    return found


def _entries(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """Line, from 1, id and string of each entry; Festival lets one have several lines, and several one."""
    at = 0
    while True:
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at
        if at == len(text):
            return
        number = text.count("\n", 0, at) + 1
        hit = _ENTRY.match(text, at)
        if not hit:
            line = text[at:].partition("\n")[0].strip()
            raise DataError(f'{path}:{number}: found {line[:80]!r}, expected ( ID "TEXT" ); correct the line')
        yield number, hit[1], hit[2]
        at = hit.end()


def read(cfg: Config) -> Corpus:
    """All voices of the folder; a voice is a speaker, called like its folder, with those above where two are
    called alike.
    """
    lang = languages.get(cfg.lang)
    encodings.check_name(cfg.data.encoding)
    root = _source(cfg)
    voices: dict[Path, Path] = {}  # folder → its prompts
    for name in NAMES:
        for path in sorted(root.rglob(name)):
            voices.setdefault(path.parent.parent, path)
    if not voices:
        raise DataError(f"{root}: no {PROMPTS} there; expected {_EXPECTED}")
    corpus = Corpus("festvox", [], {"text without audio": [], "audio without text": []})
    several = Counter(voice.name for voice in voices)
    names = {
        voice: voice.name if several[voice.name] == 1 else voice.relative_to(root).as_posix()
        for voice in sorted(voices)
    }
    speakers = speaker_ids(names.values())
    how = How(lang.code, cfg.data.encoding)
    for voice, name in names.items():
        _read_voice(voice, prompts(voices[voice], how), speakers[name], lang.code, corpus)
    return corpus


def _read_voice(voice: Path, texts: dict[str, str], speaker: str, lang: str, corpus: Corpus) -> None:
    files = (voice / "wav").iterdir() if (voice / "wav").is_dir() else ()
    wavs = {path.stem: path for path in sorted(files) if path.suffix.lower() == ".wav"}
    for name, text in texts.items():
        utt = f"{speaker}-{clean(name)}"
        if name in wavs:
            corpus.utterances.append(Utterance(utt, speaker, lang, text, wavs[name], utt))
        else:
            corpus.left_out["text without audio"].append(utt)
    corpus.left_out["audio without text"] += [
        f"{speaker}-{clean(name)}" for name in wavs if name not in texts
    ]
