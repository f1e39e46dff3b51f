"""Voices in festvox's layout, such as CMU Arctic's: one speaker reads sentences. ``etc/txt.done.data`` has a
line ``( ID "TEXT" )`` for each ``wav/ID.wav``.

Without data.dir, Debian's voice of the language is fetched: festvox-ru, 99 minutes of Russian.
"""

from __future__ import annotations

import re
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.archive import corpus_place, listing
from xlt.data.corpora.debian import package_folder
from xlt.data.corpora.names import clean, speaker_ids
from xlt.data.corpora.rows import decoded
from xlt.text import languages

PROMPTS = "etc/txt.done.data"
PACKAGES = {"rus_Cyrl": "festvox-ru"}  # voices of Debian that come with their recordings
_EXPECTED = f"a voice in festvox's layout ({PROMPTS} and wav/), or a folder or archive of several"
_LINE = re.compile(r'\(\s*(\S+)\s+"((?:[^"\\]|\\.)*)"\s*\)')
_STRESS = re.compile(r"\+(?=[^\W\d_])")  # Festival reads вол+ос with stress on the letter behind the sign


def recognise(place: Path) -> bool:
    """Whether ``place`` has ``etc/txt.done.data`` and ``wav/``, itself or in its folders."""
    return any(name == PROMPTS or name.endswith(f"/{PROMPTS}") for name in listing(place))


def _is_wanted(name: str) -> bool:
    return name.endswith((f"/{PROMPTS}", ".wav"))


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


def prompts(path: Path) -> dict[str, str]:
    """``{id: text}`` of ``txt.done.data``, without stress signs; DataError for a line of another form."""
    found: dict[str, str] = {}
    for number, line in enumerate(decoded(path)[0].splitlines(), 1):
        if not line.strip() or line.lstrip().startswith(";"):
            continue
        hit = _LINE.fullmatch(line.strip())
        if not hit:
            raise DataError(f'{path}:{number}: found {line[:80]!r}, expected ( ID "TEXT" ); correct the line')
        if hit[1] in found:
            raise DataError(f"{path}:{number}: duplicate id {hit[1]!r}; remove one of the two lines")
        found[hit[1]] = _STRESS.sub("", re.sub(r"\\(.)", r"\1", hit[2]))
    return found


def read(cfg: Config) -> Corpus:
    """All voices of the folder; a voice is a speaker, called like its folder."""
    lang = languages.get(cfg.lang)
    root = _source(cfg)
    voices = [path.parent.parent for path in sorted(root.rglob(PROMPTS))]
    if not voices:
        raise DataError(f"{root}: no {PROMPTS} there; expected {_EXPECTED}")
    corpus = Corpus("festvox", [], {"text without audio": [], "audio without text": []})
    speakers = speaker_ids(voice.name for voice in voices)
    for voice in voices:
        _read_voice(voice, speakers[voice.name], lang.code, corpus)
    return corpus


def _read_voice(voice: Path, speaker: str, lang: str, corpus: Corpus) -> None:
    texts = prompts(voice / PROMPTS)
    wavs = {path.stem: path for path in sorted((voice / "wav").glob("*.wav"))}
    for name, text in texts.items():
        utt = f"{speaker}-{clean(name)}"
        if name in wavs:
            corpus.utterances.append(Utterance(utt, speaker, lang, text, wavs[name], utt))
        else:
            corpus.left_out["text without audio"].append(utt)
    corpus.left_out["audio without text"] += [
        f"{speaker}-{clean(name)}" for name in wavs if name not in texts
    ]
