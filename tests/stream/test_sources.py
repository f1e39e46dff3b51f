"""Sound of files, pipes and microphones, block by block."""

import io
import itertools
import threading

import numpy as np
import pytest
import soundfile

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.stream.sources import Block, Buffered, in_real_time, of_file, of_pipe

RATE = 16000


def ramp(count):
    return (np.arange(count) % 30000).astype("<i2")


def joined(blocks):
    """All samples as 16-bit numbers; each block begins where the last one ended."""
    found = []
    for block in blocks:
        assert block.place == sum(map(len, found))
        found.append(block.samples)
    return np.round(np.concatenate(found) * 32768).astype(int)


class Slow(io.BytesIO):
    """A pipe that gives little at once, and never where a sample ends."""

    def read1(self, size=-1):
        return super().read(min(size, 77))


@pytest.mark.parametrize("kind", [io.BytesIO, Slow])
def test_raw_samples_of_a_pipe(kind):
    blocks = list(of_pipe(kind(ramp(5000).tobytes() + b"\x01"), 8000))  # half a sample at the end
    assert np.array_equal(joined(blocks), ramp(5000)) and {block.rate for block in blocks} == {8000}
    assert max(len(block.samples) for block in blocks) <= 800


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_32", "FLOAT"])
@pytest.mark.parametrize("kind", [io.BytesIO, Slow])
def test_wav_of_a_pipe(subtype, kind):
    """The mean of its channels, at its own rate, without what stands behind the samples."""
    file = io.BytesIO()
    left = ramp(3000)
    soundfile.write(file, np.stack([left, left * 0], axis=1) / 32768, 44100, subtype, format="WAV")
    blocks = list(of_pipe(kind(file.getvalue() + b"LIST\x04\0\0\0abcd"), RATE))
    assert np.abs(joined(blocks) - left / 2).max() <= 1 and {block.rate for block in blocks} == {44100}


@pytest.mark.parametrize("length", [None, 0, (1 << 64) - 1])
def test_rf64_of_a_pipe(length):
    """Its length stands in 64 bits in front of the samples, unless the program did not know it, either."""
    file = io.BytesIO()
    soundfile.write(file, ramp(3000), 44100, "PCM_16", format="RF64")
    data = bytearray(file.getvalue())
    assert data[:4] == b"RF64" and data[12:16] == b"ds64"
    if length is not None:
        data[28:36] = length.to_bytes(8, "little")
    blocks = list(of_pipe(Slow(bytes(data) + (b"" if length is not None else b"LIST\4\0\0\0abcd")), RATE))
    assert np.array_equal(joined(blocks), ramp(3000)) and {block.rate for block in blocks} == {44100}


@pytest.mark.parametrize("form", ["OGG", "FLAC", "AIFF", "CAF", "AU", "W64"])
def test_other_formats_are_not_heard_as_noise(form):
    file = io.BytesIO()
    soundfile.write(file, ramp(3000) / 32768, RATE, format=form)
    with raises(DataError, "ffmpeg", where="-"):
        list(of_pipe(io.BytesIO(file.getvalue()), RATE))
    with raises(DataError, "MP4", where="-"):
        list(of_pipe(io.BytesIO(b"\0\0\0\x20ftypisom" + bytes(100)), RATE))


def test_wav_of_a_program_that_did_not_know_its_length():
    file = io.BytesIO()
    soundfile.write(file, ramp(3000), RATE, format="WAV")
    data = file.getvalue()
    place = data.index(b"data") + 4
    endless = data[:place] + b"\xff\xff\xff\xff" + data[place + 4 :] + ramp(100).tobytes()
    assert len(joined(of_pipe(io.BytesIO(endless), RATE))) == 3100


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        (b"", ()),
        (b"\0", ()),
        (b"RIFF\0\0\0\0WAVE", ("ffmpeg",)),
        (b"RIFF\0\0\0\0WAVEdata\x08\0\0\0" + bytes(8), ("ffmpeg",)),
        (b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f" + bytes(8), ("ffmpeg",)),
        (b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0\x01\0", ("ffmpeg",)),
        (
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\x08\0\0\0"
            + bytes(8),
            ("7", "8"),  # µ-law
        ),
        (
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\0\0\0\xff\0\0\0\0\x02\0\x10\0data\x08\0\0\0"
            + bytes(8),
            ("4278190080", "ffmpeg"),  # samples a second
        ),
    ],
)
def test_pipes_without_sound(data, facts):
    with raises(DataError, *facts, where="microphone"):
        list(of_pipe(io.BytesIO(data), RATE, "microphone"))


