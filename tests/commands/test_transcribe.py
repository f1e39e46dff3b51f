"""``xlt transcribe`` from its words to its files, with a bundle that says how loud each second is."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pympi
import pytest
import soundfile

from tests.errors import raises, told
from xlt.cli import main
from xlt.commands.recordings import find, places
from xlt.core.errors import ConfigError, DataError

RATE = 8000


class Speaking:
    """Each second with sound is a piece that names its loudness in tenths, of which it is unsure.

    ``heard``: what was asked for.
    """

    heard: list = []

    def __init__(self, bundle):
        self.recogniser = SimpleNamespace(has_ctc="zero" not in str(bundle))

    def hotwords(self, words, weight):
        return {words.read_text().strip(): weight}

    def pieces(self, path, hotwords, channel, vad, heard, noticed):
        noticed.cut = "its header says 9.00 s; it has 2.00 s" if "cut" in path else ""
        self.heard.append((Path(path).name, hotwords, channel, vad))
        samples, rate = soundfile.read(path, always_2d=True)
        own = samples.mean(axis=1) if channel is None else samples[:, channel]
        for second in range(len(own) // rate):
            loud = round(10 * float(np.abs(own[second * rate : (second + 1) * rate]).max()))
            heard(1.0)
            if loud:
                words = [("n", 0.0, 0.5, 0.9), (str(loud), 0.5, 1.0, 0.4)]
                yield {
                    "start_s": float(second),
                    "end_s": second + 1.0,
                    "text": f"n {loud}",
                    "score": -1.0,
                    "words": [
                        {"text": text, "start_s": second + a, "end_s": second + b, "confidence": sure}
                        for text, a, b, sure in words
                    ],
                }


@pytest.fixture(autouse=True)
def speaking(monkeypatch):
    monkeypatch.setattr(Speaking, "heard", [])
    opened = lambda folder: SimpleNamespace(head=lambda lang: Speaking(folder))  # noqa: E731
    monkeypatch.setattr("xlt.bundle.open_bundle", opened)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, *channels):
    """``channels``: the loudness of each second, in tenths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = np.array(channels).T / 10  # (seconds, channels)
    soundfile.write(path, np.repeat(seconds, RATE, axis=0), RATE)
    return str(path)


def run(*words, status=0):
    assert main(["transcribe", "bundle", *map(str, words)]) == status


def test_a_line_for_each_file(here, capsys):
    write(here / "a.wav", [3, 0, 5])
    write(here / "b.flac", [2])
    run("a.wav", "b.flac", "a.wav")
    assert capsys.readouterr().out == "a.wav\tn 3 n 5\nb.flac\tn 2\n"
    assert Speaking.heard == [("a.wav", None, None, None), ("b.flac", None, None, None)]


def test_several_formats_of_a_folder(here, capsys):
    write(here / "in/a.wav", [3])
    write(here / "in/deep/er/a.wav", [4])
    run("in", "--format", "txt,srt,ctm", "--out", "out", "--vad", "off")
    assert sorted(str(path.relative_to("out")) for path in Path("out").rglob("*.*")) == [
        *("a.ctm", "a.srt", "a.txt"),
        *("deep/er/a.ctm", "deep/er/a.srt", "deep/er/a.txt"),
    ]
    assert Path("out/deep/er/a.txt").read_text() == "n 4\n"
    assert Path("out/a.ctm").read_text() == "a 1 0.00 0.50 n 0.9000\na 1 0.50 0.50 3 0.4000\n"
    out, err = capsys.readouterr()
    assert out.count("wrote out/") == 6 and "transcribed: 2/2 s" in out and err == ""
    assert [vad for _, _, _, vad in Speaking.heard] == [False, False]


def test_files_that_are_there_stay_until_forced(here, capsys):
    write(here / "a.wav", [3])
    write(here / "b.wav", [4])
    Path("out").mkdir()
    Path("out/a.txt").write_text("by hand")
    run("a.wav", "b.wav", "--format", "txt", "--out", "out")
    assert "1 of 2 are in out already" in capsys.readouterr().out
    assert [Path(f"out/{name}.txt").read_text() for name in "ab"] == ["by hand", "n 4\n"]
    run("a.wav", "--format", "txt,srt", "--out", "out")  # only the srt is missing
    assert Path("out/a.txt").read_text() == "by hand" and Path("out/a.srt").exists()
    run("a.wav", "--format", "txt", "--out", "out", "--force")
    assert Path("out/a.txt").read_text() == "n 3\n"


