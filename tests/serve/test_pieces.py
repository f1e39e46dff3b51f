"""What a worker remembers of pieces that are being spoken."""

import gc
import weakref

import numpy as np
import pytest

from xlt.core.errors import ConfigError
from xlt.serve import pieces
from xlt.serve.pieces import Pieces


class Stream:
    def __init__(self):
        self.partial = self.stable = ""

    def push(self, samples):
        self.partial += str(len(samples))


class Head:
    """``asked``: how often for its streams."""

    def __init__(self, streams=True):
        self.has, self.asked = streams, 0

    def streams(self):
        self.asked += 1
        if not self.has:
            raise ConfigError("made=False: does not stream; make another one")
        return self  # which holds the head, as those of bundles do

    def open(self, hotwords):
        return Stream()


def hear(own, lang, head, place=0, session=1):
    message = {"session": session, "number": 0, "place": place}
    return own.hear(lang, head, message, np.zeros(8, np.float32), None)


def test_a_piece_goes_on_where_it_was_heard_to():
    own, head = Pieces(), Head()
    assert hear(own, "ron", head) == {"known": True, "text": "8", "stable": ""}
    assert hear(own, "ron", head, 8)["text"] == "88"
    assert hear(own, "ron", head, 8) == {"known": False}  # a second time
    assert hear(own, "ron", head, 8, session=2) == {"known": False}
    assert head.asked == 1


@pytest.mark.parametrize("streams", [True, False])
def test_heads_that_the_bundle_drops_are_not_kept(monkeypatch, streams):
    """Nor is one asked that was loaded in the place of another, and is another one."""
    monkeypatch.setattr(pieces, "KEPT", 2)
    own, heads = Pieces(), {lang: Head(streams) for lang in ("ron", "cat", "ell")}
    gone = weakref.ref(heads["ron"])
    for lang, head in heads.items():
        assert own.streams(lang, head) is streams is own.streams(lang, head)
        assert head.asked == 1
    del heads["ron"], head
    gc.collect()
    assert gone() is None
    again = Head(not streams)
    assert own.streams("cat", again) is not streams
