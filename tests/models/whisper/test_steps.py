"""What stands in a step of the CTC head that learns alone, and the time that is left behind it."""

from types import SimpleNamespace

import pytest

from tests.lazy import Lazy
from xlt.core.errors import StageError
from xlt.models.budget import Budget

fit = Lazy("xlt.models.whisper.fit")


def grouped(lengths, most):
    clips = [SimpleNamespace(utt=str(n)) for n in range(len(lengths))]
    found = fit.groups_of(clips, {str(n): length for n, length in enumerate(lengths)}, most)
    return [[int(clip.utt) for clip in group] for group in found]


def test_short_clips_are_eight_to_a_step():
    assert grouped([90] * 18, most=1000) == [list(range(8)), list(range(8, 16)), [16, 17]]


def test_long_clips_are_as_many_as_the_frames_allow():
    assert grouped([400, 450, 500, 500, 501, 1500, 10], most=1000) == [[0, 1], [2, 3], [4], [5], [6]]


def test_padding_counts():
    assert grouped([10, 10, 600], most=1000) == [[0, 1], [2]]


def epochs(hours, spent_s, capsys):
    """Of ten, with 60 seconds an epoch."""
    found = Budget(hours, on_cpu=True).plan(10, lambda n: 60.0 * n, begun_s=spent_s)
    return found.epochs, capsys.readouterr().out


@pytest.mark.parametrize(("spent_s", "left"), [(0, 6), (59, 5), (120, 4)])
def test_what_the_head_took_is_gone_from_the_hours(spent_s, left, capsys):
    found, out = epochs(0.1, spent_s, capsys)
    assert found == left and f"{left} epochs of about 60 s" in out and "more than train.max_hours=0.1" in out


def test_no_time_left(capsys):
    with pytest.raises(StageError) as raised:
        epochs(0.1, 301, capsys)
    assert "train.max_hours=0.1" in str(raised.value) and "no time is left" in str(raised.value)
