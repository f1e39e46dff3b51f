"""A corpus as people bring it: Czech clips of a game, a CP1250 spreadsheet, private notes, and planted faults.

usage: python -m tests.bench.messy_corpus make FOLDER      # FOLDER/corpus and FOLDER/planted.json
       python -m tests.bench.messy_corpus judge FOLDER RECIPE   # which of them stages 1, 2 and check.align found

The recordings are those of Debian's fillets-ng-data-cs (GPL-2), which the reader fillets fetches. The same clips
and faults each time.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import struct
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile

from xlt.core.config import ROOT, load
from xlt.core.registry import READERS
from xlt.data.corpora import Utterance
from xlt.formats.tables import read_table

CLIPS, MAIN = 531, ("small", "big")  # as many clips; the two voices with most of the speech
OTHERS = 60  # clips of other voices among them
TABLE, NOTE = "prepis.csv", "SOUKROME"  # every private note begins with it
HEAD = ["Soubor", "Přepis", "Mluvčí", "Začátek", "Konec", "Poznámka"]
RATE = 22050
WRONG_TEXTS = 19


class Corpus:
    """The folder on its way. ``rows``: file, text, speaker, start and end of each clip; ``planted``:
    ``{kind: names of files}`` of what is wrong."""

    def __init__(self, folder: Path, clips: list[Utterance], rng: random.Random):
        self.folder, self.rng = folder, rng
        self.sounds = folder / "nahravky"
        self.sounds.mkdir(parents=True)
        self.rows: list[list[str]] = []
        self.planted: dict[str, list[str]] = defaultdict(list)
        for number, clip in enumerate(clips):
            name = f"{clip.speaker.split('_')[-1]}_{number:04}.ogg"
            shutil.copyfile(clip.audio, self.sounds / name)
            self.rows.append([f"nahravky/{name}", clip.text, clip.speaker.split("_")[-1], "", ""])
        order = list(range(len(self.rows)))
        rng.shuffle(order)
        self._free = order  # rows without a fault so far

    def take(self, kind: str, count: int, longest: int = 10_000, shortest: int = 0) -> list[list[str]]:
        """So many rows that are right until now, whose text has so many characters, noted as ``kind``."""
        chosen = [n for n in self._free if shortest <= len(self.rows[n][1]) <= longest][:count]
        self._free = [n for n in self._free if n not in chosen]
        self.planted[kind] += [self.rows[n][0] for n in chosen]
        return [self.rows[n] for n in chosen]

    def wave(self, row: list[str]) -> np.ndarray:
        """The samples (N,) of a row's file, mono."""
        wave, rate = soundfile.read(self.folder / row[0], dtype="float32", always_2d=True)
        assert rate == RATE, row[0]
        return wave.mean(axis=1)

    def write(self, kind: str, row: list[str], wave: np.ndarray, name: str | None = None) -> Path:
        """Put a wav file in the place of a row's file."""
        old = self.folder / row[0]
        path = self.sounds / f"{name or old.stem}.wav"
        soundfile.write(path, wave, RATE, subtype="PCM_16")
        if name is None:
            old.unlink()
        self._rename(kind, row, path)
        return path

    def _rename(self, kind: str, row: list[str], path: Path) -> None:
        new = f"nahravky/{path.name}"
        self.planted[kind] = [new if name == row[0] else name for name in self.planted[kind]]
        row[0] = new

    def save(self) -> None:
        """Write the spreadsheet, with a private note beside every third clip."""
        with (self.folder / TABLE).open("w", encoding="cp1250", newline="") as file:
            table = csv.writer(file, delimiter=";")
            table.writerow(HEAD)
            for number, row in enumerate(self.rows):
                note = f"{NOTE} {number}: zavolat, tel. 60{number:07}" if number % 3 == 0 else ""
                table.writerow([*row, note])


def plant(corpus: Corpus) -> None:
    """Every kind of fault of texts, files and sound."""
    _texts(corpus)
    _files(corpus)
    _sounds(corpus)


