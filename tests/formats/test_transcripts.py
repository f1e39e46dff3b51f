"""Each form of a transcript, letter by letter, and as other programs read it."""

import dataclasses

import av
import pympi
import pytest

from xlt.core.registry import FORMATS
from xlt.formats.transcripts import Transcript, clock


def word(text, start_s, end_s, confidence=None):
    return {"text": text, "start_s": start_s, "end_s": end_s, "confidence": confidence}


PIECES = [
    {
        "start_s": 0.0,
        "end_s": 2.5,
        "text": "bună ziua",
        "score": -0.5,
        "words": [word("bună", 0.25, 0.75, 0.875), word("ziua", 1.0, 1.5)],
    },
    {"start_s": 2.5, "end_s": 4.0, "text": "", "score": 0.0, "words": []},
    {
        "start_s": 3661.0046,
        "end_s": 3662.9996,
        "text": 'a & <b> "c"',
        "score": -1.25,
        "lang": "ron_Latn",
        "words": [],
    },
]
WHOLE = Transcript("in/a b.wav", PIECES, duration_s=3700.0)
EXPECTED = {
    "txt": 'bună ziua a & <b> "c"\n',
    "tsv": 'in/a b.wav\tbună ziua a & <b> "c"\n',
    "segments": (
        "in/a b.wav\t0.00\t2.50\tbună ziua\nin/a b.wav\t2.50\t4.00\t\n"
        'in/a b.wav\t3661.00\t3663.00\ta & <b> "c"\n'
    ),
    "json": (
        '{"file": "in/a b.wav", "text": "bună ziua a & <b> \\"c\\"", "segments": ['
        '{"start_s": 0.0, "end_s": 2.5, "text": "bună ziua", "score": -0.5, "words": ['
        '{"text": "bună", "start_s": 0.25, "end_s": 0.75, "confidence": 0.875}, '
        '{"text": "ziua", "start_s": 1.0, "end_s": 1.5, "confidence": null}]}, '
        '{"start_s": 2.5, "end_s": 4.0, "text": "", "score": 0.0, "words": []}, '
        '{"start_s": 3661.0046, "end_s": 3662.9996, "text": "a & <b> \\"c\\"", "score": -1.25, '
        '"lang": "ron_Latn", "words": []}]}\n'
    ),
    "srt": (
        '1\n00:00:00,000 --> 00:00:02,500\nbună ziua\n\n2\n01:01:01,005 --> 01:01:03,000\na & <b> "c"\n\n'
    ),
    "vtt": (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nbună ziua\n"
        '\n01:01:01.005 --> 01:01:03.000\na &amp; &lt;b&gt; "c"\n'
    ),
    "ctm": "a_b 1 0.25 0.50 bună 0.8750\na_b 1 1.00 0.50 ziua\n",
}


def rendered(name, transcript=WHOLE, **changes):
    return "".join(FORMATS.get(name).render(dataclasses.replace(transcript, **changes)))


@pytest.mark.parametrize("name", EXPECTED)
def test_form(name):
    assert rendered(name) == EXPECTED[name]


def test_every_form_has_an_expected_value():
    assert EXPECTED.keys() | {"eaf", "textgrid"} == set(FORMATS.names())


def test_text_comes_as_it_is_recognised():
    read = []

    def recognised():
        for piece in PIECES:
            read.append(piece["text"])
            yield piece

    for name, before in (("txt", ""), ("tsv", "in/a b.wav\t"), ("srt", "1\n00:00:00,000 --> 00:00:02,500\n")):
        read.clear()
        parts = FORMATS.get(name).render(dataclasses.replace(WHOLE, pieces=recognised()))
        said = ""
        while said != before + "bună ziua" and not said.startswith(before + "bună ziua\n"):
            said += next(parts)
        assert read == ["bună ziua"]


