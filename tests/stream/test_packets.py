"""Packets in an order that is not theirs."""

import numpy as np
import pytest

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.stream.packets import Packets


def packet(first, count):
    return np.arange(first, first + count, dtype=np.float32)


def taken(packets, *given):
    """Samples that follow when packets (place, count) come; lost ones are 0."""
    parts = [one for place, count in given for one in packets.take(place, packet(place, count))]
    return np.concatenate([np.zeros(0, np.float32), *parts]).astype(int).tolist()


def test_out_of_order():
    packets = Packets(100)
    assert taken(packets, (0, 3), (6, 3)) == [0, 1, 2]
    assert taken(packets, (3, 3)) == [3, 4, 5, 6, 7, 8]
    assert (packets.expected, packets.late, packets.again, packets.lost) == (9, 1, 0, [])


def test_twice_and_in_parts():
    packets = Packets(100)
    assert taken(packets, (0, 4), (0, 4), (2, 4), (5, 3)) == list(range(8))
    assert packets.again == 4 + 2 + 1 and packets.late == 0


def test_the_longer_of_two_that_wait():
    packets = Packets(100)
    assert taken(packets, (0, 1), (2, 2), (2, 4), (2, 3), (1, 1)) == list(range(6))


def test_silence_stands_for_what_does_not_come():
    """Two seconds of later sound are waited for, here 200 samples; then the gap is filled."""
    packets = Packets(100)
    assert taken(packets, (0, 1), (3, 200)) == [0]
    assert taken(packets, (203, 1)) == [0, 0, *range(3, 204)]
    assert packets.lost == [(1, 3)]
    assert taken(packets, (1, 2)) == [] and packets.again == 2


def test_packets_that_overlap_wait_up_to_twice_as_much():
    """Else a client could have the same two seconds kept any number of times."""
    packets = Packets(100)
    assert taken(packets, (0, 1), (2, 100), (3, 100), (4, 100), (5, 100)) == [0]
    assert taken(packets, (6, 1)) == [0, *range(2, 105)]
    assert packets.lost == [(1, 2)]


def test_only_so_many_packets_wait(monkeypatch):
    monkeypatch.setattr("xlt.stream.packets.MOST", 2)
    packets = Packets(100)
    assert taken(packets, (0, 1), (2, 1), (4, 1)) == [0]
    assert taken(packets, (6, 1)) == [0, 2]
    assert packets.lost == [(1, 2)]


def test_a_gap_is_filled_at_once_where_nothing_can_be_late():
    packets = Packets(100, wait_s=0.0)
    assert taken(packets, (0, 1), (3, 2)) == [0, 0, 0, 3, 4] and packets.lost == [(1, 3)]


def test_the_end_does_not_wait():
    packets = Packets(100)
    taken(packets, (2, 1), (4, 1))
    assert np.concatenate(list(packets.rest())).tolist() == [0, 0, 2, 0, 4]
    assert packets.lost == [(0, 2), (3, 4)] and list(packets.rest()) == []


@pytest.mark.parametrize("place", [-1, 100 * 60 + 1])
def test_places_that_cannot_be(place):
    with raises(DataError, where=f"place={place}"):
        list(Packets(100).take(place, packet(0, 1)))
