"""What a person is told of a transcript without text."""

from xlt.bundle.noticed import without_text


def piece(start_s, text="", **more):
    return {"start_s": start_s, "end_s": start_s + 1, "text": text, "score": 0.0, "words": [], **more}


def test_why_there_is_no_text():
    assert "--vad off" in without_text([])
    assert without_text([piece(0), piece(1)]) == "no text: it is silent"
    assert without_text([piece(0), piece(1, "a")]) == ""
    assert without_text([piece(0, lang=None, lang_confidence=0.4)]) == ""  # told by the languages
    some = without_text([piece(0, "a"), *(piece(n, blank=True) for n in range(3, 10))])
    assert some.startswith("no text at 3.0–4.0 s, ") and "7.0–8.0 s and 2 more places: the model" in some
