"""Where a stream comes from: a file, a pipe, the microphone.

n samples. A block is what was read at once, float32 in [-1, 1] of one channel.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

import numpy as np

from xlt.audio.files import SAMPLE_RATE, read_blocks
from xlt.core.errors import DataError
from xlt.stream.wav_header import read_header

BLOCK_S = 0.1


class Block(NamedTuple):
    """``place``: of its first sample in the stream; ``rate`` in Hz."""

    place: int
    samples: np.ndarray
    rate: int

    @property
    def end_s(self) -> float:
        """Where it ends in the stream."""
        return (self.place + len(self.samples)) / self.rate


def of_file(path: str) -> Iterator[Block]:
    """A sound file of any form, at 16 kHz; DataError as of :func:`xlt.audio.files.read_blocks`."""
    step, place = round(BLOCK_S * SAMPLE_RATE), 0
    for samples in read_blocks(path):
        for start in range(0, len(samples), step):
            block = Block(place, samples[start : start + step], SAMPLE_RATE)
            place += len(block.samples)
            yield block


def of_pipe(file: IO[bytes], rate: int, name: str = "-") -> Iterator[Block]:
    """What is read from a pipe until it is closed, as soon as it is there: WAV, or without a header 16-bit
    samples of one channel, little-endian, at ``rate``. A broken last sample is left out. DataError for other
    WAV, and for nothing.
    """
    form, rest, left = read_header(file, rate, name)
    step, place = round(BLOCK_S * form.rate) * form.width, 0
    read = getattr(file, "read1", file.read)  # not more than is there
    while True:
        if whole := len(rest) // form.width * form.width:
            samples = form.samples(rest[:whole])
            rest = rest[whole:]
            yield Block(place, samples, form.rate)
            place += len(samples)
        if not (data := read(int(min(left, max(1, step - len(rest)))))):
            break
        rest, left = rest + data, left - len(data)
    if not place:
        raise DataError(f"{name}: holds no samples; send 16-bit samples of one channel, or WAV")


def in_real_time(
    blocks: Iterator[Block],
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Block]:
    """Each block when a microphone would give it: at its end, counted from the first, so that no delay adds
    up."""
    start = now()
    for block in blocks:
        if (wait_s := start + block.end_s - now()) > 0:
            sleep(wait_s)
        yield block


class Buffered:
    """Reads ``blocks`` in a thread, and keeps at most ``most_s`` seconds of them.

    ``drops``: what comes while it is full is dropped, as a microphone does not wait: the next block's place
    says how much; without it the source waits, and so does whoever writes into a pipe. Iterate over it: a
    block, or None where none came for a moment. An error of the source is raised there, behind its blocks.
    """

    def __init__(self, blocks: Iterator[Block], most_s: float, drops: bool = False, wait_s: float = 0.2):
        self._blocks, self._drops, self._wait_s = blocks, drops, wait_s
        self._queue: queue.Queue[Block | BaseException | None] = queue.Queue(max(2, round(most_s / BLOCK_S)))
        self._stopped = threading.Event()
        self._read_s = self._given_s = 0.0  # where the last block that was read ends, and that was given
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def behind_s(self) -> float:
        """Seconds of sound that were read and not heard."""
        return max(0.0, self._read_s - self._given_s)

    def stop(self) -> None:
        """Read no more; what was read is still given."""
        self._stopped.set()

    def __iter__(self) -> Iterator[Block | None]:
        while True:
            try:
                found = self._queue.get(timeout=self._wait_s)
            except queue.Empty:
                if self._stopped.is_set():
                    return
                yield None
                continue
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            self._given_s = found.end_s
            yield found

    def _read(self) -> None:
        end: BaseException | None = None
        try:
            for block in self._blocks:
                if self._stopped.is_set():
                    break
                self._put(block)
        except Exception as err:  # belongs to whoever iterates
            end = err
        if close := getattr(self._blocks, "close", None):  # of a generator, which ends its recorder
            close()
        while not self._stopped.is_set():
            try:
                self._queue.put(end, timeout=self._wait_s)
                return
            except queue.Full:
                continue

    def _put(self, block: Block) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(block, timeout=0 if self._drops else self._wait_s)
                self._read_s = block.end_s
                return
            except queue.Full:
                if self._drops:
                    return