def test_two_channels_are_two_speakers(here, capsys):
    write(here / "call.wav", [3, 0, 4], [0, 6, 1])
    run("call.wav", "--channels", "--format", "txt")
    assert capsys.readouterr().out == "1: n 3\n2: n 6\n1: n 4\n2: n 1\n"
    run("call.wav", "--channels", "--format", "ctm")
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == list("11221122")
    run("call.wav", "--format", "segments")
    assert capsys.readouterr().out.count("\n") == 3
    write(here / "mono.wav", [3])
    run("mono.wav", "--channels", "--format", "txt")
    assert capsys.readouterr().out == "1: n 3\n"


def test_unsure_words_are_marked(here, capsys):
    write(here / "a.wav", [3, 7])
    run("a.wav", "--format", "txt", "--unsure", "0.5")
    assert capsys.readouterr().out == "n [3?] n [7?]\n"
    run("a.wav", "--format", "txt", "--unsure", "0.4")
    assert capsys.readouterr().out == "n 3 n 7\n"


def test_elan_beside_the_recording_is_copied_with_a_new_tier(here, capsys):
    write(here / "in/a.wav", [3, 0, 5])
    own = pympi.Eaf(author="ana")
    own.add_linked_file("in/a.wav", relpath="a.wav", mimetype="audio/x-wav")
    own.add_tier("hand")
    own.add_annotation("hand", 0, 500, "mine")
    own.to_file("in/a.eaf")
    before = Path("in/a.eaf").read_bytes()
    for words in (["in/a.wav"], ["in/a.eaf"], ["in"]):
        run(*words, "--format", "eaf", "--out", "out", "--force")
        found = pympi.Eaf("out/a.eaf", suppress_version_warning=True)
        assert found.get_annotation_data_for_tier("hand") == [(0, 500, "mine")]
        assert found.get_annotation_data_for_tier("xlt") == [(0, 1000, "n 3"), (2000, 3000, "n 5")]
    run("in/a.wav", "--format", "eaf", "--out", "in", "--force", status=2)
    told(capsys.readouterr().err, "in/a.eaf", where="--out in")
    assert Path("in/a.eaf").read_bytes() == before


def test_lists(here, capsys):
    write(here / "far/a.wav", [3])
    write(here / "b.wav", [4])
    Path("far/list.txt").write_text("\ufeffa.wav\n\n# a remark\n../b.wav\n", encoding="utf-8")
    Path("wav.scp").write_text("u1 far/a.wav\nu2 b.wav\n")
    for listed in ("far/list.txt", "wav.scp"):
        run(listed, "--format", "txt")
        assert capsys.readouterr().out == "n 3\nn 4\n"
    Path("wav.scp").write_text("u1 far/a.wav\nu2 touch ran |\n")
    run("wav.scp", status=2)
    told(capsys.readouterr().err, where="wav.scp:2")
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    "word",
    [
        "none.wav",
        "none.txt",
        "none.eaf",
        "empty.txt",
        "folder",
        "text.wav",
        "binary.txt",
        "alone.eaf",
    ],
)
def test_what_is_no_recording(here, word):
    Path("empty.txt").write_text("\n")
    Path("folder").mkdir()
    Path("text.wav").write_text("no sound")
    Path("binary.txt").write_bytes(b"\xff\xfe\xff")
    pympi.Eaf().to_file("alone.eaf")
    with raises(DataError, where=word):
        find([word])


def test_bad_files_are_named_first_and_the_good_ones_are_done(here, capsys):
    write(here / "a.wav", [3])
    Path("bad.wav").write_text("no sound")
    run("bad.wav", "a.wav", "none.wav", status=2)
    out, err = capsys.readouterr()
    assert out == "a.wav\tn 3\n"
    assert err.index("bad.wav") < err.index("none.wav") < err.index("2 of 3 files")
    Speaking.heard.clear()
    run("bad.wav", status=2)
    assert Speaking.heard == []


def test_a_file_that_breaks_off_is_named_and_the_others_are_done(here, capsys, monkeypatch):
    write(here / "a.wav", [3])
    write(here / "b.wav", [4])
    pieces = Speaking.pieces

    def broken(self, path, *more):
        yield from pieces(self, path, *more)
        if "b.wav" in path:
            raise DataError(f"{path}: breaks off; copy it again")

    monkeypatch.setattr(Speaking, "pieces", broken)
    run("b.wav", "a.wav", "--out", "out", "--format", "txt", status=2)
    err = capsys.readouterr().err
    assert "b.wav: breaks off" in err and "1 of 2 files" in err
    assert [path.name for path in Path("out").iterdir()] == ["a.txt"]


