"""What is written, on terminals and elsewhere."""

import io
import json

import pytest

from xlt.stream import Final, Lost, Partial
from xlt.stream.screen import line, writer

DIM, PLAIN, AGAIN = "\033[2m", "\033[0m", "\r\033[K"
WORD = {"text": "una", "start_s": 0.0, "end_s": 0.4, "confidence": None}
EVENTS = [
    Partial("u", "", 0.0, 0.6),
    Partial("una ca", "una ", 0.0, 1.2),
    Final({"start_s": 0.0, "end_s": 2.5, "text": "una casă", "score": -1.0, "words": [WORD]}),
    Final({"start_s": 3.0, "end_s": 3.5, "text": "", "score": 0.0, "words": []}),
    Lost(5.0, 6.0),
    Final({"start_s": 7.0, "end_s": 8.0, "text": "da", "score": -1.0, "words": []}),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def written(form, out, beside=None):
    to = writer(form, out, beside or io.StringIO())
    for event in EVENTS:
        to.write(event)
    to.close()
    return out.getvalue()


def test_texts_without_a_terminal(capsys):
    assert written("txt", io.StringIO()) == "una casă\nda\n"
    assert "5.0–6.0 s" in capsys.readouterr().err


def test_subtitles():
    assert written("srt", io.StringIO()) == (
        "1\n00:00:00,000 --> 00:00:02,500\nuna casă\n\n2\n00:00:07,000 --> 00:00:08,000\nda\n\n"
    )


def test_a_line_of_a_terminal_is_overwritten():
    shown = written("txt", Terminal())
    begin = f"{AGAIN}{DIM}u{PLAIN}{AGAIN}una {DIM}ca{PLAIN}{AGAIN}una casă\n"
    assert shown.startswith(begin) and shown.endswith(f"{AGAIN}da\n{AGAIN}")


def test_partial_texts_beside_a_file():
    beside = Terminal()
    assert written("txt", io.StringIO(), beside) == "una casă\nda\n"
    assert f"una {DIM}ca{PLAIN}" in beside.getvalue() and "casă" not in beside.getvalue()


def test_json_lines():
    found = [json.loads(row) for row in written("jsonl", Terminal()).splitlines()]
    assert [one["type"] for one in found] == ["partial", "partial", "final", "final", "lost", "final"]
    assert found[1] == {"type": "partial", "start_s": 0.0, "end_s": 1.2, "text": "una ca", "stable": "una "}
    assert found[2]["text"] == "una casă" and found[2]["words"] == [WORD]
    assert found[4] == {"type": "lost", "start_s": 5.0, "end_s": 6.0}


@pytest.mark.parametrize(
    ("text", "stable", "columns", "expected"),
    [
        ("una casa", "una ", 80, f"una {DIM}casa{PLAIN}"),
        ("una casa", "una ", 3, f"{DIM}asa{PLAIN}"),
        ("una casa", "una casa", 4, "casa"),
        ("", "", 4, ""),
        ("漢字です", "漢字", 5, f"{DIM}です{PLAIN}"),  # two columns each
        ("e\u0301a", "", 2, f"{DIM}e\u0301a{PLAIN}"),  # an accent takes none
    ],
)
def test_the_end_of_a_long_text_is_shown(text, stable, columns, expected):
    assert line(Partial(text, stable, 0.0, 1.0), columns) == expected
