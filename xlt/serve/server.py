"""What all requests of a server share."""

from __future__ import annotations

import asyncio
import datetime
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.log import say
from xlt.serve import Limits
from xlt.serve.access import Access, Rates
from xlt.serve.corrections import Corrections
from xlt.serve.jobs import Answer, Job
from xlt.serve.metrics import Metrics
from xlt.serve.pool import Pool
from xlt.serve.problems import Problem
from xlt.serve.routes import Routes
from xlt.stream.kept import Kept

if TYPE_CHECKING:
    from xlt.serve.conversation import Conversation
    from xlt.serve.stream import Stream


class Server:
    """``folder``: for uploads while they are transcribed; ``log_texts``: whether the log may hold what was
    recognised; ``uploads``: requests whose body is being received; ``corrections``: where those that people
    give are stored, None where they are not asked for; ``routes``: languages of other servers."""

    def __init__(self, pool: Pool, limits: Limits, access: Access, folder: Path, log_texts: bool = False):
        self.pool, self.limits, self.access, self.folder = pool, limits, access, folder
        self.log_texts = log_texts
        self.rates, self.metrics = Rates(limits.rate), Metrics()
        self.uploads = 0
        self.corrections: Corrections | None = None
        self.routes = Routes()
        self.threads = ThreadPoolExecutor(limits.streams, "stream")  # in which sessions wait for workers
        self.talking: dict[str, Stream] = {}  # by their tokens, those that may be resumed
        self.kept: Kept[Conversation] = Kept(limits.keep_s, limits.streams)

    @property
    def languages(self) -> tuple[str, ...]:
        return self.pool.languages

    @property
    def offered(self) -> tuple[str, ...]:
        """Those of the bundle, and those that other servers speak."""
        return (*self.pool.languages, *self.routes.table)

    @property
    def tells_languages(self) -> bool:
        """Whether clients may leave the language to the server."""
        return self.pool.tells_languages

    async def run(self, job: Job) -> Answer:
        """Give a job to a worker and wait; Busy, Refused or Lost. If the caller is cancelled, the job is."""
        self.pool.submit(job)
        try:
            answer = await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            job.give_up()
            raise
        self.metrics.work_s += answer.work_s
        return answer

    def upload_ended(self) -> None:
        """One of :attr:`uploads` is no longer needed."""
        self.uploads -= 1

    def defect(self) -> Problem:
        """Of xlt; the log of the server has more."""
        return Problem(500, "a defect of this server; its log says more: report it to its owner", "defect")

    def log(self, line: str) -> None:
        """A line with the time."""
        say(f"{datetime.datetime.now().isoformat(sep=' ', timespec='seconds')} {line}")

    def log_text(self, text: str) -> None:
        """What was recognised, if the log may hold it."""
        if self.log_texts and text:
            self.log(f"  {text}")
