"""The sets: parts of data/all by its ``utt2split``, and a training budget as the first part of train."""

from __future__ import annotations

from pathlib import Path

from xlt.data.groups import budget
from xlt.errors import DataError
from xlt.kaldi_io import read_table, spk2utt, write_table
from xlt.log import say

TABLES = ("wav.scp", "text", "utt2spk", "utt2dur", "utt2lang", "utt2group", "utt2content", "utt2audio")


def subset(everything: Path, out: Path, name: str, minutes: float | None) -> dict:
    """Write the Kaldi directory ``out``: set ``name``, or the first ``minutes`` of train. Returns its size."""
    tables = {table: read_table(everything / table) for table in (*TABLES, "utt2split")}
    wanted = "train" if minutes is not None else name
    durations = {utt: float(dur) for utt, dur in tables["utt2dur"].items() if tables["utt2split"][utt] == wanted}
    available = sum(durations.values()) / 60
    utts = list(durations) if minutes is None else budget(durations, tables["utt2content"], minutes)
    if minutes is not None and available < minutes:
        say(f"  note: train has only {available:.2f} of the {minutes:g} minutes that data.train_minutes asks for; "
            "takes them all")
        utts = list(durations)
    if not utts:
        raise DataError(f"{everything}: no utterance for {name}: " + (
            f"the first one is longer than data.train_minutes={minutes:g}; ask for more" if durations else
            "too little was kept; data/all/report.json says what was left out and why, data.reader=kaldi takes a folder "
            "with train/, dev/ and test/ as they are"))
    for table in TABLES:
        write_table(out / table, {utt: tables[table][utt] for utt in utts})
    write_table(out / "spk2utt", spk2utt({utt: tables["utt2spk"][utt] for utt in utts}))
    total = sum(durations[utt] for utt in utts) / 60
    say(f"  {name}: {len(utts)} utterances, {total:.2f} minutes")
    return {"utterances": len(utts), "minutes": round(total, 3), "budget_minutes": minutes}
