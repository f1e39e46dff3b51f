"""What training reads of one set: extracted features and their texts, or the speech itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.context import Context, need
from xlt.core.errors import DataError
from xlt.formats.tables import read_scp, read_table, write_table

FEATS = "xlt_feats"  # ESPnet's name for the loader of features that espnet_task registers


@dataclass(frozen=True)
class Speech:
    """Files of a set. ``kind`` is ESPnet's loader of ``scp``; ``lengths`` holds frames, or samples of a
    sound.
    """

    scp: Path
    kind: str
    lengths: Path
    info: Path
    text: Path

    def __iter__(self):
        """All of them."""
        return iter((self.scp, self.lengths, self.info, self.text))

    @property
    def content(self) -> Path:
        """What says which features these are: of ours the audio, since archives may be made again elsewhere;
        else the scp.
        """
        audio = self.info.with_name("utt2audio")
        return audio if audio.exists() else self.scp

    def need(self, ctx: Context) -> None:
        """MissingInput unless they are there."""
        need(ctx, *(p for p in self if p.is_relative_to(ctx.tokens)), stage="tokens")
        need(ctx, *(p for p in self if p.is_relative_to(ctx.data)), stage="data")
        need(ctx, *(p for p in self if not p.is_relative_to(ctx.data)), stage="features")


def speech(ctx: Context, name: str) -> Speech:
    """The files of set ``name``. Where stage 3 wrote texts (for altered copies), those are read; phones are
    stage 4's.
    """
    data, dump = ctx.data / name, ctx.dump / name
    if ctx.cfg.features.on_the_fly:
        return Speech(
            data / "wav.scp", "sound", dump / "utt2num_samples", dump / "feats.json", ctx.text(name)
        )
    copied = ctx.cfg.tokens.type != "phone" and (dump / "text").exists()
    text = dump / "text" if copied else ctx.text(name)
    return Speech(dump / "feats.scp", FEATS, dump / "utt2num_frames", dump / "feats.json", text)


def joined(own: Speech, more: Speech, texts: Mapping[str, str], folder: Path) -> Speech:
    """The speech ``own`` and, of ``more``, what has one of ``texts``, as tables in ``folder``. DataError if
    they share an id.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places: dict[str, Any] = {}
    for table in ("scp", "lengths", "text"):
        rows = read_table(getattr(own, table))
        added = texts if table == "text" else read_table(getattr(more, table))
        if twice := sorted(set(rows) & set(texts)):
            raise DataError(
                f"{getattr(own, table)}: utterance {twice[0]!r} is in {more.text}, too; run stage 1 (data)"
                " again with --force"
            )
        rows |= {utt: added[utt] for utt in texts}
        places[table] = folder / table
        write_table(places[table], rows)
    return dataclasses.replace(own, **places)


def check_archives(scp: Path, recipe: Path) -> None:
    """DataError unless the archives that ``scp`` points into are there, long enough for every place named;
    ``recipe``: what relative paths count from.
    """
    ends: dict[str, tuple[int, str]] = {}
    for utt, place in read_scp(scp, recipe).items():
        ark, _, offset = place.rpartition(":")
        if not offset.isdigit():  # a command, or a file by itself: somebody else's archive
            continue
        ends[ark] = max(ends.get(ark, (-1, "")), (int(offset), utt))
    for ark, (start, utt) in ends.items():
        try:
            size = Path(ark).stat().st_size
        except OSError:
            raise DataError(f"{scp}: {utt}: {ark}: no such file; run stage 3 (features) again") from None
        if size <= start:
            raise DataError(
                f"{scp}: {utt}: {ark}: is {size} bytes long, the features start at {start}: cut short; run "
                "stage 3 (features) again"
            )
