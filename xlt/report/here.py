"""What lies beside the results of a recipe on this machine: texts of utterances, sound, and the course of the
training. None of it is in the repository, and a page that may be published has none of it.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.audio.players import Sound, Sounds
from xlt.core import jsons
from xlt.core.errors import DataError
from xlt.formats.tables import read_scp, read_table
from xlt.metrics.metric import counted
from xlt.report.examples import errors_of, read_scored
from xlt.report.results import Result


@dataclass(frozen=True)
class Spoken:
    """An utterance of a set: seconds, None if unknown; ``wav``: where its sound should be."""

    speaker: str
    seconds: float | None
    wav: str | None


@dataclass(frozen=True)
class Here:
    """The folder of a recipe, the sounds of the page, and how many texts of utterances it may have of it."""

    recipe: Path
    sounds: Sounds
    most_texts: int
    stale: list[str] = field(default_factory=list)
    _sets: dict[str, dict[str, Spoken]] = field(default_factory=dict)

    def texts(self, run: Result, name: str) -> dict[str, dict[str, str]]:
        """The scoring's table of utterances, ``{id: row}``; empty without it, or if the result is of others,
        which ``stale`` then says.
        """
        path = self.recipe / "exp" / run.tag / "score" / f"{name}.tsv"
        if not path.exists():
            return {}
        try:
            rows = read_scored(path)
        except (UnicodeDecodeError, csv.Error) as err:
            raise DataError(
                f"{path}: not a table of stage 8 ({err}); run stage 8 (score) again with --force"
            ) from None
        if not _same(run, name, rows):
            self.stale.append(run.tag)
            return {}
        return {row["id"]: row for row in rows}

    def history(self, run: Result) -> list[dict[str, Any]]:
        """A row an epoch, as the training left it; empty without any."""
        path = self.recipe / "exp" / run.tag / "history.json"
        if not path.exists():
            return []
        try:
            rows = jsons.parse(path.read_text(encoding="utf-8"), finite=True)
            if not isinstance(rows, list) or not all(isinstance(row.get("epoch"), int) for row in rows):
                raise ValueError("expected a list of epochs")
        except (ValueError, AttributeError) as err:
            raise DataError(
                f"{path}: not a history of stage 6 ({err}); delete it, the page does without"
            ) from None
        return rows

    def spoken(self, name: str) -> dict[str, Spoken]:
        """The utterances of a set of this recipe's data."""
        if name not in self._sets:
            folder = self.recipe / "data" / name
            tables = {
                table: read_table(folder / table) if (folder / table).exists() else {}
                for table in ("utt2spk", "utt2dur")
            }
            scp = folder / "wav.scp"
            wavs = read_scp(scp, self.recipe.resolve()) if scp.exists() else {}
            ids = tables["utt2spk"].keys() | tables["utt2dur"].keys() | wavs.keys()
            self._sets[name] = {
                utt: Spoken(
                    tables["utt2spk"].get(utt, ""), _seconds(tables["utt2dur"].get(utt)), wavs.get(utt)
                )
                for utt in ids
            }
        return self._sets[name]

    def sound(self, name: str, utt: str) -> Sound | None:
        """What plays an utterance; None where there is no file."""
        known = self.spoken(name).get(utt)
        return self.sounds.of(known.wav, dur_s=known.seconds) if known and known.wav else None


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _same(run: Result, name: str, rows: list[dict[str, str]]) -> bool:
    """Whether a table is what the result was made of: the same utterances with the same errors."""
    counts = run.document.get("counts", {}).get(name)
    ids = "\n".join(row["id"] or "" for row in rows if "id" in row)
    if not counts or not rows or hashlib.sha256(ids.encode()).hexdigest()[:20] != counts["ids"]:
        return False
    units = {key: metric.token.name for key, metric in counted().items() if metric.token}
    found = {key: units[key] for key in counts["metrics"] if f"{units.get(key)}_n_ref" in rows[0]}
    try:
        return bool(found) and all(
            counts["metrics"][key]["errors"] == [errors_of(row, unit) for row in rows]
            for key, unit in found.items()
        )
    except (KeyError, TypeError, ValueError):  # a line was cut
        return False
