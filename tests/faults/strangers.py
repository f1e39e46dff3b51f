"""What strangers give: small whole corpora of each kind, how each is damaged, and how xlt opens it."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import io
import json
import lzma
import random
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from tests.audio.media_files import encoded, noise
from tests.faults.mutate import damaged, damaged_json_lines, damaged_text
from xlt.core.config import Config, load

Files = dict[str, bytes]
_RATE = 8000
TEXTS = ("un urs", "o pisică", "trei mere", "luna plină")


@dataclass(frozen=True)
class Kind:
    """``files(rng)``: whole files; ``damage``: what is done to those of which ``hit`` says the ending;
    ``open(folder)``: what xlt does with a folder of them; ``weight``: its share of the cases, 0 for none.
    """

    files: Callable[[random.Random], Files]
    damage: Callable[[bytes, random.Random], bytes]
    hit: tuple[str, ...]
    open: Callable[[Path], object]
    weight: int = 1

    def make(self, folder: Path, rng: random.Random) -> None:
        """Write the files into ``folder``, one of them damaged."""
        files = self.files(rng)
        name = rng.choice(sorted(name for name in files if name.endswith(self.hit)))
        files[name] = self.damage(files[name], rng)
        for inside, data in files.items():
            path = folder / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def sound(number: int, form: str = "wav", dur_s: float = 2.0) -> bytes:
    """A tone, its pitch by ``number``."""
    time = np.arange(round(dur_s * _RATE)) / _RATE
    out = io.BytesIO()
    soundfile.write(out, 0.3 * np.sin(2 * np.pi * (200 + 40 * number) * time), _RATE, format=form)
    return out.getvalue()


_SOUNDS = {form: sound(1, form, 0.5) for form in ("wav", "flac", "ogg", "mp3", "aiff", "w64")}
_MEDIA = {  # of FFmpeg: ending → codec, container
    "m4a": ("aac", "ipod"),
    "mkv": ("flac", "matroska"),
    "wma": ("wmav2", "asf"),
    "aac": ("aac", "adts"),
    "avi": ("mp3", "avi"),
    "caf": ("alac", "caf"),
}
_SOUNDS |= {ending: encoded(codec, form, noise(dur_s=0.5)) for ending, (codec, form) in _MEDIA.items()}
CLIPS = {f"{name}.wav": sound(number) for number, name in enumerate("abcd")}


def lines_of(*rows: str) -> bytes:
    return ("\n".join(rows) + "\n").encode()


def _table(rng: random.Random) -> Files:
    form = rng.choice(("csv", "tsv", "jsonl"))
    names = ["path", "text", "speaker", "start", "end", "accent", "id"]
    rows = [
        [f"{c}.wav", t, f"s{i % 2}", "0", "0.9", "xy"[i % 2], f"u{i}"]
        for i, (c, t) in enumerate(zip("abcd", TEXTS, strict=True))
    ]
    if form == "jsonl":
        lines = [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows]
    else:
        between = {"csv": ",", "tsv": "\t"}[form]
        lines = [between.join(row) for row in [names, *rows]]
    return {**CLIPS, f"t.{form}": lines_of(*lines)}


def _damaged_table(data: bytes, rng: random.Random) -> bytes:
    return damaged_json_lines(data, rng) if data.startswith(b"{") else damaged_text(data, rng)


def _lhotse(rng: random.Random) -> Files:
    recordings, supervisions = [], []
    for number, (name, text) in enumerate(zip("abcd", TEXTS, strict=True)):
        source = {"type": "file", "channels": [0], "source": f"{name}.wav"}
        recordings.append(
            {
                "id": name,
                "sources": [source],
                "sampling_rate": _RATE,
                "num_samples": 16000,
                "duration": 2.0,
                "channel_ids": [0],
            }
        )
        supervisions.append(
            {
                "id": f"s-{name}",
                "recording_id": name,
                "start": 0.1,
                "duration": 0.8,
                "channel": 0,
                "text": text,
                "language": "Romanian",
                "speaker": f"s{number % 2}",
            }
        )
    packed = rng.random() < 0.5
    files = dict(CLIPS)
    for kind, rows in (("recordings", recordings), ("supervisions", supervisions)):
        data = lines_of(*map(json.dumps, rows))
        files[f"x_{kind}_all.jsonl" + ".gz" * packed] = gzipped(data) if packed else data
    return files


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def _damaged_manifest(data: bytes, rng: random.Random) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return damaged_json_lines(data, rng)
    if rng.random() < 0.3:
        return damaged(data, rng)
    return gzipped(damaged_json_lines(gzip.decompress(data), rng))


_EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
 <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
  <MEDIA_DESCRIPTOR MEDIA_URL="file:///D:/a.wav" MIME_TYPE="audio/x-wav" RELATIVE_MEDIA_URL="./a.wav"/>
  <PROPERTY NAME="lastUsedAnnotationId">4</PROPERTY>
 </HEADER>
 <TIME_ORDER>
  <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/>
  <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="900"/>
  <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="1000"/>
  <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="1900"/>
 </TIME_ORDER>
 <TIER LINGUISTIC_TYPE_REF="default-lt" PARTICIPANT="Ana" TIER_ID="tx">
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
   <ANNOTATION_VALUE>un urs</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
   <ANNOTATION_VALUE>o pisică</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
 </TIER>
 <TIER LINGUISTIC_TYPE_REF="sub" PARENT_REF="tx" PARTICIPANT="Ana" TIER_ID="ref">
  <ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="a1">
   <ANNOTATION_VALUE>x</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
 </TIER>
 <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
 <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" LINGUISTIC_TYPE_ID="sub" TIME_ALIGNABLE="false"/>
 <CONSTRAINT DESCRIPTION="1-1" STEREOTYPE="Symbolic_Association"/>
</ANNOTATION_DOCUMENT>
"""
_ENTITIES = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)