SPEAKERS = [
    {"start_s": 0.0, "end_s": 1.0, "text": "alo", "score": 0.0, "words": [], "speaker": "1"},
    {"start_s": 0.5, "end_s": 2.0, "text": "da", "score": 0.0, "words": [], "speaker": "2"},
    {"start_s": 2.0, "end_s": 3.0, "text": "", "score": 0.0, "words": [], "speaker": "1"},
    {"start_s": 3.0, "end_s": 4.0, "text": "bine", "score": 0.0, "words": [], "speaker": "2"},
]
TWO = {
    "txt": "1: alo\n2: da bine\n",
    "tsv": "x.wav\t1\talo\nx.wav\t2\tda bine\n",
    "segments": (
        "x.wav\t0.00\t1.00\t1\talo\nx.wav\t0.50\t2.00\t2\tda\nx.wav\t2.00\t3.00\t1\t\n"
        "x.wav\t3.00\t4.00\t2\tbine\n"
    ),
    "srt": (
        "1\n00:00:00,000 --> 00:00:01,000\n1: alo\n\n2\n00:00:00,500 --> 00:00:02,000\n2: da\n\n"
        "3\n00:00:03,000 --> 00:00:04,000\n2: bine\n\n"
    ),
    "vtt": (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n<v 1>alo\n\n00:00:00.500 --> 00:00:02.000\n<v 2>da\n"
        "\n00:00:03.000 --> 00:00:04.000\n<v 2>bine\n"
    ),
}


@pytest.mark.parametrize("name", TWO)
def test_channels_are_speakers(name):
    assert rendered(name, Transcript("x.wav", SPEAKERS, channels=True)) == TWO[name]


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_subtitles_as_ffmpeg_reads_them(name, tmp_path):
    path = tmp_path / f"a.{name}"
    path.write_text(rendered(name), encoding="utf-8")
    with av.open(str(path)) as container:
        found = [(p.pts, p.duration, bytes(p).decode()) for p in container.demux() if p.pts is not None]
    last = 'a & <b> "c"' if name == "srt" else 'a &amp; &lt;b&gt; "c"'
    assert found == [(0, 2500, "bună ziua"), (3661005, 1995, last)]  # milliseconds


def textgrid(tmp_path, **changes):
    path = tmp_path / "a.TextGrid"
    path.write_text(rendered("textgrid", **changes), encoding="utf-8")
    return pympi.TextGrid(str(path))


def test_textgrid_as_pympi_reads_it(tmp_path):
    grid = textgrid(tmp_path)
    assert (grid.xmin, grid.xmax) == (0, 3700)
    assert [tier.name for tier in grid.tiers] == ["utterances", "words"]
    utterances, words = ([one for one in tier.get_all_intervals()] for tier in grid.tiers)
    assert utterances == [
        (0.0, 2.5, "bună ziua"),
        (2.5, 3661.005, ""),
        (3661.005, 3663.0, 'a & <b> "c"'),
        (3663.0, 3700.0, ""),
    ]
    assert words == [
        (0.0, 0.25, ""),
        (0.25, 0.75, "bună"),
        (0.75, 1.0, ""),
        (1.0, 1.5, "ziua"),
        (1.5, 3700.0, ""),
    ]


def test_textgrid_of_speakers_who_talk_at_once_and_of_silence(tmp_path):
    grid = textgrid(tmp_path, pieces=SPEAKERS, channels=True, duration_s=4.0)
    found = {tier.name: tier.get_all_intervals() for tier in grid.tiers}
    assert found == {
        "1 utterances": [(0.0, 1.0, "alo"), (1.0, 4.0, "")],
        "2 utterances": [(0.0, 0.5, ""), (0.5, 2.0, "da"), (2.0, 3.0, ""), (3.0, 4.0, "bine")],
    }
    (tier,) = textgrid(tmp_path, pieces=[], duration_s=2.5).tiers
    assert tier.get_all_intervals() == [(0.0, 2.5, "")]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "00:00:00.000"), (59.9996, "00:01:00.000"), (3599.9994, "00:59:59.999"), (360000, "100:00:00.000")],
)
def test_clock(seconds, shown):
    assert clock(seconds, ".") == shown