@pytest.mark.parametrize("count", [1, 6, 7])
def test_a_pipe_with_no_more_than_a_header_has_is_heard(count):
    """12 bytes of it are read in front to see whether it is WAV."""
    assert np.array_equal(joined(of_pipe(io.BytesIO(ramp(count).tobytes()), RATE)), ramp(count))


def test_a_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", ramp(4000), RATE)
    blocks = list(of_file(str(tmp_path / "a.wav")))
    assert np.array_equal(joined(blocks), ramp(4000)) and len(blocks) == 3


def numbered(count):
    for number in range(count):
        yield Block(number * 1600, np.zeros(1600, np.float32), RATE)


def test_real_time_is_counted_from_the_beginning():
    """What takes long between two blocks, here 0.25 s, is made up for."""
    clock, waited = [0.0], []

    def sleep(seconds):
        waited.append(seconds)
        clock[0] += seconds

    for number, _ in enumerate(in_real_time(numbered(6), lambda: clock[0], sleep)):
        assert clock[0] == pytest.approx([0.1, 0.2, 0.45, 0.45, 0.5, 0.6][number])
        clock[0] += 0.25 if number == 1 else 0
    assert len(waited) == 4


def test_who_can_wait_loses_nothing():
    source = Buffered(numbered(50), most_s=0.3)
    assert [block.place for block in source] == [1600 * n for n in range(50)]


def test_a_microphone_does_not_wait():
    """More comes than is taken: what is dropped is missing between the places of the others."""
    given = threading.Event()

    def blocks():
        yield from numbered(50)
        given.set()
        yield Block(80000, np.zeros(1600, np.float32), RATE)

    source = Buffered(blocks(), most_s=0.5, drops=True)
    assert given.wait(60)
    assert source.behind_s == pytest.approx(0.5)
    places = [block.place for block in itertools.islice(source, 5)]
    assert places == [0, 1600, 3200, 4800, 6400]


def test_how_far_behind_counts_sound_not_blocks():
    """A pipe may give less than a usual block at once."""
    given = threading.Event()

    def blocks():
        for number in range(6):
            yield Block(number * 320, np.zeros(320, np.float32), RATE)
        given.set()

    source = Buffered(blocks(), most_s=5.0)
    assert given.wait(60) and source.behind_s == pytest.approx(0.12)
    assert [source.behind_s for block in source if block] == pytest.approx([0.1, 0.08, 0.06, 0.04, 0.02, 0.0])


def test_an_error_comes_behind_its_blocks():
    def blocks():
        yield from numbered(2)
        raise DataError("a.wav: breaks off; copy it again")

    found = []
    with raises(DataError, where="a.wav"):
        for block in Buffered(blocks(), 5.0):
            found += [block.place] if block else []
    assert found == [0, 1600]


def test_a_source_that_is_stopped_ends_and_is_closed():
    closed = threading.Event()

    def blocks():
        try:
            yield from (block for _ in itertools.count() for block in numbered(1))
        finally:
            closed.set()

    source, count = Buffered(blocks(), 0.5, wait_s=0.01), 0
    for block in source:
        count += block is not None
        if count == 3:
            source.stop()
    assert closed.wait(60) and 3 <= count <= 10


def test_where_nothing_comes_nothing_is_waited_for():
    more = threading.Event()

    def blocks():
        yield from numbered(1)
        more.wait(60)

    source = Buffered(blocks(), 5.0, wait_s=0.01)
    assert None in itertools.islice(itertools.dropwhile(lambda block: block is None, source), 2)
    more.set()
