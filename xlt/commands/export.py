"""`xlt export`: the sets of a recipe as Lhotse manifests, which lhotse, icefall and many others read, or as
audio and a table; a bundle as ONNX, for places without torch, or for the Hugging Face hub.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

_EXPLAINED = """lhotse OUT: writes OUT/LANG_recordings_SET.jsonl.gz and OUT/LANG_supervisions_SET.jsonl.gz for
each set. lhotse.load_manifest and data.reader=lhotse read them. The audio stays in data/all/wav.
table OUT: writes OUT/corpus.tsv with a row for each utterance, and its audio to OUT/audio. Spreadsheets and
data.reader=table read it.
onnx BUNDLE: writes a bundle that xlt transcribe runs without torch and ESPnet.
sherpa BUNDLE: writes model.onnx and tokens.txt, which sherpa-onnx runs on phones and in browsers.
hub BUNDLE: writes a folder for the Hugging Face hub, with a model card; nothing is uploaded."""
QUANTISED = ("onnx", "sherpa")
MODELS = (*QUANTISED, "hub")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EXPLAINED
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    forms = ["lhotse", "table", *MODELS]
    parser.add_argument("form", choices=forms, metavar="|".join(forms), help="format to write")
    parser.add_argument(
        "place",
        type=Path,
        metavar="OUT|BUNDLE",
        help="lhotse, table: output folder; it is created. Others: folder made by stage 10 (bundle)",
    )
    parser.add_argument(
        "--recipe",
        type=Path,
        default=Path("."),
        metavar="DIR",
        help="lhotse, table: recipe folder (default: the current one)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="onnx, sherpa, hub: output folder (default: BUNDLE-onnx, -sherpa or -hub)",
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="onnx, sherpa: weights of one byte: a third of the size, faster, and slightly less exact",
    )


def main(args: argparse.Namespace) -> None:
    from xlt.core.config import load
    from xlt.core.errors import ConfigError
    from xlt.core.log import say

    if args.form in MODELS:
        if args.int8 and args.form not in QUANTISED:
            raise ConfigError(f"--int8: is for {' and '.join(QUANTISED)}, not for {args.form}; leave it out")
        _export_model(args)
        return
    for option, given in (("--out", args.out), ("--int8", args.int8)):
        if given:
            raise ConfigError(f"{option}: is for {', '.join(MODELS)}, not for {args.form}; leave it out")
    cfg = load(args.recipe)
    if args.form == "table":
        say(f"export: {export_table(args.recipe, args.place)} utterances → {args.place}")
        return
    budget = [cfg.train_set] if (args.recipe / "data" / cfg.train_set).is_dir() else []
    for name in dict.fromkeys((*_names(args.recipe), *budget)):
        count, seconds = export_set(args.recipe, name, args.place, cfg.language)
        say(f"export: {name}: {count} utterances, {seconds / 60:.2f} minutes → {args.place}")


def _export_model(args: argparse.Namespace) -> None:
    """Write a new folder, whole or not at all."""
    from xlt.core.errors import ConfigError
    from xlt.core.files import whole_folder
    from xlt.core.log import say

    out = args.out or args.place.with_name(f"{args.place.resolve().name}-{args.form}")
    if out.exists():
        raise ConfigError(f"--out {out}: already exists; name a new folder")
    with whole_folder(out) as partial:
        lines = _written(args, partial, out)
    for line in lines:
        say(line)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    use = {
        "onnx": f": xlt transcribe {out} recording.wav",
        "hub": f": read {out / 'README.md'}, then publish it: hf upload USER/{out.name} {out}",
    }
    say(f"wrote {out}, {size:.0f} MB{use.get(args.form, '')}")


def _written(args: argparse.Namespace, partial: Path, out: Path) -> list[str]:
    """Write the folder ``partial``, which will be called ``out``; lines that say how it went."""
    if args.form == "hub":
        from xlt.export.hub import export as publish

        return publish(args.place, partial, out.name)
    if args.form == "onnx":
        from xlt.export.onnx import export
    else:
        from xlt.export.sherpa import export
    differences = export(args.place, partial, args.int8)
    found = ", ".join(f"{name} {value:.1g}" for name, value in differences.items())
    return [f"largest difference from torch in float32: {found}"]


def export_table(recipe: Path, out: Path) -> int:
    """Write ``out/corpus.tsv`` and ``out/audio``; how many utterances. The texts are those before
    normalisation.

    DataError if stage 1 has not made the sets, or if something stands at ``out``.
    """
    import csv

    from xlt.core.errors import DataError
    from xlt.data.subsets import tag_tables
    from xlt.formats.cells import as_text
    from xlt.formats.tables import read_table

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: exists and is not empty; name a new folder")
    folders = {name: _set(recipe, name) for name in _names(recipe)}
    tags = sorted({table for folder in folders.values() for table in tag_tables(folder)})
    (out / "audio").mkdir(parents=True, exist_ok=True)
    count = 0
    with (out / "corpus.tsv").open("w", encoding="utf-8", newline="") as handle:
        rows = csv.writer(handle, delimiter="\t", lineterminator="\n")
        rows.writerow(
            ["path", "text", "speaker", "split", "id", "content", *(tag.removeprefix("utt2") for tag in tags)]
        )
        for name, folder in folders.items():
            text, wavs, speakers, content = (
                read_table(folder / t) for t in ("text_raw", "wav.scp", "utt2spk", "utt2content")
            )
            own = [read_table(folder / tag) if (folder / tag).exists() else {} for tag in tags]
            for utt, words in text.items():
                shutil.copyfile(_wav(recipe, folder, wavs[utt]), out / "audio" / f"{utt}.wav")
                known = [words, speakers[utt], name, utt, content[utt], *(t.get(utt, "") for t in own)]
                rows.writerow([f"audio/{utt}.wav", *map(as_text, known)])
                count += 1
    return count


def _names(recipe: Path) -> list[str]:
    """The sets of the corpus: train, dev, test and the others that stage 1 has made; with folds no test, as
    it is all of them.
    """
    from xlt.data import folds, sets

    everything = recipe / "data" / "all"
    names = sets.made(everything) if (everything / "utt2split").exists() else list(sets.SPLITS)
    return [name for name in names if name != "test" or not (everything / folds.TABLE).exists()]


def _set(recipe: Path, name: str) -> Path:
    """The folder of a set; DataError if stage 1 has not made it."""
    from xlt.core.errors import DataError

    folder = recipe / "data" / name
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; stage 1 makes it: {recipe / 'run.sh'} --stop_stage data")
    return folder


def _wav(recipe: Path, folder: Path, value: str) -> Path:
    """The clip that wav.scp names; DataError if it is gone."""
    from xlt.core.errors import DataError

    wav = (recipe / value).absolute()
    if not wav.is_file():
        raise DataError(f"{folder / 'wav.scp'}: {wav}: no such file; run stage 1 (data) again")
    return wav


def export_set(recipe: Path, name: str, out: Path, lang: str) -> tuple[int, float]:
    """Write the two manifests of set ``name``; its utterances and their seconds. DataError if stage 1 has not
    made it.

    A supervision has the text as it is trained on, and what else is known of the utterance (``utt2accent`` …,
    the un-normalised text) in its custom fields.
    """
    from lhotse import Recording, RecordingSet, SupervisionSegment, SupervisionSet

    from xlt.data.subsets import tag_tables
    from xlt.formats.tables import read_table

    folder = _set(recipe, name)
    text, wavs, speakers, langs = (
        read_table(folder / table) for table in ("text", "wav.scp", "utt2spk", "utt2lang")
    )
    custom = {table.removeprefix("utt2"): read_table(folder / table) for table in tag_tables(folder)}
    custom["text_raw"] = read_table(folder / "text_raw")
    stem, seconds = out / lang, 0.0
    out.mkdir(parents=True, exist_ok=True)
    with (
        RecordingSet.open_writer(f"{stem}_recordings_{name}.jsonl.gz") as recordings,
        SupervisionSet.open_writer(f"{stem}_supervisions_{name}.jsonl.gz") as supervisions,
    ):
        for utt, words in text.items():
            recording = Recording.from_file(_wav(recipe, folder, wavs[utt]), recording_id=utt)
            seconds += recording.duration
            recordings.write(recording)
            supervisions.write(
                SupervisionSegment(
                    utt,
                    utt,
                    0.0,
                    recording.duration,
                    0,
                    words,
                    langs[utt],
                    speakers[utt],
                    custom={key: table[utt] for key, table in custom.items() if utt in table} or None,
                )
            )
    return len(text), seconds