def _texts(corpus: Corpus) -> None:
    wrong = corpus.take("wrong text", WRONG_TEXTS, shortest=20, longest=70)
    texts = [row[1] for row in wrong]
    for row, text in zip(wrong, texts[1:] + texts[:1], strict=True):
        row[1] = text
    for number, row in enumerate(corpus.take("digits", 5, shortest=15)):
        row[1] += f" {number + 3}"
    for row in corpus.take("empty text", 2):
        row[1] = ""
    for row in corpus.take("remark in brackets", 5, shortest=15):
        row[1] += " (smích)"
    for mark in "'’´":
        for row in corpus.take("apostrophes", 4, shortest=15):
            words = row[1].split()
            words[0] = f"{words[0].strip('.,!?…')[:2]}{mark}{words[0].strip('.,!?…')[2:] or 'm'}"
            row[1] = " ".join(words)
    for row in corpus.take("digit for a letter", 3, shortest=15):
        place = max(row[1].find("o", 1), 1)
        row[1] = f"{row[1][:place]}0{row[1][place + 1 :]}"
    for row in _accented(corpus, "mojibake", 4):
        row[1] = row[1].encode("utf-8").decode("cp1250", "replace").replace("\ufffd", "?")
    for row in corpus.take("text of two clips", 3, longest=25):
        row[1] = " ".join([row[1]] * 9)


def _accented(corpus: Corpus, kind: str, count: int) -> list[list[str]]:
    """Rows whose letters stay what they are when UTF-8 is read as CP1250, so that the table can hold them."""
    found = []
    for row in corpus.take(kind, 60, shortest=15, longest=60):
        broken = row[1].encode("utf-8").decode("cp1250", "replace")
        if len(found) < count and "\ufffd" not in broken and broken != row[1]:
            found.append(row)
    corpus.planted[kind] = [row[0] for row in found]
    return found


def _files(corpus: Corpus) -> None:
    for row in corpus.take("no such file", 3):
        (corpus.folder / row[0]).unlink()
    for row in corpus.take("misspelt path", 3):
        old = row[0]
        row[0] = old.replace("nahravky/", "nahravky/x")
        corpus.planted["misspelt path"] = [row[0] if n == old else n for n in corpus.planted["misspelt path"]]
    for row in corpus.take("file without a row", 4):
        corpus.rows.remove(row)
        corpus._free = [n for n in corpus._free if n < len(corpus.rows)]
    for row in corpus.take("cut short", 3, shortest=20):
        path = corpus.write("cut short", row, corpus.wave(row))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for row in corpus.take("length 0 in the header", 3):
        path = corpus.write("length 0 in the header", row, corpus.wave(row))
        data = bytearray(path.read_bytes())
        data[40:44] = struct.pack("<I", 0)  # of the chunk "data", behind the format
        path.write_bytes(data)
    for row in corpus.take("damaged file", 2):
        (corpus.folder / row[0]).write_bytes(b"\0" * 4000)


def _sounds(corpus: Corpus) -> None:
    for row in corpus.take("duplicate", 3):
        path = corpus.write("duplicate", row, corpus.wave(row))
        other = corpus.sounds / f"kopie_{path.name}"
        shutil.copyfile(path, other)
        corpus.rows.append([f"nahravky/{other.name}", *row[1:]])
    for row in corpus.take("clip with two texts", 2, shortest=15):
        path, copy = corpus.write("clip with two texts", row, corpus.wave(row)), list(row)
        other = corpus.sounds / f"jiny_{path.name}"
        shutil.copyfile(path, other)
        copy[0], copy[1] = f"nahravky/{other.name}", "něco úplně jiného"
        corpus.rows.append(copy)
        corpus.planted["clip with two texts"].append(copy[0])
    for row in corpus.take("clipping", 4):
        corpus.write("clipping", row, np.clip(30 * corpus.wave(row), -1, 1))
    for row in corpus.take("too quiet", 3):
        corpus.write("too quiet", row, corpus.wave(row) * 2e-3)
    for row in corpus.take("silence", 2):
        corpus.write("silence", row, np.zeros_like(corpus.wave(row)))
    noise = np.random.default_rng(0)
    for row in corpus.take("speech in one channel", 3):
        wave = corpus.wave(row)
        hum = noise.normal(size=wave.shape).astype(np.float32) * 0.05
        corpus.write("speech in one channel", row, np.stack([hum, wave], axis=1))
    for row in corpus.take("channels that cancel", 2):
        wave = corpus.wave(row)
        corpus.write("channels that cancel", row, np.stack([wave, -wave], axis=1))
    _overlaps(corpus)


