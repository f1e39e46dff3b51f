"""`xlt export lhotse`: the sets of a recipe as Lhotse manifests, which lhotse, icefall and many others read."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXPLAINED = """For train, dev, test and a training budget: OUT/LANG_recordings_SET.jsonl.gz, OUT/LANG_supervisions_SET.jsonl.gz,
for lhotse.load_manifest, and for data.reader=lhotse. The audio stays where it is, in data/all/wav of the recipe."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXPLAINED
    parser.add_argument("form", choices=["lhotse"], metavar="lhotse", help="the form that is written")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the manifests; it is made")
    parser.add_argument("--recipe", type=Path, default=Path("."), metavar="DIR", help="recipe directory (default: here)")


def main(args: argparse.Namespace) -> None:
    from xlt.config import load
    from xlt.log import say

    cfg = load(args.recipe)
    budget = [cfg.train_set] if (args.recipe / "data" / cfg.train_set).is_dir() else []
    for name in dict.fromkeys(("train", "dev", "test", *budget)):
        count, seconds = export_set(args.recipe, name, args.out, cfg.lang)
        say(f"export: {name}: {count} utterances, {seconds / 60:.2f} minutes → {args.out}")


def export_set(recipe: Path, name: str, out: Path, lang: str) -> tuple[int, float]:
    """Write the two manifests of set ``name``; its utterances and their seconds. DataError if stage 1 has not made it.

    A supervision has the text as it is trained on, and what else is known of the utterance (``utt2accent`` …, the
    un-normalised text) in its custom fields.
    """
    from lhotse import Recording, RecordingSet, SupervisionSegment, SupervisionSet

    from xlt.data.subsets import tag_tables
    from xlt.errors import DataError
    from xlt.kaldi_io import read_table

    folder = recipe / "data" / name
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; stage 1 makes it: {recipe / 'run.sh'} --stop_stage data")
    text, wavs, speakers, langs = (read_table(folder / table) for table in ("text", "wav.scp", "utt2spk", "utt2lang"))
    custom = {table.removeprefix("utt2"): read_table(folder / table) for table in tag_tables(folder)}
    custom["text_raw"] = read_table(folder / "text_raw")
    stem, seconds = out / lang, 0.0
    out.mkdir(parents=True, exist_ok=True)
    with (RecordingSet.open_writer(f"{stem}_recordings_{name}.jsonl.gz") as recordings,
          SupervisionSet.open_writer(f"{stem}_supervisions_{name}.jsonl.gz") as supervisions):
        for utt, words in text.items():
            wav = (recipe / wavs[utt]).absolute()
            if not wav.is_file():
                raise DataError(f"{folder / 'wav.scp'}: {wav}: no such file; run stage 1 (data) again")
            recording = Recording.from_file(wav, recording_id=utt)
            seconds += recording.duration
            recordings.write(recording)
            supervisions.write(SupervisionSegment(
                utt, utt, 0.0, recording.duration, 0, words, langs[utt], speakers[utt],
                custom={key: table[utt] for key, table in custom.items() if utt in table} or None))
    return len(text), seconds
