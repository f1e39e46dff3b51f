"""Each form of label files: what people and programs write, what we write ourselves, and what is broken.

Expected values are read off the texts, or come from pympi and ffmpeg.
"""

from pathlib import Path

import av
import pympi
import pytest

from tests.errors import raises
from tests.formats.test_transcripts import SPEAKERS, rendered
from xlt.core.errors import DataError
from xlt.core.registry import LABELS
from xlt.data.corpora.beside import form_of
from xlt.formats.labels import seconds
from xlt.formats.transcripts import Transcript


def of(name, text, file="a.x"):
    """(start, end, text) of each label, with tier or speaker behind it where there is one."""
    found = list(LABELS.get(name).parse(text, Path(file)))
    return [(one.start_s, one.end_s, one.text, *filter(None, (one.tier, one.speaker))) for one in found]


LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 3.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "orth ""a"""
        xmin = 0
        xmax = 3.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1.25
            text = ""
        intervals [2]:
            xmin = 1.25
            xmax = 3e0
            text = "el a zis ""da""
și ""nu"" ! 7 <exists>"
        intervals [3]:
            xmin = 3
            xmax = 3.5
            text = "1.5"
    item [2]:
        class = "TextTier"
        name = "bells"
        xmin = 0
        xmax = 3.5
        points: size = 1
        points [1]:
            number = 0.5
            mark = "ding"
    item [3]:
        class = "IntervalTier"
        name = "none"
        xmin = 0
        xmax = 3.5
        intervals: size = 0
'''
SHORT = '''File type = "ooTextFile"
"TextGrid"

0 ! the beginning, "not" a text
3.5
<exists>
3
"IntervalTier"
"orth ""a"""
0
3.5
3
0
1.25
""
1.25
3e0
"el a zis ""da""
și ""nu"" ! 7 <exists>"
3
3.5
"1.5"
"TextTier"
"bells"
0
3.5
1
0.5
"ding"
"IntervalTier"
"none"
0 3.5 0
'''
CHRONOLOGICAL = '''"Praat chronological TextGrid text file"
0 3.5   ! Time domain.
3   ! Number of tiers.
"IntervalTier" "orth ""a""" 0 3.5
"TextTier" "bells" 0 3.5
"IntervalTier" "none" 0 3.5

1 0 1.25
""

2 0.5
"ding"

1 1.25 3
"el a zis ""da""
și ""nu"" ! 7 <exists>"

