"""Tables that are no delimited text: workbooks, Parquet, JSON, fairseq's manifests, other encodings."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile

from tests.faults.mutate import damaged, damaged_json, damaged_text
from tests.faults.strangers import CLIPS, TEXTS, Files, Kind, lines_of, sound, stage_1

_CODECS = ("utf-16", "utf-16-le", "cp1250", "mac_roman", "utf-8-sig")


def _workbook(rng: random.Random) -> Files:
    from openpyxl import Workbook

    book = Workbook()
    for name, part in (("Sheet", "ab"), ("test 1", "cd")):
        sheet = book.active if name == "Sheet" else book.create_sheet(name)
        sheet.append(["Title"])
        sheet.append(["path", "text", "start", "end"])
        for clip in part:
            sheet.append([f"{clip}.wav", TEXTS["abcd".index(clip)], 0, "=0.5+0.4" if clip == "b" else 0.9])
    out = io.BytesIO()
    book.save(out)
    with zipfile.ZipFile(out) as pack:
        parts = {name: pack.read(name) for name in pack.namelist()}
    saved = rb"\d{4}-\d\d-\d\dT[\d:]+Z"  # the time: a case is the same whenever it is made
    parts["docProps/core.xml"] = re.sub(saved, b"2026-01-01T00:00:00Z", parts["docProps/core.xml"])
    return {**CLIPS, "t.xlsx": _packed(parts)}


def _packed(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as pack:
        for name, content in parts.items():
            pack.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def _damaged_workbook(data: bytes, rng: random.Random) -> bytes:
    """Its bytes, or those of a part of it."""
    if rng.random() < 0.3:
        return damaged(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        parts = {name: pack.read(name) for name in pack.namelist()}
    hit = rng.choice([name for name in parts if "sheet" in name or "String" in name or "styles" in name])
    return _packed(parts | {hit: rng.choice((damaged, damaged_text))(parts[hit], rng)})


def _parquet(rng: random.Random) -> Files:
    import pyarrow
    import pyarrow.parquet

    features = {"info": {"features": {"sex": {"names": ["m", "f"], "_type": "ClassLabel"}}}}
    table = pyarrow.table(
        {
            "audio": [{"bytes": sound(n, "wav", 0.5), "path": f"{n}.wav"} for n in range(4)],
            "text": list(TEXTS),
            "sex": [0, 1, 0, 1],
        }
    ).replace_schema_metadata({"huggingface": json.dumps(features)})
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    return {"t.parquet": out.getvalue(), "LICENSE": b"x"}


def _manifest(rng: random.Random) -> Files:
    entries = [
        {"audio_filepath": f"{c}.wav", "text": t, "offset": 0.0, "duration": 0.9}
        for c, t in zip("abcd", TEXTS, strict=True)
    ]
    value = rng.choice(
        (entries, {"data": entries}, {f"{c}.wav": t for c, t in zip("abcd", TEXTS, strict=True)})
    )
    return {**CLIPS, "t.json": json.dumps(value, ensure_ascii=False).encode()}


def _fairseq(rng: random.Random) -> Files:
    rows = [f"{c}.wav\t8000" for c in "abcd"]
    return {**CLIPS, "t.tsv": lines_of("/gone", *rows), "t.wrd": lines_of(*TEXTS)}


def _encoded(rng: random.Random) -> Files:
    text = "path\ttext\n" + "".join(
        f"{c}.wav\tun câine {t} \n" for c, t in zip("abcd", ("ă", "â", "é", "ö"), strict=True)
    )
    codec = rng.choice(_CODECS)
    return {**CLIPS, "t.txt": text.encode(codec, "replace")}


SPREADSHEETS = {
    "workbook": Kind(_workbook, _damaged_workbook, ("xlsx",), stage_1("table"), 4),
    "parquet": Kind(_parquet, damaged, ("parquet",), stage_1("table"), 3),
    "manifest": Kind(_manifest, damaged_json, ("json",), stage_1("table"), 2),
    "fairseq": Kind(_fairseq, damaged_text, ("tsv", "wrd"), stage_1("table"), 2),
    "encoded": Kind(_encoded, damaged, ("txt",), stage_1("table"), 2),
}
