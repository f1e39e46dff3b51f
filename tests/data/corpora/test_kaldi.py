import re
from pathlib import Path

import pytest

from tests.data.corpus import tone
from tests.errors import raises
from xlt.core.errors import DataError
from xlt.data.clips import Job, decode
from xlt.data.corpora.kaldi import read, recognise
from xlt.formats.tables import read_table


def write(folder: Path, **tables: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        (folder / name.replace("wav_scp", "wav.scp")).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    tone(tmp_path / "corpus/a.wav", dur_s=3.0)
    return write(
        tmp_path / "corpus",
        wav_scp="ana-1 a.wav\nana-2 a.wav\n",
        text="ana-1 unu\nana-2 doi\n",
        utt2spk="ana-1 ana\nana-2 ana\n",
    )


def of(recipe, folder):
    return read(recipe.cfg("data.reader=kaldi", f"data.dir={folder}"))


def test_utterances(recipe, corpus):
    utts = of(recipe, corpus).utterances
    assert [(u.id, u.speaker, u.text, u.audio, u.split) for u in utts] == [
        ("ana-1", "ana", "unu", corpus / "a.wav", None),
        ("ana-2", "ana", "doi", corpus / "a.wav", None),
    ]


def named(corpus: Path, utt2spk: str) -> Path:
    """A directory of these lines ``utterance speaker``, each with a text and the same recording."""
    utts = [line.split()[0] for line in utt2spk.splitlines()]
    return write(
        corpus,
        wav_scp="".join(f"{utt} a.wav\n" for utt in utts),
        text="".join(f"{utt} unu\n" for utt in utts),
        utt2spk=utt2spk,
    )


@pytest.mark.parametrize(
    ("utt2spk", "expected"),
    [
        ("1_0 1\n13_1 13\n2_2 2\n130_3 130\n", ["1-1_0", "13-13_1", "130-130_3", "2-2_2"]),
        ("ana1 ana\nana.x ana.b\nanab1 anab\n", ["ana-ana1", "ana.b-ana.x", "anab-anab1"]),
        ("s_1 s\ns1_2 s1\ns-x s-x\n", ["s-s_1", "s1-s1_2", "s_x-s-x"]),
    ],
)
def test_ids_that_do_not_sort_their_speakers_are_made_anew(recipe, corpus, utt2spk, expected):
    utts = of(recipe, named(corpus, utt2spk)).utterances
    assert sorted(u.id for u in utts) == expected
    speakers = [u.speaker.encode() for u in sorted(utts, key=lambda u: u.id.encode())]
    assert speakers == sorted(speakers) and len({u.content for u in utts}) == len(utts)


def test_ids_that_sort_their_speakers_stay(recipe, corpus):
    utts = of(recipe, named(corpus, "1-0 1\n13-1 13\n2-2 2\n")).utterances
    assert [u.id for u in utts] == ["1-0", "13-1", "2-2"] and utts[0].where == ""


def test_a_segment_to_the_end(recipe, corpus):
    write(corpus, wav_scp="rec a.wav\n", segments="ana-1 rec 0.5 1.25\nana-2 rec 1.25 -1\n")
    assert [(u.start_s, u.end_s) for u in of(recipe, corpus).utterances] == [(0.5, 1.25), (1.25, None)]
    clip = decode(Job(of(recipe, corpus).utterances[1], corpus / "b.wav", 30.0))
    assert clip.dur_s == 1.75  # of three seconds


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_loses_no_utterance(recipe, corpus, encoding):
    for name in ("text", "utt2spk", "wav.scp"):
        lines = (corpus / name).read_text(encoding="utf-8").replace("\n", "\r\n")
        (corpus / name).write_bytes(lines.encode(encoding))
    assert [(u.id, u.text) for u in of(recipe, corpus).utterances] == [("ana-1", "unu"), ("ana-2", "doi")]


def test_ids_get_their_speaker_in_front(recipe, corpus):
    write(corpus, utt2spk="ana-1 ana\nana-2 ion\n")
    assert [u.id for u in of(recipe, corpus).utterances] == ["ana-1", "ion-ana-2"]


def test_segments(recipe, corpus):
    write(corpus, wav_scp="rec a.wav\n", segments="ana-1 rec 0.5 1.25\nana-2 rec 1.25 2\n")
    assert [(u.id, u.start_s, u.end_s) for u in of(recipe, corpus).utterances] == [
        ("ana-1", 0.5, 1.25),
        ("ana-2", 1.25, 2.0),
    ]


def test_missing_text_and_audio_are_listed(recipe, corpus):
    write(corpus, text="ana-1 unu\nana-3 trei\n")
    found = of(recipe, corpus)
    assert found.left_out == {"audio without text": ["ana-2"], "text without audio": ["ana-3"]}
    assert [u.id for u in found.utterances] == ["ana-1"]


def test_a_split_of_its_own_is_kept(recipe, tmp_path):
    for name, utt in (("train", "a-1"), ("dev", "b-1"), ("test", "c-1")):
        tone(tmp_path / "sets" / name / f"{utt}.wav")
        write(
            tmp_path / "sets" / name,
            wav_scp=f"{utt} {utt}.wav\n",
            text=f"{utt} x\n",
            utt2spk=f"{utt} {utt[0]}\n",
        )
    assert {u.id: u.split for u in of(recipe, tmp_path / "sets").utterances} == {
        "a-1": "train",
        "b-1": "dev",
        "c-1": "test",
    }


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"wav_scp": "ana-1 sox a.wav -t wav - |\n"}, r"wav.scp:1: 'ana-1' is a command.*write their output"),
        (
            {"wav_scp": "rec a.wav\n", "segments": "ana-1 rec 2 1\n"},
            r"segments:1: found 2–1 s, expected 0 <= start < end, or an end of -1",
        ),
        (
            {"wav_scp": "rec a.wav\n", "segments": "ana-1 rec x 1\n"},
            r"segments:1: found 'rec x 1', expected RECORDING",
        ),
        (
            {"wav_scp": "rec a.wav\n", "segments": "ana-1 other 0 1\n"},
            r"segments:1: recording 'other' is not in wav.scp",
        ),
        ({"utt2spk": "ana-1 ana\n"}, r"utt2spk: utterance 'ana-2' of text is missing"),
        ({"text": "ana-1 unu\nana-1 doi\n"}, r"text:2: duplicate id 'ana-1' \(first on line 1\)"),
    ],
)
def test_faults_name_file_and_line(recipe, corpus, tables, said):
    write(corpus, **tables)
    with pytest.raises(DataError, match=said):
        of(recipe, corpus)


