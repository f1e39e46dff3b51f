from xlt.formats.ctm import write_ctm


def word(text, start, end, confidence):
    return {"text": text, "start_s": start, "end_s": end, "confidence": confidence}


def test_a_line_a_word_sorted_by_utterance(tmp_path):
    write_ctm(
        tmp_path / "ctm",
        {
            "b": [word("ană", 0.1, 0.34, 0.98765)],
            "a": [word("o", 0.0, 0.02, None), word("casă", 0.5, 1.0, 1.0)],
            "B": [],
        },
    )
    assert (tmp_path / "ctm").read_text(encoding="utf-8") == (
        "a 1 0.00 0.02 o\na 1 0.50 0.50 casă 1.0000\nb 1 0.10 0.24 ană 0.9877\n"
    )