def _overlaps(corpus: Corpus) -> None:
    """One recording of four clips, whose rows overlap by a second."""
    kind = "overlapping spans"
    rows = corpus.take(kind, 4, shortest=20)
    waves, at = [corpus.wave(row) for row in rows], 0.0
    long = corpus.sounds / "rozhovor.wav"
    soundfile.write(long, np.concatenate(waves), RATE, subtype="PCM_16")
    for row, wave in zip(rows, waves, strict=True):
        (corpus.folder / row[0]).unlink()
        row[0], row[3], row[4] = (
            "nahravky/rozhovor.wav",
            f"{max(0.0, at - 1):.2f}",
            f"{at + len(wave) / RATE:.2f}",
        )
        at += len(wave) / RATE
    corpus.planted[kind] = ["nahravky/rozhovor.wav"]


def clips_of_the_game() -> list[Utterance]:
    """Clips that the table can hold: of the two fish, and some of the others."""
    corpus = READERS.get("fillets")(load(ROOT / "egs/ces"))
    fine = []
    for clip in sorted(corpus.utterances, key=lambda clip: clip.id):
        try:
            clip.text.encode("cp1250")
        except UnicodeEncodeError:
            continue
        if (
            soundfile.info(clip.audio).samplerate == RATE
            and len(clip.text) > 8
            and not any(map(str.isdigit, clip.text))
        ):
            fine.append(clip)
    rng = random.Random(0)
    rng.shuffle(fine)
    main = [clip for clip in fine if clip.speaker.split("_")[-1] in MAIN]
    others = [clip for clip in fine if clip.speaker.split("_")[-1] not in MAIN][:OTHERS]
    return others + main[: CLIPS - len(others)]


def make(folder: Path) -> None:
    corpus = Corpus(folder / "corpus", clips_of_the_game(), random.Random(1))
    plant(corpus)
    corpus.save()
    (folder / "planted.json").write_text(
        json.dumps(corpus.planted, indent=1, ensure_ascii=False), encoding="utf-8"
    )
    print(
        f"{len(corpus.rows)} rows, planted: {', '.join(f'{kind} {len(own)}' for kind, own in corpus.planted.items())}"
    )


FOUND_BY = {  # kind → reasons of stage 1 and rules of stage 2 that name it
    "wrong text": ("alignment", "odd_pace", "too fast", "too slow"),
    "digits": ("digits",),
    "digit for a letter": ("digits", "look_alikes"),
    "empty text": ("audio without text", "empty text"),
    "remark in brackets": ("bracketed",),
    "apostrophes": ("folded",),
    "mojibake": ("misread_encoding",),
    "text of two clips": ("too fast",),
    "no such file": ("text without audio",),
    "misspelt path": ("text without audio",),
    "file without a row": ("sound without a row",),
    "cut short": ("cut short",),
    "length 0 in the header": ("header",),
    "damaged file": ("unreadable",),
    "duplicate": ("duplicate",),
    "clip with two texts": ("one clip, several texts",),
    "clipping": ("clipped_audio",),
    "too quiet": ("low_level",),
    "silence": ("silent_audio",),
    "speech in one channel": ("several_channels",),
    "channels that cancel": ("several_channels",),
    "overlapping spans": ("overlapping_speech",),
}
OF_SETS = {
    "shared_speakers",
    "near_texts",
    "small_sets",
    "unseen_characters",
    "one_voice",
}  # no clip is at fault


