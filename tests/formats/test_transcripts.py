"""Each form of a transcript, letter by letter."""

import argparse

import pytest

from xlt.cli import main
from xlt.commands import transcribe
from xlt.core.errors import ConfigError
from xlt.core.registry import FORMATS
from xlt.formats.transcripts import Transcript, clock

PIECES = [
    {"start_s": 0.0, "end_s": 2.5, "text": "bună ziua", "score": -0.5},
    {"start_s": 2.5, "end_s": 4.0, "text": "", "score": 0.0},
    {"start_s": 3661.0046, "end_s": 3662.9996, "text": "a & <b>", "score": -1.25, "lang": "ron_Latn"},
]
WHOLE = Transcript("in/a.wav", "bună ziua a & <b>", PIECES)
EXPECTED = {
    "text": "bună ziua a & <b>\n",
    "tsv": "in/a.wav\tbună ziua a & <b>\n",
    "segments": (
        "in/a.wav\t0.00\t2.50\tbună ziua\nin/a.wav\t2.50\t4.00\t\nin/a.wav\t3661.00\t3663.00\ta & <b>\n"
    ),
    "json": (
        '{"file": "in/a.wav", "text": "bună ziua a & <b>", "segments": ['
        '{"start_s": 0.0, "end_s": 2.5, "text": "bună ziua", "score": -0.5}, '
        '{"start_s": 2.5, "end_s": 4.0, "text": "", "score": 0.0}, '
        '{"start_s": 3661.0046, "end_s": 3662.9996, "text": "a & <b>", "score": -1.25, "lang": "ron_Latn"}'
        "]}\n"
    ),
    "srt": ("1\n00:00:00,000 --> 00:00:02,500\nbună ziua\n\n2\n01:01:01,005 --> 01:01:03,000\na & <b>\n\n"),
    "vtt": (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nbună ziua\n"
        "\n01:01:01.005 --> 01:01:03.000\na &amp; &lt;b&gt;\n"
    ),
}


@pytest.mark.parametrize("name", FORMATS.names())
def test_form(name):
    assert FORMATS.get(name).render(WHOLE) == EXPECTED[name]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "00:00:00.000"), (59.9996, "00:01:00.000"), (3599.9994, "00:59:59.999"), (360000, "100:00:00.000")],
)
def test_clock(seconds, shown):
    assert clock(seconds, ".") == shown


def parsed(*words):
    parser = argparse.ArgumentParser()
    transcribe.add_arguments(parser)
    return parser.parse_args(["bundle", "a.wav", *words])


def test_options_of_old_are_short_for_a_format():
    found = [parsed(*words).format for words in ([], ["--json"], ["--segments"], ["--format", "srt"])]
    assert found == ["tsv", "json", "segments", "srt"]


@pytest.fixture
def speaking(monkeypatch):
    """A bundle that says the same of every file."""
    monkeypatch.setattr("xlt.bundle.transcribe.Transcriber", lambda bundle: lambda name, hotwords: PIECES[:1])


def test_a_file_for_each_recording(speaking, tmp_path, capsys):
    out = tmp_path / "new" / "out"
    words = ["transcribe", "bundle", "in/a.wav", "in/b.mp3", "--format", "srt", "--out", str(out)]
    assert main(words) == 0
    assert capsys.readouterr().out == f"wrote {out / 'a.srt'}\nwrote {out / 'b.srt'}\n"
    assert (out / "b.srt").read_text(encoding="utf-8") == "1\n00:00:00,000 --> 00:00:02,500\nbună ziua\n\n"


def test_what_cannot_be_is_said_before_anything_is_loaded(tmp_path, capsys):
    assert main(["transcribe", "bundle", "a.wav", "b.wav", "--format", "vtt"]) == 2
    assert "--format vtt: found 2 files, expected one" in capsys.readouterr().err
    assert main(["transcribe", "bundle", "a.wav", "--format", "strt"]) == 2
    assert "--format 'strt' is not known" in (said := capsys.readouterr().err) and "did you mean srt?" in said
    with pytest.raises(ConfigError, match=r"x/a.wav and y/a.mp3 would both become a.srt"):
        transcribe.main(
            argparse.Namespace(format="srt", out=tmp_path, files=["x/a.wav", "y/a.mp3"], bundle=tmp_path)
        )
    assert list(tmp_path.iterdir()) == []


def test_pieces_in_which_a_decoder_repeated_itself_are_told(monkeypatch, capsys):
    pieces = [PIECES[0], {**PIECES[1], "looped": True}]
    monkeypatch.setattr("xlt.bundle.transcribe.Transcriber", lambda bundle: lambda name, hotwords: pieces)
    assert main(["transcribe", "bundle", "a.wav"]) == 0
    found = capsys.readouterr()
    assert found.out == "a.wav\tbună ziua\n"
    assert "a.wav: the attention decoder repeated itself at 2.5–4.0 s" in found.err
