"""Small corpora in the true layouts of public ones, with tones for speech: what a user has after the
download.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import soundfile

WORDS = {
    "swh": "nyumba maji mtoto chakula ng'ombe leo",
    "tur": "ev su ışık İstanbul'da çocuk gözlük",
    "mar": "घर पाणी मुलगा झाड पक्षी क्षण",
    "quy": "wasi yaku wawa mikhuna ñan qam",
    "por": "casa água menino coração pão amanhã",
    "fin": "talo vesi yö älä lapsi ruokaa",
    "cmn": "房子 水 孩子 吃饭 图书馆 明天",
    "eng": "house water child Food don't tomorrow",
}
SETS = {"train": 8, "dev": 3, "test": 4}
_CV = (
    "client_id path sentence_id sentence sentence_domain up_votes down_votes age gender accents variant"
    " locale segment".split()
)
ACCENTS = ("Scottish English", "India and South Asia (India, Pakistan, Sri Lanka)", "")


def sentences(iso: str) -> list[str]:
    """Fifteen sentences with capitals and punctuation; Chinese ones without spaces."""
    words = WORDS[iso].split()
    chinese = iso == "cmn"
    return [f"{a}，{b}。" if chinese else f"{a.capitalize()}, {b}." for a, b in combinations(words, 2)]


def tone(path: Path, number: int, rate: int, dur_s: float = 1.2) -> int:
    """A tone that no other number has; its samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(dur_s * rate)) / rate
    soundfile.write(path, 0.2 * np.sin(2 * np.pi * (200 + 37 * number) * time), rate)
    return len(time)


def common_voice(folder: Path, iso: str, locale: str) -> Path:
    """``cv-corpus-…/LOCALE``: its tables, and mp3 at 32 kHz in clips/; each speaker is in one set."""
    rows = {name: [] for name in SETS}
    told = iter(enumerate(sentences(iso)))
    for name, count in SETS.items():
        for _ in range(count):
            number, sentence = next(told)
            clip = f"common_voice_{locale}_{30000000 + number}.mp3"
            tone(folder / "clips" / clip, number, 32000)
            speaker = f"{'abcdef'['train dev test'.split().index(name) * 2 + number % 2]:0<128}"
            rows[name].append(
                [
                    speaker,
                    clip,
                    f"{number:064x}",
                    sentence,
                    "",
                    "2",
                    "0",
                    "twenties",
                    "female_feminine",
                    ACCENTS[number % 3] if iso == "eng" else "",
                    "",
                    locale,
                    "",
                ]
            )
    for name, own in {**rows, "validated": sum(rows.values(), [])}.items():
        text = "".join("\t".join(row) + "\n" for row in [_CV, *own])
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8")
    return folder


def fleurs(folder: Path, iso: str) -> Path:
    """``LANG_REGION``: tables without a header, wav at 16 kHz in audio/SET; each sentence has a number of the
    parallel text.
    """
    told = iter(enumerate(sentences(iso)))
    for name, count in SETS.items():
        lines = []
        for _ in range(count):
            number, sentence = next(told)
            clip = f"{10**18 + number}.wav"
            samples = tone(folder / "audio" / name / clip, number + 50, 16000)
            plain = "".join(c for c in sentence.lower() if c not in ",.，。")
            spelt = " ".join("|" if c == " " else c for c in plain) + " |"
            lines.append(
                "\t".join([str(number + 1), clip, sentence, plain, spelt, str(samples), "FEMALE"]) + "\n"
            )
        (folder / f"{name}.tsv").write_text("".join(lines), encoding="utf-8")
    return folder
