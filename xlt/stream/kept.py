"""What is kept of a client whose connection is lost, until it comes back."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable


class Kept[State]:
    """States by their tokens, which nobody can guess: each for ``keep_s`` seconds, and ``most`` of them. For
    a new one, the oldest is dropped of the client that has most of them, so that nobody pushes others out.
    ``now``: a clock in seconds.
    """

    def __init__(self, keep_s: float, most: int, now: Callable[[], float] = time.monotonic):
        self.keep_s, self.most, self._now = keep_s, most, now
        self._states: dict[str, tuple[float, State, str]] = {}  # the oldest first, each with its client

    def __len__(self) -> int:
        self.forget()
        return len(self._states)

    @staticmethod
    def token() -> str:
        """A new one."""
        return secrets.token_urlsafe(16)

    def put(self, token: str, state: State, client: str = "") -> None:
        """Keep a state of ``client``; it is dropped at once where none is kept."""
        self.forget()
        self._states.pop(token, None)
        self._states[token] = self._now(), state, client
        while len(self._states) > self.most:
            counts = Counter(whose for _, _, whose in self._states.values())
            most = max(counts.values())
            full = (known for known, (_, _, whose) in self._states.items() if counts[whose] == most)
            del self._states[next(full)]

    def take(self, token: str) -> State | None:
        """The state, which is not kept any more; None if there is none, or was it too long ago."""
        self.forget()
        return self._states.pop(token, (0.0, None, ""))[1]

    def forget(self) -> None:
        """Drop what was kept for long enough."""
        oldest = self._now() - self.keep_s
        for token in [token for token, (since, _, _) in self._states.items() if since < oldest]:
            del self._states[token]
