"""What differs between two texts, marked."""

from xlt.metrics.marked import marked


def test_marks_take_whole_letters():
    ref, hyp = marked("कि", "का", "char")
    assert (ref, hyp) == ([("कि", True)], [("का", True)])  # the vowel sign alone could not be shown
    assert marked("a tʃ", "a ʃ", "phone") == ([("a ", False), ("tʃ", True)], [("a ", False), ("ʃ", True)])
    assert marked("", "", "char") == ([], [])
