"""Where a recording is cut. Frames of voice activity are 32 ms; expected ranges are counted by hand."""

import numpy as np
import pytest

from xlt.audio.cut import CHUNK, Cut, Lengths, phrases, pieces, speech
from xlt.audio.voice import FRAME

USUAL_32 = Lengths(usual_s=32 * 0.032, longest_s=100 * 0.032)  # 32 and 100 frames


def marks(*spoken: tuple[int, int], count: int) -> np.ndarray:
    """Probabilities of ``count`` frames, 0.9 in these ranges and 0.1 elsewhere."""
    found = np.full(count, 0.1, np.float32)
    for start, end in spoken:
        found[start:end] = 0.9
    return found


def test_a_phrase_ends_where_it_is_quiet_for_a_fifth_of_a_second():
    # gaps of 6 frames, 0.192 s, and of 7 frames, 0.224 s
    assert phrases(marks((10, 20), (26, 30), (37, 40), count=60)) == [(10, 30), (37, 40)]
    assert phrases(marks((50, 60), count=60)) == [(50, 60)]  # nobody waits for the end
    assert phrases(marks(count=60)) == []


def test_between_both_thresholds_speech_goes_on_but_does_not_begin():
    found = marks((10, 20), count=60)
    found[0:5] = found[20:40] = 0.4
    assert phrases(found) == [(10, 40)]


def ranges(found: np.ndarray, lengths: Lengths) -> list[tuple[int, int]]:
    return [(one.first, one.last) for one in speech(found, lengths)]


def test_phrases_are_put_together_up_to_the_usual_length_and_parted_at_the_longest_pause():
    # 10 frames each: the first two and the third have 8 and 12 frames between them and are 50 long, above 32
    found = ranges(marks((20, 30), (38, 48), (60, 70), count=100), USUAL_32)
    # 5 frames (0.15 s) of silence around each
    assert found == [(15, 53), (55, 75)]


def test_of_a_short_pause_each_piece_gets_half():
    lengths = Lengths(usual_s=20 * 0.032, longest_s=100 * 0.032)
    assert ranges(marks((20, 30), (38, 48), count=60), lengths) == [(15, 34), (34, 53)]


def test_a_long_pause_parts_whatever_the_lengths():
    found = ranges(marks((20, 25), (57, 62), count=90), Lengths(usual_s=30, longest_s=30))  # 1.02 s between
    assert found == [(15, 30), (52, 67)]


def test_a_phrase_without_pauses_is_cut_where_speech_is_least_likely():
    found = marks((10, 180), count=200)
    found[80:83] = 0.6  # in the second half of 100 frames behind frame 10
    first, second = ranges(found, USUAL_32)
    assert first[0] == 5 and first[1] == second[0] == pytest.approx(81, abs=1) and second[1] == 185


def test_clicks_and_silence_are_no_speech():
    assert list(pieces([recording((100, 103), count=300)], USUAL_32, Said())) == []  # 0.096 s
    assert list(pieces([recording(count=300)], USUAL_32, Said())) == []
    assert list(pieces([], USUAL_32, Said())) == []


class Said:
    """A voice that hears what is louder than 0.5."""

    def __call__(self, samples):
        whole = np.pad(samples, (0, -len(samples) % FRAME)).reshape(-1, FRAME)
        return (np.abs(whole).max(axis=1) > 0.5).astype(np.float32)


def recording(*spoken: tuple[int, int], count: int) -> np.ndarray:
    """Sound of ``count`` frames, each sample another, so that it is known by its values."""
    found = np.arange(count * FRAME, dtype=np.float32) / (count * FRAME) / 10
    for start, end in spoken:
        found[start * FRAME : end * FRAME] += 0.6
    return found


def test_a_recording_like_a_clip_is_one_piece():
    samples = recording((10, 40), count=60)[:-100]
    (found,) = pieces([samples], USUAL_32, Said())
    assert found.start == 0 and np.array_equal(found.samples, samples)


def test_a_clip_with_a_long_silence_is_cut():
    (found,) = pieces([recording((60, 80), count=90)], USUAL_32, Said())  # 60 frames are 1.9 s
    assert (found.start, len(found.samples)) == (55 * FRAME, 30 * FRAME)


@pytest.mark.parametrize("block", [100, 7 * FRAME + 1, 10**9])
def test_blocks_of_any_size_give_the_same_pieces(block):
    rng = np.random.default_rng(0)
    spoken, at = [], 5
    while at < 4500:
        end = at + int(rng.integers(5, 150))
        spoken.append((at, end))
        at = end + int(rng.integers(1, 40)) + 300 * (rng.random() < 0.02)
    samples = recording(*spoken, count=4600)[: 4600 * FRAME - 77]
    lengths = Lengths(usual_s=2.0, longest_s=4.0)
    whole = ranges(Said()(samples), lengths)  # without chunks: what nothing can be lost of
    blocks = (samples[i : i + block] for i in range(0, len(samples), block))
    found = list(pieces(blocks, lengths, Said()))
    assert len(samples) > 4 * CHUNK
    assert [(one.start // FRAME, -(-(one.start + len(one.samples)) // FRAME)) for one in found] == whole
    for one in found:
        assert np.array_equal(one.samples, samples[one.start : one.start + len(one.samples)])


def test_no_more_than_some_chunks_are_kept():
    alive, most = 0, 0

    def blocks():
        for number in range(400):
            yield recording((0, 30), count=50) + number * 1e-4

    for piece in pieces(blocks(), Lengths(2.0, 4.0), Said()):
        assert isinstance(piece, Cut)
        base = piece.samples.base
        most = max(most, 0 if base is None else len(base))
        alive += 1
    assert alive > 300 and most == 0  # pieces are copies, and keep no chunk alive


def test_without_voice_activity_nothing_is_left_out():
    samples = np.random.default_rng(0).normal(size=70 * 16000).astype(np.float32)
    found = list(pieces([samples], Lengths(5.0, 20.0), None))
    assert np.array_equal(np.concatenate([one.samples for one in found]), samples)
    assert max(len(one.samples) for one in found) <= 20 * 16000
