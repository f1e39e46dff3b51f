"""Counts of a server in Prometheus's text format
(https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from __future__ import annotations

import bisect
import collections
from collections.abc import Mapping
from dataclasses import dataclass, field

from xlt.serve.pool import Pool

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass
class Metrics:
    """``requests``: (what was asked, status) → how often; ``seconds``: how many answers took how long, in
    :data:`BOUNDS_S`, the last for longer ones; no label holds anything that a client wrote."""

    requests: collections.Counter[tuple[str, int]] = field(default_factory=collections.Counter)
    seconds: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    total_s: float = 0.0
    audio_s: float = 0.0
    work_s: float = 0.0
    streams: int = 0

    def request(self, what: str, status: int, seconds: float) -> None:
        """One more answer; only that of a transcription counts among ``seconds``."""
        self.requests[what, status] += 1
        if what == "transcriptions" and status == 200:
            self.seconds[bisect.bisect_left(BOUNDS_S, seconds)] += 1
            self.total_s += seconds

    def render(self, pool: Pool) -> str:
        """The page."""
        lines: list[str] = []

        def add(name: str, kind: str, what: str, rows: Mapping[str, float]) -> None:
            lines.extend([f"# HELP xlt_{name} {what}", f"# TYPE xlt_{name} {kind}"])
            lines.extend(f"xlt_{name}{labels} {value}" for labels, value in rows.items())

        answers = {
            f'{{what="{what}",status="{status}"}}': count
            for (what, status), count in sorted(self.requests.items())
        }
        add("requests_total", "counter", "Answers by status.", answers)
        buckets, below = {}, 0
        for bound, count in zip([*map(str, BOUNDS_S), "+Inf"], self.seconds, strict=True):
            below += count
            buckets[f'_bucket{{le="{bound}"}}'] = below
        times = {**buckets, "_sum": round(self.total_s, 6), "_count": below}
        add("request_seconds", "histogram", "Time to the answer of a transcription.", times)
        for name, kind, what, value in (
            ("audio_seconds_total", "counter", "Sound that was read.", round(self.audio_s, 3)),
            ("work_seconds_total", "counter", "Time of workers.", round(self.work_s, 3)),
            ("streams", "gauge", "Open WebSockets.", self.streams),
            ("jobs_waiting", "gauge", "Jobs in the queue.", pool.waiting),
            ("jobs_running", "gauge", "Jobs at work.", pool.busy),
            ("queue_size", "gauge", "Jobs that may wait.", pool.room),
            ("workers_ready", "gauge", "Workers that are alive.", pool.ready),
            ("worker_restarts_total", "counter", "Workers that were replaced.", pool.restarts),
        ):
            add(name, kind, what, {"": value})
        return "\n".join(lines) + "\n"
