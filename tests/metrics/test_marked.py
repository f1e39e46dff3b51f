"""What differs between two texts, marked."""

from xlt.metrics.marked import marked, merged


def test_marks_take_whole_letters():
    ref, hyp = marked("कि", "का", "char")
    assert (ref, hyp) == ([("कि", True)], [("का", True)])  # the vowel sign alone could not be shown
    assert marked("a tʃ", "a ʃ", "phone") == ([("a ", False), ("tʃ", True)], [("a ", False), ("ʃ", True)])
    assert marked("", "", "char") == ([], [])


def test_both_texts_as_one():
    assert merged("un ou", "un au", "char") == [("", "un "), ("-", "o"), ("+", "a"), ("", "u")]
    assert merged("abc", "abc", "char") == [("", "abc")] and merged("", "", "char") == []
    assert merged("abc", "", "char") == [("-", "abc")] and merged("", "ab", "char") == [("+", "ab")]
    assert merged("ac", "abc", "char") == [("", "a"), ("+", "b"), ("", "c")]
    assert merged("a tʃ b", "a b", "phone") == [("", "a "), ("-", "tʃ "), ("", "b")]


def test_in_one_text_too_a_mark_goes_with_its_letter():
    # the vowel sign differs, then the letter below it, then there is no sign
    assert merged("कि", "का", "char") == [("-", "कि"), ("+", "का")]
    assert merged("अकि", "अगि", "char") == [("", "अ"), ("-", "कि"), ("+", "गि")]
    assert merged("अकि", "अक", "char") == [("", "अ"), ("-", "कि"), ("+", "क")]


def test_both_texts_can_be_read_from_one():
    for ref, hyp in (("o pasăre rhea", "o pasere ria"), ("kitten", "sitting"), ("अकि कि", "का अगि")):
        made = merged(ref, hyp, "char")
        assert "".join(piece for kind, piece in made if kind != "+") == ref
        assert "".join(piece for kind, piece in made if kind != "-") == hyp
