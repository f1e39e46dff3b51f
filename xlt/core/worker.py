"""``python -m xlt.core.worker``: a process of :class:`xlt.core.executor.Local`.

It reads messages from standard input and answers each on standard output; the first one says which work it
is. It ends when its input ends, so no worker outlives what started it.
"""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from queue import Queue
from threading import Thread
from typing import IO, Any

from xlt.core.errors import StageError, XltError
from xlt.core.executor import HEAD, Work, framed


class PrefetchingWorker:
    """Runs messages of a :class:`Work` one after the other; the next one is prepared while one is run."""

    def __init__(self, work: Work):
        self.work = work

    def run(self, messages: Iterable[Any]) -> Iterator[Any]:
        """An answer a message, in order; or the exception that it met. ``messages`` is read in a thread."""
        ready: Queue = Queue(maxsize=1)  # (message, what prepare gave, what went wrong), None at the end

        def read() -> None:
            try:
                for message in messages:
                    try:
                        ready.put((message, self.work.prepare(message), None))
                    except Exception as err:
                        ready.put((message, None, err))
            finally:
                ready.put(None)

        Thread(target=read, daemon=True).start()
        while (item := ready.get()) is not None:
            message, prepared, error = item
            try:
                if error is not None:
                    raise error
                yield self.work.run(message, prepared)
            except Exception as err:
                yield err


def _messages(pipe: IO[bytes]) -> Iterator[Any]:
    while len(head := pipe.read(HEAD.size)) == HEAD.size:
        yield pickle.loads(pipe.read(HEAD.unpack(head)[0]))


def portable(err: Exception) -> Exception:
    """``err``, a defect with its traceback as a note; StageError in its place if it cannot be pickled."""
    if not isinstance(err, (XltError, OSError)):
        err.add_note("".join(traceback.format_exception(err)).rstrip())
    try:
        pickle.loads(pickle.dumps(err))
    except Exception:
        return StageError(f"{type(err).__name__}: {err}")
    return err


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the stage, which ends its workers
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    messages = _messages(sys.stdin.buffer)
    first = next(messages)
    module, _, name = first["work"].partition(":")
    work = getattr(importlib.import_module(module), name)(first["setup"], first["number"])
    for answer in PrefetchingWorker(work).run(messages):
        answers.write(framed(portable(answer) if isinstance(answer, Exception) else answer))
        answers.flush()


if __name__ == "__main__":
    try:
        main()
    except Exception:
        traceback.print_exc()
        os._exit(1)  # a thread still waits for input, over which the interpreter's own end would stumble