def told(recipe: Path) -> dict[str, set[str]]:
    """``{file: reasons and rules}`` of all that the stages say of single clips; notes only of channels."""
    report = json.loads((recipe / "data/all/report.json").read_text(encoding="utf-8"))
    checked = json.loads((recipe / "data/check/report.json").read_text(encoding="utf-8"))
    rows = {**report["rows"], **read_table(recipe / "data/all/utt2row")}
    said: dict[str, set[str]] = defaultdict(set)
    for reason, utts in report["left_out"].items():
        for utt in utts:
            said[rows.get(utt, utt)].add(reason)
    for utt in report["headers"]:
        said[rows[utt]].add("header")
    for fault in checked["faults"]:
        if fault["severity"] != "note" or fault["rule"] == "several_channels":
            for row in {*fault["rows"], *(rows[utt] for utt in fault["ids"] if utt in rows)}:
                said[row].add(fault["rule"])
    for path in (recipe / "data/check/drop.txt", recipe / "drop.txt"):  # proposed, and taken up by the user
        for utt, why in (read_table(path) if path.exists() else {}).items():
            said[rows.get(utt, utt)].add("silent_audio" if "silence" in why else "alignment")
    texts = "".join(read_table(recipe / "data/all/text").values())
    if not set(texts) & set("’´`ʼʻ"):
        for row in rows.values():
            said[row].add("folded")
    return said


def judge(folder: Path, recipe: Path) -> None:
    """Print what was found of each kind, what was said of other clips, and where private notes are."""
    planted = json.loads((folder / "planted.json").read_text(encoding="utf-8"))
    with (folder / "corpus" / TABLE).open(encoding="cp1250", newline="") as file:
        files = {f"{TABLE}:{n}": row[0] for n, row in enumerate(csv.reader(file, delimiter=";"), 1)}
    counts: dict[str, int] = defaultdict(int)  # of rules that name some of the texts, and count the others
    for fault in json.loads((recipe / "data/check/report.json").read_text(encoding="utf-8"))["faults"]:
        if fault["rule"] in ("bracketed", "misread_encoding"):
            counts[fault["rule"]] += fault["values"]["count"]
    said: dict[str, set[str]] = defaultdict(set)
    for row, words in told(recipe).items():
        said[files.get(row, row)] |= words
    right = total = 0
    for kind, names in planted.items():
        hits = [name for name in names if said[name] & set(FOUND_BY[kind])]
        if kind == "duplicate":  # either of two is left out
            hits += [n for n in names if n not in hits and "duplicate" in said[n.replace("/", "/kopie_")]]
        found = max(len(hits), min(len(names), counts[FOUND_BY[kind][0]]))
        right, total = right + found, total + len(names)
        missed = ", ".join(name for name in names if name not in hits) if found < len(names) else ""
        print(f"{kind:24} {found:3} of {len(names):3}{'  not: ' + missed if missed else ''}")
    print(f"{'all':24} {right:3} of {total:3}")
    known = {name for names in planted.values() for name in names}
    known |= {name.replace("nahravky/x", "nahravky/") for name in planted["misspelt path"]}
    known |= {name.replace("/", "/kopie_") for name in planted["duplicate"]}
    for name in sorted(said.keys() - known):
        if others := said[name] - OF_SETS - {"folded"}:
            print(f"not planted: {name}: {', '.join(sorted(others))}")
    places = [path for path in recipe.rglob("*") if path.is_file() and NOTE.encode() in path.read_bytes()]
    print(f"private notes in: {', '.join(map(str, places)) or 'nothing'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["make", "judge"])
    parser.add_argument("folder", type=Path, help="where the corpus is")
    parser.add_argument("recipe", type=Path, nargs="?", help="judge: the recipe that was made of it")
    args = parser.parse_args()
    if args.what == "make":
        make(args.folder)
    elif args.recipe is None:
        parser.error("judge: name the recipe, too")
    else:
        judge(args.folder, args.recipe)