def _damaged_eaf(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.1:  # a billion laughs
        return data.replace(b"<ANNOTATION_DOCUMENT", _ENTITIES.encode() + b"<ANNOTATION_DOCUMENT", 1).replace(
            b"un urs", b"&i;"
        )
    return damaged_text(data, rng)


_LABELS = {
    "a.TextGrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0 2 <exists>\nsize = 2\n'
    '"IntervalTier" "tx" 0 2 1\n0.1\n0.9\n"un ""urs"""\n"TextTier" "p" 0 2 1\n0.5 "b"\n',
    "b.srt": "1\n00:00:00,100 --> 00:00:00,900\n<i>o pisică</i>\n\n2\n00:00:01,000 --> 00:00:01,9\nANA: da\n",
    "b.vtt": "WEBVTT\n\nNOTE x\n\n00:00.100 --> 00:00.900 align:start\n<v Ana>o pisică</v> &amp; da\n",
    "c.txt": "0.100000\t0.900000\ttrei mere\n\\\t300.0\t900.0\n1.0\t1.9\tdouă\n",
    "c.tsv": "tx\tAna\t00:00:00.100\t0.1\t00:00:00.900\t0.9\ttrei mere\nft\t\t00:00:01.000\t1.0\t"
    "00:00:01.900\t1.9\tdouă\n",
    "d.lab": "0 1000000 sil\n1000000 9000000 luna -3.5\n9000000 19000000 plină\n",
    "d.cha": "@UTF8\n@Begin\n*ANA:\tluna <plină> [/] &-ă .\n\tda \x15100_900\x15\n%mor:\tn|luna\n@End\n",
}


def _labels(rng: random.Random) -> Files:
    names = rng.sample(sorted(_LABELS), rng.randint(1, len(_LABELS)))
    return {**CLIPS, **{name: _LABELS[name].encode() for name in names}}


def _kaldi(rng: random.Random) -> Files:
    utts = [f"s{i % 2}-u{i}" for i in range(4)]
    rows = zip(utts, "abcd", TEXTS, strict=True)
    columns = [
        (f"{u} {c}.wav", f"{u} {t}", f"{u} {u[:2]}", f"{u} {c} 0.1 0.9", f"{c} {c}.wav") for u, c, t in rows
    ]
    scp, text, speakers, segments, recordings = (sorted(column) for column in zip(*columns, strict=True))
    tables = {"wav.scp": lines_of(*scp), "text": lines_of(*text), "utt2spk": lines_of(*speakers)}
    if rng.random() < 0.5:
        tables |= {"segments": lines_of(*segments), "wav.scp": lines_of(*recordings)}
    return {**CLIPS, **tables}


def _archive(rng: random.Random) -> Files:
    files, out = _table(rng), io.BytesIO()
    form = rng.choice(("zip", "tar", "tar.gz", "tar.xz", "tar.bz2"))
    if form == "zip":
        with zipfile.ZipFile(out, "w") as pack:
            for name, data in files.items():
                pack.writestr(
                    zipfile.ZipInfo(f"c/{name}"), data, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
                )
    else:
        with tarfile.open(
            fileobj=out, mode="w", format=rng.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
        ) as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(f"c/{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        packed = {"tar.gz": gzipped, "tar.xz": lzma.compress, "tar.bz2": bz2.compress}.get(form, bytes)
        return {f"x.{form}": packed(out.getvalue())}
    return {f"x.{form}": out.getvalue()}


def _damaged_archive(data: bytes, rng: random.Random) -> bytes:
    """Its bytes; of a compressed tarball also those inside."""
    if data.startswith(b"\x1f\x8b") and rng.random() < 0.7:
        return gzipped(_damaged_archive(gzip.decompress(data), rng))
    if rng.random() < 0.6:
        return damaged(data, rng)
    at = rng.choice([0, max(0, data.rfind(b"PK\x01\x02")), max(0, data.rfind(b"c/t."))])
    return data[:at] + damaged(data[at:], rng)


def _sound(rng: random.Random) -> Files:
    form = rng.choice(sorted(_SOUNDS))
    return {f"a.{form}": _SOUNDS[form]}


def _open_sound(folder: Path) -> None:
    from xlt.check.sound import measure
    from xlt.data.clips import Job, decode
    from xlt.data.corpora import Utterance

    (path,) = folder.iterdir()
    for times in ((None, None), (0.1, 0.9)):
        decode(Job(Utterance("a-1", "a", "ron_Latn", "unu", path, "a-1", *times), folder / "a-1.wav", 30.0))
        (folder / "a-1.wav").unlink(missing_ok=True)
    measure(str(path))


def recipe_in(folder: Path) -> Path:
    """An empty recipe of Romanian."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text("lang: ron_Latn\nnj: 1\n", encoding="utf-8")
    return folder


LOADED: dict[str, Config] = {}


def stage_1(reader: str, **settings: str) -> Callable[[Path], object]:
    """Stage 1 with a folder as its corpus, or the one archive in it; what it says of the form before."""

    def run(folder: Path) -> None:
        from xlt.data.build import build
        from xlt.data.corpora.recognise import recognise

        base = LOADED.setdefault("recipe", load(recipe_in(folder.parent / "recipe")))
        (place,) = [folder] if len(list(folder.iterdir())) > 1 else folder.iterdir()
        out = folder.parent / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        cfg = dataclasses.replace(
            base, data=dataclasses.replace(base.data, reader=reader, dir=str(place), **settings)
        )
        try:
            recognise(place)
        finally:
            build(cfg, "ron-v1", out, "data/all")

    return run


CORPORA = {
    "table": Kind(_table, _damaged_table, ("csv", "tsv", "jsonl"), stage_1("table"), 4),
    "lhotse": Kind(_lhotse, _damaged_manifest, ("jsonl", "gz"), stage_1("lhotse"), 4),
    "elan": Kind(
        lambda rng: {**CLIPS, "a.eaf": _EAF.encode()}, _damaged_eaf, ("eaf",), stage_1("elan", tier="tx"), 4
    ),
    "labels": Kind(_labels, damaged_text, tuple(_LABELS), stage_1("labels"), 4),
    "kaldi": Kind(_kaldi, damaged_text, ("scp", "text", "spk", "segments"), stage_1("kaldi"), 3),
    "archive": Kind(_archive, _damaged_archive, ("",), stage_1("table"), 4),
    "sound": Kind(_sound, damaged, ("",), _open_sound, 6),
}
