"""Work that is done in several processes, answers in the order of the work."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from xlt.core.errors import DataError


def _quiet_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle


def spread[Job, Answer](
    function: Callable[[Job], Answer], work: Sequence[Job], jobs: int, what: str
) -> Iterator[Answer]:
    """``function`` of each piece of ``work``, in at most ``jobs`` processes.

    DataError if one of them dies; ``what`` says in it what they did, e.g. "decoded clips".
    """
    jobs = min(jobs, len(work))
    if jobs <= 1:
        yield from map(function, work)
        return
    context = multiprocessing.get_context("forkserver")  # a fork of a process that has threads may hang
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_quiet_worker)
    try:
        yield from pool.map(function, work, chunksize=8)
    except BrokenProcessPool:
        raise DataError(
            f"a process that {what} was killed, perhaps for want of memory; run the same command again with a"
            " smaller nj: it goes on from here"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
