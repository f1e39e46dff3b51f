"""What processes of ``xlt experiment`` tell each other."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path

from xlt.core import jsons
from xlt.core.locks import hold
from xlt.core.log import say
from xlt.core.plan import Run
from xlt.core.stage import write_json


class Board:
    """What processes tell each other about runs: locks that end with their process, and a note for each ended
    run.
    """

    def __init__(self, egs: Path):
        self.egs = egs
        self.folder = egs / ".experiment"

    def _path(self, run: Run, suffix: str) -> Path:
        return self.folder / f"{run.recipe}.{run.tag}.{suffix}"

    @contextlib.contextmanager
    def claim(self, run: Run) -> Iterator[bool]:
        """The right to work on ``run``; False if another process has it."""
        with self._locked(self._path(run, "lock"), wait=False) as got:
            yield got

    @contextlib.contextmanager
    def preparing(self) -> Iterator[None]:
        """The right to write what runs share: data, features, tokens. Another process that has it is waited
        for.
        """
        path = self.folder / "prepare.lock"
        with self._locked(path, wait=False) as got:
            if got:
                yield
                return
        say("experiment: another process makes data, features or tokens; waiting for it")
        with self._locked(path, wait=True):
            yield

    @contextlib.contextmanager
    def _locked(self, path: Path, wait: bool) -> Iterator[bool]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with path.open("w") as handle:
            yield hold(handle, wait)

    def note(self, run: Run, why: str | None) -> None:
        """Leave that ``run`` ended now; ``why`` it failed, or None."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(
            self._path(run, "json"),
            {
                "settings": run.settings,
                "stages": run.stages,
                "failed": why,
                "at": datetime.datetime.now().astimezone().isoformat(),
            },
        )

    def _noted(self, run: Run) -> dict | None:
        try:
            return jsons.parse(self._path(run, "json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def failed_since(self, run: Run, start: datetime.datetime) -> str | None:
        """Why ``run`` failed in any process after ``start``, or None."""
        note = self._noted(run)
        return note["failed"] if note and datetime.datetime.fromisoformat(note["at"]) >= start else None

    def state(self, run: Run) -> str:
        """``running``, ``done``, ``failed``, ``settings changed`` or ``open``."""
        with self.claim(run) as free:
            if not free:
                return "running"
        note = self._noted(run)
        trained = "train" not in run.stages or (self.egs / run.recipe / "exp" / run.tag).is_dir()
        if note is None or not (note["failed"] or trained):
            return "open"
        if note["failed"]:
            return "failed"
        same = (note["settings"], note["stages"]) == (list(run.settings), list(run.stages))
        return "done" if same else "settings changed"
