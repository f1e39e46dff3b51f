"""A model that computes the probabilities of the same speech once, for those who ask again, and knows what
its parts have cost.
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from xlt.models.family import Searching, Writing

if TYPE_CHECKING:
    import numpy as np

    from xlt.models.family import Model, Written

CTC, ATTENTION, SCORING = "ctc", "attention", "scoring"  # parts whose cost is known


class _Remembering:
    """``cpu_s``: CPU seconds by part, of all threads."""

    def __init__(self, model: Any, most: int | None):
        self.model, self.tokenizer, self.most = model, model.tokenizer, most
        self.cpu_s: defaultdict[str, float] = defaultdict(float)
        # by the arrays' identities, so that they are kept, too
        self._known: dict[tuple[Any, ...], tuple[list[np.ndarray], Any]] = {}

    @contextlib.contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the time of what is done within as that of ``part``, but for what counts as another's."""
        start, before = time.process_time(), sum(self.cpu_s.values())
        yield
        inside = sum(self.cpu_s.values()) - before
        self.cpu_s[part] += time.process_time() - start - inside

    def log_probs(self, inputs: list[np.ndarray]) -> Any:
        return self._asked("log_probs", inputs)

    def _asked(self, what: str, inputs: list[np.ndarray]) -> Any:
        key = (what, *map(id, inputs))
        if key not in self._known:
            if self.most is not None and sum(known[0] == what for known in self._known) >= self.most:
                self._known.clear()
            with self.timed(CTC):
                self._known[key] = list(inputs), getattr(self.model, what)(inputs)
        return self._known[key][1]

    def forget(self) -> None:
        """Let go of what was computed, also of what the model itself keeps."""
        self._known.clear()
        forget(self.model)


class _RememberingSearch(_Remembering):
    @property
    def transducer(self) -> Any:
        return getattr(self.model, "transducer", None)

    def hidden(self, inputs: list[np.ndarray]) -> Any:
        return self._asked("hidden", inputs)

    def search(self, *args: Any, **more: Any) -> Any:
        return self.model.search(*args, **more)


class _RememberingWriting(_Remembering):
    def __init__(self, model: Any, most: int | None):
        super().__init__(model, most)
        self.has_ctc = model.has_ctc
        second = getattr(model, "second", None)
        self.second = second and _Remembering(second, most)  # whose costs its user counts

    def write(self, inputs: list[np.ndarray], beam_size: int, n_best: int) -> list[list[Written]]:
        with self.timed(ATTENTION):
            return self.model.write(inputs, beam_size, n_best)

    def score_texts(self, inputs: list[np.ndarray], texts: list[list[str]]) -> list[list[float]]:
        with self.timed(SCORING):
            return self.model.score_texts(inputs, texts)


def forget(model: Any) -> None:
    """Let a model go of what it keeps for those who ask again; most keep nothing."""
    if hasattr(model, "forget"):
        model.forget()


def remembering(model: Model, most: int | None = None) -> Any:
    """``model``, which remembers at most ``most`` batches of inputs, and can search or write if it could."""
    kinds = {Searching: _RememberingSearch, Writing: _RememberingWriting}
    kind = next((kinds[one] for one in kinds if isinstance(model, one)), _Remembering)
    return kind(model, most)