def test_a_file_that_is_cut_short_is_told(here, capsys):
    write(here / "a.wav", [3])
    write(here / "cut.wav", [4])
    run("a.wav", "cut.wav", "--out", "out", "--format", "txt")
    told_of = [line for line in capsys.readouterr().err.splitlines() if "cut short" in line]
    assert len(told_of) == 1 and "cut.wav: cut short: its header says 9.00 s; it has 2.00 s" in told_of[0]


@pytest.mark.parametrize(
    ("words", "facts", "where"),
    [
        (["--format", "strt"], ["srt"], None),
        (["--format", "txt,srt"], ["--out"], "--format txt,srt"),
        (["b.wav", "--format", "vtt"], ["2", "--out"], "--format vtt"),
        (["--force"], ["--out"], "--force"),
        (["--unsure", "1.5"], ["0.5"], "--unsure 1.5"),
        (["--words_weight", "2"], ["--words"], "--words_weight 2"),
        (["x/a.wav", "--out", "out"], ["x/a.wav", "a.tsv"], "--out out"),
    ],
)
def test_options_that_do_not_fit(here, capsys, words, facts, where):
    for name in ("a.wav", "b.wav", "x/a.wav"):
        write(here / name, [3])
    run("a.wav", *words, status=2)
    told(capsys.readouterr().err, *facts, where=where)
    assert Speaking.heard == [] and not Path("out").exists()


def test_words_without_times_are_refused(here, capsys):
    write(here / "a.wav", [3])
    assert main(["transcribe", "zero", "a.wav", "--format", "ctm"]) == 2
    told(capsys.readouterr().err, where="--format ctm")


def test_places_of_one_recording(tmp_path):
    write(tmp_path / "a.b.wav", [1])
    (one,), wrong = find([str(tmp_path / "a.b.wav")])
    assert (one.channels, one.duration_s, one.eaf, wrong) == (1, 1.0, None, [])
    assert places([one], Path("out"), {"srt": ".srt"}) == {one.name: {"srt": Path("out/a.b.srt")}}
    with raises(ConfigError, where="--out out"):
        places([one, one], Path("out"), {"srt": ".srt"})


def test_options_of_old_are_short_for_a_format(here, capsys):
    write(here / "a.wav", [3])
    found = []
    for words in ([], ["--json"], ["--segments"]):
        run("a.wav", *words)
        found.append(capsys.readouterr().out[:13])
    assert found == ["a.wav\tn 3\n", '{"file": "a.w', "a.wav\t0.00\t1."]


def test_words_to_prefer(here):
    write(here / "a.wav", [3])
    Path("names.txt").write_text("ana\n")
    run("a.wav", "--words", "names.txt", "--words_weight", "1.5", "--vad", "on")
    assert Speaking.heard == [("a.wav", {"ana": 1.5}, None, True)]


def test_pieces_in_which_a_decoder_repeated_itself_are_told(here, capsys, monkeypatch):
    write(here / "a.wav", [3, 0, 4])
    pieces = Speaking.pieces

    def looping(*args):
        return ({**piece, "looped": True} if piece["start_s"] == 2 else piece for piece in pieces(*args))

    monkeypatch.setattr(Speaking, "pieces", looping)
    run("a.wav")
    found = capsys.readouterr()
    assert found.out == "a.wav\tn 3 n 4\n"
    assert "a.wav: the attention decoder repeated itself at 2.0–3.0 s" in found.err


def test_where_there_is_no_text_is_told(here, capsys, monkeypatch):
    for name, seconds in (("a", [3, 0, 4]), ("b", [0, 0])):
        write(here / f"{name}.wav", seconds)
    pieces = Speaking.pieces

    def deaf(*args):
        return (
            {**piece, "text": "", "blank": True} if piece["start_s"] == 2 else piece
            for piece in pieces(*args)
        )

    monkeypatch.setattr(Speaking, "pieces", deaf)
    run("a.wav", "b.wav")
    found = capsys.readouterr()
    assert found.out == "a.wav\tn 3\nb.wav\t\n"
    assert [line.partition(" (")[0][:50] for line in found.err.splitlines()] == [
        "xlt transcribe: a.wav: no text at 2.0–3.0 s: the m",
        "xlt transcribe: b.wav: no text: voice activity det",
    ]