def test_no_folder(recipe, tmp_path):
    with raises(DataError, "kaldi", where="data.dir"):
        read(recipe.cfg("data.reader=kaldi"))
    with raises(DataError, where="data.dir") as caught:
        of(recipe, tmp_path / "nowhere")
    assert caught.value.file == str(tmp_path / "nowhere")


def piped(corpus, command):
    return write(corpus, wav_scp=f"rec {command} |\n", segments="ana-1 rec 0.5 1.25\nana-2 rec 1.25 2\n")


def test_commands_are_run_only_if_allowed(recipe, corpus):
    piped(corpus, f"cat a.wav; touch {corpus}/was_run")
    with pytest.raises(
        DataError, match=r"wav.scp:1: 'rec' is a command.*can do all that you can do.*data.allow_pipes=true"
    ):
        of(recipe, corpus)
    assert not (corpus / "was_run").exists()


def test_pipes_through_stage_1(recipe, tmp_path, capsys):
    corpus = tmp_path / "corpus"
    rows = {"wav_scp": "", "text": "", "utt2spk": ""}
    for number in range(6):
        tone(corpus / f"{number}.wav", hz=300.0 + 50 * number, rate=8000, dur_s=1.5)
        rows["wav_scp"] += f"ana-{number} cat {number}.wav | cat |\n"
        rows["text"] += f"ana-{number} text {'abcdef'[number]}\n"
        rows["utt2spk"] += f"ana-{number} ana\n"
    write(corpus, **rows)
    assert recipe("data.reader=kaldi", f"data.dir={corpus}", "data.allow_pipes=true") == 0
    assert "data.allow_pipes: runs 6 commands of" in capsys.readouterr().out
    all_of = {name: read_table(recipe.dir / "data/all" / name) for name in ("utt2dur", "utt2format")}
    assert set(all_of["utt2dur"].values()) == {"1.5000"} and set(all_of["utt2format"].values()) == {
        "8000 1 wav"
    }


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sph2pipe_is_not_here a.sph", "ended with status 127: .*sph2pipe_is_not_here.*not found"),
        ("cat a.sph | cat", "ended with status 1: cat: a.sph: No such file"),
        ("echo hello", "its output is not audio: not readable as audio"),
        ("true", "its output is not audio"),
    ],
)
def test_a_command_that_fails_is_an_error(recipe, corpus, capsys, command, said):
    piped(corpus, command)
    assert recipe("data.reader=kaldi", f"data.dir={corpus}", "data.allow_pipes=true") == 2
    err = capsys.readouterr().err
    assert (
        "2 of 2 clips cannot be read" in err
        and f"{corpus}: the command {command!r}, run there" in err
        and re.search(said, err)
    )


def test_a_command_with_a_quote_that_does_not_close(recipe, corpus):
    piped(corpus, "cat 'a.wav")
    with pytest.raises(
        DataError, match=r"wav.scp:1: .*not a command that a shell can read \(No closing quotation\)"
    ):
        of_with_pipes(recipe, corpus)


def of_with_pipes(recipe, folder):
    return read(recipe.cfg("data.reader=kaldi", f"data.dir={folder}", "data.allow_pipes=true"))


def test_the_length_in_the_header_of_a_pipe_may_be_unknown(recipe, corpus):
    raw = (corpus / "a.wav").read_bytes()
    at = raw.find(b"data") + 4
    (corpus / "b.raw").write_bytes(
        raw[:4] + b"\xff\xff\xff\x7f" + raw[8:at] + b"\xff\xff\xff\x7f" + raw[at + 4 :]
    )  # as sox does
    piped(corpus, "cat b.raw")
    utt, _ = of_with_pipes(recipe, corpus).utterances
    clip = decode(Job(utt, corpus / "out.wav", 30.0))
    assert (clip.error, clip.dur_s, clip.format) == ("", 0.75, "16000 1 wav")


def test_tags(recipe, corpus):
    write(corpus, utt2accent="ana-1 north\n", utt2dur="ana-1 1\nana-2 1\n")
    assert [u.tags for u in of(recipe, corpus).utterances] == [{"accent": "north"}, {}]


def test_recognise(corpus, tmp_path):
    assert recognise(corpus) and recognise(tmp_path)
    write(tmp_path / "other", text="x")
    assert (
        not recognise(tmp_path / "other")
        and not recognise(corpus / "a.wav")
        and not recognise(tmp_path / "nowhere")
    )
