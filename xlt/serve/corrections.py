"""Corrected pieces that people have agreed to give: a Kaldi directory of each language in the folder of
``--corrections``.

A clip comes as the page cuts it, 16-kHz mono WAV of 16 bits, so that nothing is decoded here. The table
``text`` is written last and cleared first: what is not in it does not count, and is removed at the next
start.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import hmac
import io
import re
import secrets
import threading
import unicodedata
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import ConfigError
from xlt.core.files import atomic_text
from xlt.core.locks import hold
from xlt.data.clips import write_wav
from xlt.formats.tables import as_table, read_table, spk2utt
from xlt.serve.problems import Problem

LONGEST_S, SHORTEST_S = 35.0, 0.1  # of a clip: more than the longest piece that is recognised
CHARACTERS = 2000  # of a text, at most
CLIP_BYTES = round(2 * SAMPLE_RATE * LONGEST_S) + 4096
_TABLES = ("utt2spk", "spk2utt", "utt2lang", "utt2consent", "wav.scp", "text")  # in this order: text is last
_ID = re.compile(r"[0-9a-f]{32}")
_BEFORE = "correction-"


@dataclass
class _Language:
    """The rows of one Kaldi directory: ``{utterance: text, time of consent}``."""

    folder: Path
    texts: dict[str, str] = field(default_factory=dict)
    consents: dict[str, str] = field(default_factory=dict)


class Corrections:
    """Those in ``folder``, for the languages of a bundle, as long as they take fewer than ``megabytes``.
    ConfigError if the folder cannot be written, or another server has it. Threads may share it.
    """

    def __init__(self, folder: Path, languages: Sequence[str], megabytes: float):
        self.folder, self.megabytes = folder, megabytes
        self._guard = threading.Lock()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._handle: IO[str] = (folder / ".lock").open("w")
            self._key = self._secret()
        except OSError as err:
            raise ConfigError(
                f"--corrections {folder}: cannot be written ({err.strerror}); name another folder"
            ) from None
        if not hold(self._handle):
            self._handle.close()
            raise ConfigError(f"--corrections {folder}: another server stores there; name another folder")
        self._languages = {lang: self._read(lang) for lang in languages}
        self.bytes = sum(path.stat().st_size for path in folder.glob("*/wav/*.wav"))

    def close(self) -> None:
        """Let another server have the folder."""
        self._handle.close()

    def _secret(self) -> bytes:
        """Part of each id, so that nobody can tell it from a clip."""
        path = self.folder / ".key"
        if not path.exists():
            path.touch(mode=0o600)
            atomic_text(path, secrets.token_hex(32))
            path.chmod(0o600)
        return path.read_bytes()

    def _read(self, lang: str) -> _Language:
        own = _Language(self.folder / lang)
        (own.folder / "wav").mkdir(mode=0o700, parents=True, exist_ok=True)
        if (own.folder / "text").exists():
            own.texts = read_table(own.folder / "text")
            consents = read_table(own.folder / "utt2consent")
            own.consents = {utt: consents.get(utt, "unknown") for utt in own.texts}
            _write(own)
        for path in (own.folder / "wav").iterdir():  # of a killed server
            if path.stem not in own.texts or path.suffix != ".wav":
                path.unlink()
        return own

    def add(self, lang: str, sound: bytes, text: str) -> str:
        """Store a clip, the bytes of a WAV file, and its ``text``; the id by which it can be removed. A clip
        that is there gets the new text. Problem (400, 507) for what cannot be stored.
        """
        frames, said = _frames(sound), _text(text)
        name = hmac.new(self._key, f"{lang} ".encode() + frames, hashlib.sha256).hexdigest()[:32]
        own, utt = self._languages[lang], _BEFORE + name
        with self._guard:
            wav = own.folder / "wav" / f"{utt}.wav"
            if utt not in own.texts and self.bytes + len(frames) > 1e6 * self.megabytes:
                raise _full(f"has {self.megabytes:g} MB of corrections, the most that it stores")
            before = own.texts.get(utt), own.consents.get(utt)
            own.texts[utt] = said
            own.consents[utt] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            try:
                if not wav.exists():
                    write_wav(wav, np.frombuffer(frames, "<i2"))
                    self.bytes += len(frames)
                _write(own)
            except OSError as err:
                for table, value in zip((own.texts, own.consents), before, strict=True):
                    if value is None:
                        del table[utt]
                    else:
                        table[utt] = value
                raise _full(f"cannot write it ({err.strerror})") from None
        return name

    def remove(self, name: str) -> None:
        """Delete the clip and the text with this id; Problem (404) if there is none."""
        utt = _BEFORE + name
        with self._guard:
            found = [own for own in self._languages.values() if utt in own.texts]
            if not _ID.fullmatch(name) or not found:
                raise Problem(
                    404,
                    "id: there is no such correction; it may be deleted already: compare the id with the one"
                    " that storing it gave",
                    "correction_not_found",
                    "id",
                )
            for own in found:
                del own.texts[utt], own.consents[utt]
                atomic_text(own.folder / "text", as_table(own.texts))
                wav = own.folder / "wav" / f"{utt}.wav"
                self.bytes -= wav.stat().st_size if wav.exists() else 0
                wav.unlink(missing_ok=True)
                _write(own)


def _full(why: str) -> Problem:
    return Problem(
        507,
        f"file: not stored, this server {why}; ask its owner to make room, or to raise --corrections_mb",
        "corrections_full",
        "file",
    )


def _write(own: _Language) -> None:
    voices = {utt: utt for utt in own.texts}  # nobody says who speaks
    tables = {
        "text": own.texts,
        "utt2spk": voices,
        "spk2utt": spk2utt(voices),
        "utt2lang": dict.fromkeys(own.texts, own.folder.name),
        "utt2consent": own.consents,
        "wav.scp": {utt: f"wav/{utt}.wav" for utt in own.texts},
    }
    for name in _TABLES:
        atomic_text(own.folder / name, as_table(tables[name]))


def _frames(sound: bytes) -> bytes:
    """The samples of a clip; Problem (400) for any other form."""
    expected = f"a WAV file of {SAMPLE_RATE} Hz, one channel, 16 bits, as the page sends it"
    form, frames = (0, 0, 0), b""
    damaged = contextlib.suppress(wave.Error, EOFError, RuntimeError)  # the last: a chunk that is too long
    with damaged, wave.open(io.BytesIO(sound)) as clip:
        form = clip.getnchannels(), clip.getsampwidth(), clip.getframerate()
        frames = clip.readframes(CLIP_BYTES)
    if form != (1, 2, SAMPLE_RATE):
        raise Problem(400, f"file: expected {expected}", "invalid_clip", "file")
    seconds = len(frames) / 2 / SAMPLE_RATE
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise Problem(
            400,
            f"file: {seconds:.1f} s of sound; a piece has between {SHORTEST_S:g} and {LONGEST_S:g} s",
            "invalid_clip",
            "file",
        )
    return frames


def _text(text: str) -> str:
    """One line, as Kaldi's table has it; Problem (400) for one that says nothing or cannot be stored."""
    said = unicodedata.normalize("NFC", " ".join(text.split()))
    if not said:
        raise Problem(400, "text: is empty; write what is said in the piece", "invalid_text", "text")
    if len(said) > CHARACTERS:
        raise Problem(
            400, f"text: {len(said)} characters; at most {CHARACTERS} fit a piece", "invalid_text", "text"
        )
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in said):
        raise Problem(400, "text: has control characters; take them out", "invalid_text", "text")
    return said
