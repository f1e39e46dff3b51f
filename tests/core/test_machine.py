import ctypes
from types import SimpleNamespace

import pytest

from xlt.core.machine import trim_memory


def test_freed_memory_is_given_back_where_the_c_library_can(monkeypatch):
    asked = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=asked.append))
    trim_memory()
    assert asked == [0]


@pytest.mark.parametrize("library", [lambda name: SimpleNamespace(), lambda name: ctypes.cdll.nosuch])
def test_where_it_cannot_nothing_happens(monkeypatch, library):
    """musl and macOS."""
    monkeypatch.setattr(ctypes, "CDLL", library)
    trim_memory()
