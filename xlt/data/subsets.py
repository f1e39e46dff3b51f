"""Sets: parts of data/all by its ``utt2split``, and a training budget as the first part of train, of each
language.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.data.drop import DROPPED, left_out
from xlt.data.groups import SPLITS, budget
from xlt.formats.tables import read_table, spk2utt, write_table

TABLES = (
    "wav.scp",
    "text",
    "text_raw",
    "utt2spk",
    "utt2dur",
    "utt2lang",
    "utt2group",
    "utt2content",
    "utt2audio",
    "utt2format",
)
PARTIAL = ("utt2path", "utt2row", "utt2span", "utt2part")  # not every corpus, or utterance, has them
UNTAGGED = "(no tag)"  # the value of utterances that a table of tags lacks, where they are compared
# of ours, of Kaldi and of ESPnet; any other utt2… is a tag
KNOWN = {
    *TABLES,
    *PARTIAL,
    "utt2split",
    "utt2num_frames",
    "utt2crc",
    "utt2category",
    "utt2num_samples",
    "utt2sid",
    "utt2uniq",
}


def tag_tables(folder: Path) -> list[str]:
    """Names of the tables of tags in ``folder``, such as utt2accent; not every utterance has each."""
    return sorted(path.name for path in folder.glob("utt2*") if path.name not in KNOWN)


def partial_tables(folder: Path) -> list[str]:
    """Names of the tables in ``folder`` that need not have every utterance: tags, rows and spans."""
    return sorted({*tag_tables(folder), *(name for name in PARTIAL if (folder / name).exists())})


def write_tags(tags: Mapping[str, Mapping[str, str]], utts: Iterable[str], out: Path) -> None:
    """Write what ``tags`` (``{"utt2accent": {utterance: accent}}``) has of ``utts``; no table without
    lines.
    """
    for table, rows in tags.items():
        if own := {utt: rows[utt] for utt in utts if utt in rows}:
            write_table(out / table, own)


def prefix_ids(tables: Mapping[str, Mapping[str, str]], prefix: str) -> dict[str, dict[str, str]]:
    """The tables of one corpus with ``prefix`` before all ids of utterances and speakers, also where a value
    is such an id.
    """
    ids = {utt for rows in tables.values() for utt in rows}
    speakers = set(tables["utt2spk"].values())
    known = {"utt2spk": speakers, "utt2group": ids | speakers, "utt2content": ids}
    found: dict[str, dict[str, str]] = {}
    for table, rows in tables.items():
        own = known.get(table, ())
        found[table] = {
            prefix + utt: prefix + value if value in own else value for utt, value in rows.items()
        }
    return found


def subset(
    everything: Path,
    out: Path,
    name: str,
    minutes: float | None,
    drop: Path | None = None,
    places: dict[str, str] | None = None,
) -> dict:
    """Write the Kaldi directory ``out``: set ``name``, or the first ``minutes`` of each language's train.
    Returns its size.

    ``drop``: table of training utterances that are left out; others do not take their place in a budget;
    ``places``: the set of each utterance, where utt2split does not say it.
    """
    tables = {table: read_table(everything / table) for table in TABLES}
    tables["utt2split"] = places or read_table(everything / "utt2split")
    wanted = "train" if minutes is not None else name
    durations = {
        utt: float(dur) for utt, dur in tables["utt2dur"].items() if tables["utt2split"][utt] == wanted
    }
    utts, parts = [], []
    for lang, own in _by_language(durations, tables["utt2lang"], wanted).items():
        of_lang = f" of {lang}" if len(set(tables["utt2lang"].values())) > 1 else ""
        chosen = list(own) if minutes is None else _budget(own, tables["utt2content"], minutes, of_lang)
        if not chosen:
            raise DataError(_nothing(everything, f"{of_lang} for {name}", minutes if own else None))
        parts.append(f"{lang} {sum(own[utt] for utt in chosen) / 60:.2f}")
        utts += chosen
    # every utterance of folds is tested in one and trained with in the others
    held_out = dict.fromkeys(places, "train") if places else tables["utt2split"]
    dropped = left_out(drop, utts, held_out, name) if drop else {}
    if drop:
        write_table(out / DROPPED, dropped)
        utts = [utt for utt in utts if utt not in dropped]
    if not utts:
        raise DataError(f"{drop}: no utterance of {name} is left; keep some")
    for table in TABLES:
        write_table(out / table, {utt: tables[table][utt] for utt in utts})
    write_tags({table: read_table(everything / table) for table in partial_tables(everything)}, utts, out)
    write_table(out / "spk2utt", spk2utt({utt: tables["utt2spk"][utt] for utt in utts}))
    total = sum(durations[utt] for utt in utts) / 60
    say(
        f"  {name}: {len(utts)} utterances, {total:.2f} minutes"
        + (f" ({', '.join(parts)})" if len(parts) > 1 else "")
    )
    return {
        "utterances": len(utts),
        "minutes": round(total, 3),
        "budget_minutes": minutes,
        **({"dropped": len(dropped)} if drop else {}),
    }


def _by_language(
    durations: Mapping[str, float], utt2lang: Mapping[str, str], name: str
) -> dict[str, dict[str, float]]:
    """``{language: {utterance: seconds}}``; train, dev and test must have all languages of the corpus, other
    sets need not.
    """
    found: dict[str, dict[str, float]] = {lang: {} for lang in sorted(set(utt2lang.values()))}
    for utt, dur_s in durations.items():
        found[utt2lang[utt]][utt] = dur_s
    return found if name in SPLITS else {lang: own for lang, own in found.items() if own}


def _budget(own: dict[str, float], contents: Mapping[str, str], minutes: float, of_lang: str) -> list[str]:
    """The utterances of one language's budget; all of them, with a note, where there is less speech."""
    available = sum(own.values()) / 60
    if available >= minutes:
        return budget(own, contents, minutes)
    say(
        f"  note: train has only {available:.2f} of the {minutes:g} minutes{of_lang} that"
        " data.train_minutes asks for; takes them all"
    )
    return list(own)


def _nothing(everything: Path, of_what: str, minutes: float | None) -> str:
    """Why a set is empty: the budget of ``minutes`` is too small, or nothing of it was kept."""
    if minutes is not None:
        why = f"the first one is longer than data.train_minutes={minutes:g}; ask for more"
    else:
        why = (
            "too little was kept, or all of it belongs together, as clips do that overlap in a recording or"
            " have one text; data/all/report.json says what was left out and why, data.reader=kaldi takes a"
            " folder with train/, dev/ and test/ as they are"
        )
    return f"{everything}: no utterance{of_what}: {why}"
