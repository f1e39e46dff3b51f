"""What is kept of a client whose connection is lost, until it comes back."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable


class Kept[State]:
    """States by their tokens, which nobody can guess: each for ``keep_s`` seconds, and ``most`` of them, of
    which the oldest is dropped for a new one. ``now``: a clock in seconds.
    """

    def __init__(self, keep_s: float, most: int, now: Callable[[], float] = time.monotonic):
        self.keep_s, self.most, self._now = keep_s, most, now
        self._states: dict[str, tuple[float, State]] = {}  # the oldest first

    def __len__(self) -> int:
        self.forget()
        return len(self._states)

    @staticmethod
    def token() -> str:
        """A new one."""
        return secrets.token_urlsafe(16)

    def put(self, token: str, state: State) -> None:
        """Keep a state; it is dropped at once where none is kept."""
        self._states.pop(token, None)
        self._states[token] = self._now(), state
        while len(self._states) > self.most:
            del self._states[next(iter(self._states))]
        self.forget()

    def take(self, token: str) -> State | None:
        """The state, which is not kept any more; None if there is none, or was it too long ago."""
        self.forget()
        return self._states.pop(token, (0.0, None))[1]

    def forget(self) -> None:
        """Drop what was kept for long enough."""
        oldest = self._now() - self.keep_s
        for token in [token for token, (since, _) in self._states.items() if since < oldest]:
            del self._states[token]
