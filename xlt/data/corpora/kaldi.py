"""A Kaldi data directory, or a folder with train/, dev/ and test/ that are ones; their split is then kept."""

from __future__ import annotations

from pathlib import Path

from xlt import languages
from xlt.config import Config
from xlt.data.corpora import Corpus, Utterance
from xlt.errors import DataError
from xlt.kaldi_io import read_table

SETS = {"train": "train", "dev": "dev", "valid": "dev", "test": "test"}


def read(cfg: Config) -> Corpus:
    """The utterances of ``data.dir``; those without text or without audio are left out and listed."""
    if cfg.data.dir is None:
        raise DataError("data.dir: not set; the reader kaldi needs the folder of a Kaldi data directory")
    root = Path(cfg.data.dir)
    if not root.is_dir():
        raise DataError(f"data.dir: {root}: no such folder; expected a Kaldi data directory")
    lang = languages.get(cfg.lang).code
    parts = {SETS[name]: root / name for name in SETS if (root / name / "wav.scp").exists()}
    if parts and set(parts) != {"train", "dev", "test"}:
        raise DataError(f"{root}: has {', '.join(sorted(parts))}, expected train, dev and test, or wav.scp right there")
    corpus = Corpus("kaldi", [], {"audio without text": [], "text without audio": []}, {"licence": "your own"})
    for name, folder in parts.items() or [(None, root)]:
        _read_dir(folder, name, lang, corpus)
    seen: set[str] = set()
    for utt in corpus.utterances:
        if utt.id in seen:
            raise DataError(f"{root}: utterance {utt.id!r} stands in two of train, dev and test; keep one")
        seen.add(utt.id)
    return corpus


def _read_dir(folder: Path, split: str | None, lang: str, corpus: Corpus) -> None:
    scp, text, utt2spk = (read_table(folder / name) for name in ("wav.scp", "text", "utt2spk"))
    audio = {}
    for number, (key, value) in enumerate(scp.items(), 1):
        if value.endswith("|"):
            raise DataError(f"{folder / 'wav.scp'}:{number}: {key!r} is a command (it ends in '|'); commands are not "
                            "run: write its output to a file and name that")
        audio[key] = Path(value) if Path(value).is_absolute() else _resolve(folder, value)
    segments = _segments(folder, audio) if (folder / "segments").exists() else {key: (key, None, None) for key in audio}
    corpus.left_out["audio without text"] += [utt for utt in segments if utt not in text]
    corpus.left_out["text without audio"] += [utt for utt in text if utt not in segments]
    for utt, (recording, start_s, end_s) in segments.items():
        if utt not in text:
            continue
        if utt not in utt2spk:
            raise DataError(f"{folder / 'utt2spk'}: utterance {utt!r} of text is missing; give each a speaker")
        speaker = utt2spk[utt]
        name = utt if utt.startswith(speaker) else f"{speaker}-{utt}"  # Kaldi sorts by speaker only if ids start so
        corpus.utterances.append(
            Utterance(name, speaker, lang, text[utt], audio[recording], name, start_s, end_s, split))


def _resolve(folder: Path, value: str) -> Path:
    """A relative path counts from where Kaldi was run; tried are here, the folder, and the folders above it."""
    for base in (Path("."), folder, *folder.absolute().parents):
        if (base / value).exists():
            return base / value
    return folder / value


def _segments(folder: Path, audio: dict[str, Path]) -> dict[str, tuple[str, float, float]]:
    found = {}
    path = folder / "segments"
    for number, (utt, value) in enumerate(read_table(path).items(), 1):
        try:
            recording, start, end = value.split()
            start_s, end_s = float(start), float(end)
        except ValueError:
            raise DataError(f"{path}:{number}: found {value!r}, expected RECORDING START END (seconds)") from None
        if recording not in audio:
            raise DataError(f"{path}:{number}: recording {recording!r} is not in wav.scp")
        if not 0 <= start_s < end_s:
            raise DataError(f"{path}:{number}: found {start}–{end} s, expected 0 <= start < end")
        found[utt] = (recording, start_s, end_s)
    return found
