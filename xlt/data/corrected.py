"""The corpus of ``xlt learn``: the sets of a recipe as they are, with corrected pieces (``xlt serve
--corrections``) in train.

A piece that is a clip of a held-out set is an error, by its sound as in :mod:`xlt.data.unlabelled`; one that
says a sentence of a held-out set, or is a training clip already, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from xlt.core.config import Config
from xlt.core.context import Context, need
from xlt.core.errors import DataError
from xlt.core.files import atomic_text
from xlt.data.clips import audio_digest, recording
from xlt.data.corpora.kaldi import sources
from xlt.data.normalisers import normaliser_of
from xlt.data.unlabelled import HeldOut
from xlt.formats.tables import as_table, read_scp, read_table
from xlt.text.normalise import normalise

_HELD_OUT = ("dev", "test")
REASONS = {
    "unreadable": "not audio, or empty",
    "text without audio": "not in wav.scp",
    "in train": "a training clip, which has a text",
    "duplicate": "the same audio as another one",
    "a held-out sentence": "says a sentence of dev or test",
}


@dataclass
class Corrected:
    """``rows``: ``{utterance: (speaker, sound file, text)}`` of the pieces to learn from; ``seconds``: of
    them; ``left_out``: utterances by reason."""

    rows: dict[str, tuple[str, Path, str]] = field(default_factory=dict)
    seconds: float = 0.0
    left_out: dict[str, list[str]] = field(default_factory=lambda: {reason: [] for reason in REASONS})


def folder_of(place: Path, lang: str) -> Path:
    """The Kaldi directory of ``lang`` in the folder ``place``, or ``place`` itself if it is one; DataError if
    there is none.
    """
    for folder in (place / lang, place):
        if (folder / "text").exists() and (folder / "wav.scp").exists():
            return folder
    there = sorted(path.parent.name for path in place.glob("*/wav.scp"))
    raise DataError(
        f"--corrections {place}: no corrections in {lang} ("
        + (f"there are some in {', '.join(there)}" if there else "no Kaldi directory with wav.scp and text")
        + "); name the folder that xlt serve --corrections was given"
    )


def corrected(ctx: Context, place: Path) -> Corrected:
    """The pieces in ``place`` that can be learned from, beside the sets that the recipe of ``ctx`` has.
    DataError if one of them is a clip of dev or test, and if none is left.
    """
    need(ctx, *(ctx.data / name / "wav.scp" for name in (ctx.cfg.train_set, *_HELD_OUT)), stage="data")
    folder = folder_of(place, ctx.cfg.language)
    audio, texts = sources(folder, ctx.cfg), read_table(folder / "text")
    if commands := [utt for utt in texts if utt in audio and audio[utt].command]:
        raise DataError(
            f"{folder / 'wav.scp'}: {commands[0]!r} is a command; write its output to a file and name that"
        )
    speakers = read_table(folder / "utt2spk") if (folder / "utt2spk").exists() else {}
    trained = {digest: "" for digest in read_table(ctx.data / ctx.cfg.train_set / "utt2audio").values()}
    held_out, said = HeldOut(ctx, list(_HELD_OUT)), _sentences(ctx)
    found, tested, first = Corrected(), list[tuple[str, str, str]](), set[str]()
    for utt, text in sorted(texts.items()):
        if utt not in audio:
            found.left_out["text without audio"].append(utt)
            continue
        try:
            samples, *_ = recording(audio[utt].path, None, None, folder)
        except DataError:
            found.left_out["unreadable"].append(utt)
            continue
        digest, (other, name) = audio_digest(samples), held_out.of(samples)
        if name:
            tested.append((utt, other, name))
        elif digest in trained:
            found.left_out["in train"].append(utt)
        elif digest in first:
            found.left_out["duplicate"].append(utt)
        elif normalise(text, normaliser_of(ctx.cfg)) in said:
            found.left_out["a held-out sentence"].append(utt)
        else:
            found.rows[utt] = (speakers.get(utt, utt), audio[utt].path.resolve(), text)
            found.seconds += len(samples) / 16000
        first.add(digest)
    if tested:
        utt, other, name = tested[0]
        raise DataError(
            f"--corrections {place}: {len(tested)} of them are held-out clips, first {utt!r}, which is"
            f" {other!r} of {name}; delete them: a model must not learn from what it is tested on"
        )
    if not found.rows:
        counts = ", ".join(f"{reason} {len(utts)}" for reason, utts in found.left_out.items() if utts)
        raise DataError(
            f"--corrections {place}: nothing to learn from ({counts or 'it is empty'}); collect corrections"
            " with xlt serve --corrections"
        )
    return found


def _sentences(ctx: Context) -> set[str]:
    """What is said in the held-out sets."""
    return {text for name in _HELD_OUT for text in read_table(ctx.data / name / "text").values()}


def write_corpus(ctx: Context, pieces: Corrected, out: Path) -> None:
    """Kaldi directories ``out/train``, ``dev`` and ``test``: the recipe's sets, and ``pieces`` in train. A
    table that would be the same stays, so that stages see no change. DataError for an id that is in both.
    """
    for name, source in (("train", ctx.cfg.train_set), *((name, name) for name in _HELD_OUT)):
        place = ctx.data / source
        text = place / "text_raw"  # stage 1 normalises again
        tables = {
            "wav.scp": read_scp(place / "wav.scp", ctx.recipe),
            "text": read_table(text if text.exists() else place / "text"),
            "utt2spk": read_table(place / "utt2spk"),
        }
        if name == "train":
            for utt, (speaker, path, said) in pieces.rows.items():
                if utt in tables["text"]:
                    raise DataError(f"{place / 'text'}: {utt!r} is a correction, too; rename one of them")
                tables["wav.scp"][utt], tables["text"][utt], tables["utt2spk"][utt] = str(path), said, speaker
        (out / name).mkdir(parents=True, exist_ok=True)
        for table, rows in tables.items():
            path, whole = out / name / table, as_table(rows)
            if not path.exists() or path.read_text(encoding="utf-8") != whole:
                atomic_text(path, whole)


def settings_of_corpus(cfg: Config, place: Path) -> dict[str, object]:
    """The settings that read the corpus in ``place`` as ``cfg`` reads its own: those of the form go."""
    form = (
        "archive columns encoding tier allow_pipes train_from split folds fold train_speakers sources parts"
        " further splits tags train_minutes drop"
    )
    from xlt.core.config import defaults

    own = {f"data.{key}": defaults()[f"data.{key}"] for key in form.split()}
    return {**own, "data.reader": "kaldi", "data.dir": str(place), "data.normaliser": normaliser_of(cfg)}
