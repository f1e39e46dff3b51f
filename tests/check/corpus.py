"""A corpus without faults: six speakers in train, two others in dev and in test, tones for letters, texts in
Romanian.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from xlt.formats.tables import spk2utt, write_table

RATE = 16000
WORDS = (
    "casa mare pisica neagră doarme câinele aleargă prin grădină copilul citește o carte veche luna răsare"
    " peste deal apa rece curge din munte fata vede două păsări țara noastră este frumoasă în zori joc bun"
    " șapte frați pleacă hora veselă"
).split()
SPEAKERS = {
    "train": ["ana", "bob", "cris", "dan", "ema", "fane"],
    "dev": ["gina", "horia"],
    "test": ["ion", "jeni"],
}
EACH = {"train": 6, "dev": 2, "test": 2}


def tone(text: str, rng: np.random.Generator) -> np.ndarray:
    """About 0.1 s a letter, another tone and its overtones for each, pauses at spaces, and a hiss; (N,) at 16
    kHz.
    """
    time = np.arange(round(0.1 * rng.uniform(0.9, 1.1) * RATE)) / RATE
    parts = [np.zeros(1600)]
    for char in text:
        pitch = 150 + 37 * (ord(char) % 41)
        voice = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 5))
        parts.append(0.1 * voice if char != " " else np.zeros(len(time)))
    whole = np.concatenate([*parts, np.zeros(1600)])
    return whole + 0.002 * rng.normal(size=len(whole))


def make(recipe: Path) -> Path:
    """Write recipe.yaml and data/{train,dev,test} with sound below ``recipe``, as stage 1 leaves them."""
    rng = np.random.default_rng(1)
    recipe.mkdir(parents=True)
    (recipe / "recipe.yaml").write_text("lang: ron_Latn\nfeatures: {upstream: fbank}\n", encoding="utf-8")
    wavs = recipe / "data/all/wav"
    wavs.mkdir(parents=True)
    deal = iter(lambda: list(rng.permutation(WORDS)), None)  # every word as often as every other
    pack = [word for _ in range(8) for word in next(deal)]
    for name, speakers in SPEAKERS.items():
        folder = recipe / "data" / name
        folder.mkdir()
        texts, raw, speaker, durs, hashes, audio = {}, {}, {}, {}, {}, {}
        for who in speakers:
            for i in range(EACH[name]):
                utt = f"{who}-{i}"
                text = " ".join(pack.pop() for _ in range(5))
                samples = tone(text, rng)
                soundfile.write(wavs / f"{utt}.wav", samples, RATE, subtype="PCM_16")
                texts[utt], raw[utt], speaker[utt] = text, f"{text.capitalize()}.", who
                durs[utt], hashes[utt], audio[utt] = (
                    f"{len(samples) / RATE:.4f}",
                    f"hash-of-{utt}",
                    f"data/all/wav/{utt}.wav",
                )
        tables = {
            "text": texts,
            "text_raw": raw,
            "utt2spk": speaker,
            "spk2utt": spk2utt(speaker),
            "utt2dur": durs,
            "utt2audio": hashes,
            "wav.scp": audio,
            "utt2lang": dict.fromkeys(texts, "ron_Latn"),
            "utt2content": {utt: utt for utt in texts},
            "utt2group": {utt: utt for utt in texts},
        }
        for table, rows in tables.items():
            write_table(folder / table, rows)
    return recipe