1 3 3.5
"1.5"
'''
GRID = {
    (0.0, 1.25, "", 'orth "a"'),
    (1.25, 3.0, 'el a zis "da"\nși "nu" ! 7 <exists>', 'orth "a"'),
    (3.0, 3.5, "1.5", 'orth "a"'),
    (0.5, 0.5, "ding", "bells"),
}


@pytest.mark.parametrize("text", [LONG, SHORT, CHRONOLOGICAL], ids=["long", "short", "chronological"])
def test_textgrid(text):
    assert set(of("textgrid", text)) == GRID
    assert form_of(Path("a.TEXTGRID"), text) == form_of(Path("a.txt"), text) == "textgrid"


def test_letters_of_older_versions_of_praat():
    """As its manual writes them, e.g. Hoogge\\e""erd; what is no letter there stays."""
    text = LONG.replace('"1.5"', r'"Hoogge\e""erd k\a""se \s<edi\bsn \o/l \ao gro\ss \n~ \ng \qx C:\d"')
    assert of("textgrid", text)[2][2] == r"Hooggeëerd käse šedi\n øl å groß ñ ŋ \qx C:\d"


def test_textgrid_lines():
    labels = list(LABELS.get("textgrid").parse(LONG, Path("a.TextGrid")))
    assert [label.line for label in labels] == [18, 22, 27, 36]


@pytest.mark.parametrize("mode", ["normal", "short"])
def test_textgrid_of_another_program(mode, tmp_path):
    grid = pympi.TextGrid(xmax=4.0)
    tier = grid.add_tier("text")
    for start, end, text in ((0.5, 1.0, 'a "b" c'), (2.0, 3.25, "ſ ə")):
        tier.add_interval(start, end, text)
    grid.to_file(str(tmp_path / "a.TextGrid"), mode=mode)
    found = of("textgrid", (tmp_path / "a.TextGrid").read_text("utf-8"))
    expected = [(start, end, text, "text") for start, end, text in tier.get_all_intervals() if text]
    assert [one for one in found if one[2]] == expected and len(expected) == 2


@pytest.mark.parametrize(
    ("old", "new", "line", "facts"),
    [
        ('"TextGrid"', '"PitchTier"', 2, ["PitchTier"]),
        ("xmax = 1.25", "xmax = null", 18, []),
        ('""nu""', '"nu"', 23, []),
        ('text = "1.5"', 'text = "1.5', 29, []),
        ('"TextTier"', '"SpeakerTier"', 29, ["SpeakerTier"]),
        ("intervals: size = 3", "intervals: size = 2.5", 14, []),
        ("size = 0\n", "size = 2\n", 43, ["none"]),
    ],
)
def test_textgrid_that_is_broken(old, new, line, facts):
    assert old in LONG
    with raises(DataError, *facts, where=f"a.TextGrid:{line}") as err:
        of("textgrid", LONG.replace(old, new), "a.TextGrid")
    assert err.value.remedy


NASTY_SRT = """1
00:00:00,300 --> 00:00:01,340
<i>O pisică</i> <b>mare</b>.

2
00:00:02.000 --> 00:00:03.500  X1:40 X2:600 Y1:20 Y2:50
{\\an8}Un rând,
<font color="#ffff00">două</font> rânduri

3
01:00:04,00 --> 01:00:05,5
3 < 5 &amp; 4

4
1:00:06,000-->1:00:07,000
patru
5
01:00:08,000 --> 01:00:09,000
cinci

fără rând

6
01:00:10,000 --> 01:00:11,000

"""


def test_srt():
    assert of("srt", NASTY_SRT) == [
        (0.3, 1.34, "O pisică mare."),
        (2.0, 3.5, "Un rând,\ndouă rânduri"),
        (3604.0, 3605.5, "3 < 5 & 4"),
        (3606.0, 3607.0, "patru"),
        (3608.0, 3609.0, "cinci\nfără rând"),
        (3610.0, 3611.0, ""),
    ]
    assert [label.line for label in LABELS.get("srt").parse(NASTY_SRT, Path("a.srt"))] == [
        2,
        6,
        11,
        15,
        18,
        24,
    ]


def test_srt_as_ffmpeg_reads_it(tmp_path):
    """Times and order; ffmpeg keeps the markup."""
    text = NASTY_SRT.partition("\n4\n")[0]
    (tmp_path / "a.srt").write_text(text, encoding="utf-8")
    with av.open(str(tmp_path / "a.srt")) as container:
        found = [(p.pts / 1000, (p.pts + p.duration) / 1000) for p in container.demux() if p.pts is not None]
    ours = [(start, end) for start, end, _ in of("srt", text)]
    assert ours[:2] == found[:2] and len(ours) == len(found)


VTT = """WEBVTT - a title
Kind: captions

NOTE
a remark
of two lines

STYLE
::cue { color: red }

REGION
id:fred

intro
00:00.500 --> 00:01.750 align:start position:0%
<v.loud Ana Pop>Bună <c.yellow>ziua</c> &amp; <00:00:01.000>bine</v>

00:00:02.000 --> 00:00:03.000 line:0
- două
- linii&nbsp;aici

NOTE 00:00:05.000 --> 00:00:06.000 is no cue
"""


def test_vtt():
    assert of("vtt", VTT) == [
        (0.5, 1.75, "Bună ziua & bine", "Ana Pop"),
        (2.0, 3.0, "- două\n- linii\xa0aici"),
    ]
    assert form_of(Path("a.vtt"), VTT) == "vtt" and form_of(Path("a.vtt"), NASTY_SRT) == "srt"


ROLLING = """WEBVTT
Kind: captions
Language: ro

00:00:00.500 --> 00:00:02.000 align:start position:0%
\x20
un<00:00:00.900><c> urs</c><00:00:01.200><c> mare</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
un urs mare
\x20

00:00:02.010 --> 00:00:03.500 align:start position:0%
un urs mare
și<00:00:02.900><c> o</c><00:00:03.200><c> pisică</c>

00:00:03.510 --> 00:00:04.000 align:start position:0%
și o pisică
da
"""


def test_captions_that_roll():
    found = [one for one in of("vtt", ROLLING) if one[2]]
    assert found == [(0.5, 2.0, "un urs mare"), (2.01, 3.5, "și o pisică"), (3.51, 4.0, "da")]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("srt", "1\n00:00:01,000 -> 00:00:02,000\nunu\n\n2\n00:00:03,000 --> 00:00:04,000\ndoi\n", 1),
        ("srt", "1\n00:00:01,000 --> 00:00:02,000\nunu\n\n2\n00:00:xx,000 --> 00:00:04,000\ndoi\n", 6),
        ("vtt", "WEBVTT\n\n00:00.500 --> 00:01.000\nunu\n\ndoi\n", 6),
        ("vtt", "WEBVTT\n\n00:00.500 --> 00:01\nunu\n\n00:0.500 --> end\ndoi\n", 6),
        ("audacity", "0.1\t0.5\tunu\n0.6\t0.9\tdoi\n1.0\n", 3),
        ("htk", "0 1000000 un\n1000000 2000000 doi\ntrei\n", 3),
        (
            "tabs",
            "tx\t\t00:00:01.000\t00:00:02.000\tun\ntx\t\t00:00:03.000\t00:00:04.000\tdoi\ntx\t\t0:0\n",
            3,
        ),
        ("tabs", "un\t0.5\t0.9\ndoi\t1.5\t1.9\ntrei\n", 3),
        ("chat", "@UTF8\n@Begin\n*ANA:\tun . \x150_900\x15\n*ANA un\n", 4),
        ("plain", "{\\rtf1\\ansi un}", 1),
        ("plain", "#!MLF!#\n", 1),
    ],
)
def test_broken_lines(name, text, line):
    with raises(DataError, where=f"a.x:{line}") as err:
        of(name, text)
    assert err.value.remedy or name == "plain"


def test_audacity():
    text = (
        "0.300000\t3.347938\tO pisică\n\\\t300.5\t3000.0\n\n3,647937\t5,788625\tUn câine\tmare\n6.0\t6.0\t\n"
    )
    assert of("audacity", text) == [
        (0.3, 3.347938, "O pisică"),
        (3.647937, 5.788625, "Un câine\tmare"),
        (6.0, 6.0, ""),
    ]
    assert form_of(Path("a.txt"), text) == "audacity"


HTK = "0 2500000 sil -3.2\n2500000 6000000 un -81.5 s1\n6000000 9000000 urs\n///\n0 9000000 altul\n"


def test_htk():
    assert of("htk", HTK) == [(0.0, 0.25, "sil"), (0.25, 0.6, "un"), (0.6, 0.9, "urs")]
    assert form_of(Path("a.lab"), HTK) == "htk"
    in_seconds = "0.00 0.25 sil\n0.25 0.60 un urs 2\n"
    assert of("htk", in_seconds) == [(0.0, 0.25, "sil"), (0.25, 0.6, "un urs 2")]


def test_plain():
    assert of("plain", "\n  Un urs.\nO casă.\n") == [(None, None, "Un urs.\nO casă.\n")]
    assert of("plain", " \n") == []
    assert form_of(Path("a.lab"), "Un urs 10 20\n") == form_of(Path("a.txt"), "1\t2\n") == "plain"


ELAN_ROW = "tx@A\tAna\t00:00:00.310\t0.31\t00:00:02.870\t2.87\t00:00:02.560\t2.56\tUn urs.\n"
ELAN_2 = "ft\t\t00:00:00.310\t0.31\t00:00:02.870\t2.87\t00:00:02.560\t2.56\tA bear.\n"
TABLES = {
    "elan": ELAN_ROW + ELAN_2,
    "media lines": '"#file:///D:/a.wav -- offset: 0"\n' + ELAN_ROW + ELAN_2,
    "header": (
        "Tier\tParticipant\tBegin Time - hh:mm:ss.ms\tBegin Time - ss.msec\tEnd Time - hh:mm:ss.ms\t"
        "End Time - ss.msec\tDuration - hh:mm:ss.ms\tDuration - ss.msec\tAnnotation\n" + ELAN_ROW + ELAN_2
    ),
    "milliseconds": "tx@A\tAna\t310\t2870\t2560\tUn urs.\nft\t\t310\t2870\t2560\tA bear.\n",
    "seconds": "tx@A\tAna\t0.31\t2.87\t2.56\tUn urs.\nft\t\t0,31\t2,87\t2,56\tA bear.\n",
    "quoted": 'tx@A\tAna\t0.31\t2.87\t"Un urs."\nft\t\t0.31\t2.87\tA bear.\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_elan(name):
    assert of("tabs", TABLES[name]) == [
        (0.31, 2.87, "Un urs.", "tx@A", "Ana"),
        (0.31, 2.87, "A bear.", "ft"),
    ]
    assert form_of(Path("a.txt"), TABLES[name]) == "tabs"


def test_a_column_for_each_tier():
    text = (
        "Begin Time - ss.msec\tEnd Time - ss.msec\tDuration - ss.msec\ttx@A\ttx@B\n"
        "0.5\t1.5\t1.0\tUn urs\t\n1.25\t2.0\t0.75\t\tO casă\n"
    )
    assert of("tabs", text) == [(0.5, 1.5, "Un urs", "tx@A"), (1.25, 2.0, "O casă", "tx@B")]


def test_text_between_times_and_whole_seconds():
    assert of("tabs", "start\tend\ttext\n310\t2870\tUn urs\n") == [
        (0.31, 2.87, "Un urs")
    ]  # as Whisper's .tsv
    assert of("tabs", "start\tend\ttext\n0\t5\tUn urs\n5\t9\tO casă\n") == [
        (0.0, 5.0, "Un urs"),
        (5.0, 9.0, "O casă"),
    ]


CHAT = """@UTF8
@Begin
@Languages:\tron
@Participants:\tCHI Ana Target_Child, MOT Maria Mother
*CHI:\t<un urs> [/] un urs [: ours] &-ăă (a)colo +... \x15310_2870\x15
%mor:\tdet|un n|urs
*MOT:\tmai mult la:pte@f Moș_Crăciun
\t&=râde [=! laughs] (.) 0este acolo ? \x153000_4500\x15
*CHI:\txxx . \x155000_5500\x15
*MOT:\tfără timp .
@End
"""


def test_chat():
    assert of("chat", CHAT) == [
        (0.31, 2.87, "un urs un urs ăă acolo", "CHI"),
        (3.0, 4.5, "mai mult lapte Moș Crăciun acolo ?", "MOT"),
        (5.0, 5.5, "", "CHI"),
    ]
    with raises(DataError, where="a.x"):
        of("chat", "@UTF8\n@Begin\n*MOT:\tfără timp .\n")


@pytest.mark.parametrize("name", ["srt", "vtt", "textgrid"])
def test_what_we_write_ourselves(name):
    said = [one[:3] for one in of(name, rendered(name)) if one[2].strip() and "words" not in one]
    expected = 'a &  "c"' if name == "srt" else 'a & <b> "c"'  # SRT has no escape: <b> is markup there
    assert said == [
        (0.0, 2.5, "bună ziua"),
        (pytest.approx(3661.005, abs=1e-3), pytest.approx(3663.0), expected),
    ]


def test_our_speakers():
    two = Transcript("x.wav", SPEAKERS, channels=True, duration_s=4.0)
    assert of("vtt", rendered("vtt", two)) == [
        (0.0, 1.0, "alo", "1"),
        (0.5, 2.0, "da", "2"),
        (3.0, 4.0, "bine", "2"),
    ]


@pytest.mark.parametrize(("value", "expected"), [("1:02:03.5", 3723.5), ("2:03", 123.0), ("7", 7.0)])
def test_seconds(value, expected):
    assert seconds(value) == expected


@pytest.mark.parametrize("value", ["", "nan", "inf", "-1", "1e3", "1:2:3:4", "1_0", "x"])
def test_no_seconds(value):
    with pytest.raises(ValueError):
        seconds(value)
