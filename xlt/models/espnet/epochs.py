"""What a person sees of training: a line for each epoch, made of ESPnet's log, which keeps the losses."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

from xlt.core.log import left, say
from xlt.models.espnet import places


class EpochLines(logging.Handler):
    """Says ``epoch 7/30, about 13 min left: 45.3% of characters wrong on dev (best 44.7 at 6)`` for each of
    ESPnet's epoch results. ``kind``: of tokens; ``epochs``: as many as there will be, unless patience ends
    them.
    """

    def __init__(self, kind: str, epochs: int):
        super().__init__()
        # of phones ESPnet counts the letters of the IPA
        self.what = "IPA letters" if kind == "phone" else "characters"
        self.epochs, self.started = epochs, time.monotonic()
        self.rates: dict[int, float] = {}
        self.seen = 0

    def emit(self, record: logging.LogRecord) -> None:
        found = re.match(r"(\d+)epoch results: \[train\].*\[valid\](.*)", record.getMessage(), re.S)
        if found:
            self.seen += 1
            epoch = int(found[1])
            say(f"  epoch {epoch}/{self.epochs}{self._left(epoch)}: {self._result(epoch, found[2])}")

    def _left(self, epoch: int) -> str:
        return left((time.monotonic() - self.started) / self.seen * (self.epochs - epoch) / 60)

    def _result(self, epoch: int, valid: str) -> str:
        rate, right = _percent(valid, "cer_transducer"), _percent(valid, "acc")
        rate = _percent(valid, "cer_ctc") if rate is None else rate
        if rate is None:
            if right is not None:
                return f"{right:.1f}% of tokens right on dev"
            return f"loss {_value(valid, 'loss')} on dev"
        self.rates[epoch] = rate
        best = min(self.rates, key=lambda n: self.rates[n])
        line = f"{rate:.1f}% of {self.what} wrong on dev"
        if 1 not in self.rates or epoch == 1:  # after a restart the best may be one of those before it
            return line
        return f"{line} (best so far)" if best == epoch else f"{line} (best {self.rates[best]:.1f} at {best})"


def _value(text: str, key: str) -> str:
    found = re.search(rf"(?:^|[\s,]){key}=([^,\s]+)", text)
    return found[1] if found else "?"


def _percent(text: str, key: str) -> float | None:
    value = _value(text, key)
    return None if value in ("?", "nan") else 100 * float(value)


@contextlib.contextmanager
def logging_to(path: Path, recipe: Path, kind: str, epochs: int) -> Iterator[None]:
    """ESPnet's log goes to ``path``, with files as seen from ``recipe``, and one line an epoch to the user;
    the console stays readable. ``kind``, ``epochs``: as in :class:`EpochLines`.
    """
    root, level = logging.getLogger(), logging.getLogger().level
    to_file = logging.FileHandler(path, encoding="utf-8")
    to_file.setFormatter(places.PlainFormatter(recipe))
    handlers = [to_file, EpochLines(kind, epochs)]
    before = root.handlers[:]
    root.handlers[:] = handlers  # ESPnet calls basicConfig, which adds none where there are some
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = before
        root.setLevel(level)
        to_file.close()
