"""``xlt stream`` over a bundle without a model: each piece says how loud it is (:mod:`tests.serve.made`)."""

import contextlib
import json
import os
import signal
import stat
import sys
import threading
import time
import types

import numpy as np
import pytest

from tests.errors import raises, told
from tests.serve.made import Bundle, write
from xlt.cli import main
from xlt.core.errors import DataError
from xlt.stream import microphone


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A bundle of one language and a recording with two pieces: as loud as 3 tenths, and as 5."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("xlt.bundle.open_bundle", Bundle)
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "languages").write_text("ron_Latn")
    write(tmp_path / "a.wav", 3, 0, 5, 5, 0)
    return tmp_path


def run(*words, status=0):
    assert main(["stream", "bundle", *map(str, words)]) == status


@pytest.fixture
def pipe():
    """The writing end of a pipe that is standard input."""
    before = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    with open(writing, "wb", buffering=0) as file:
        yield file
    os.dup2(before, 0)
    for number in (before, reading):
        os.close(number)


def raw(*tenths, rate=16000):
    """16-bit samples of seconds as loud as said."""
    return (np.repeat(np.array(tenths) / 10, rate) * 32767).astype("<i2").tobytes()


def in_background(pipe, data, close=True):
    def send():
        pipe.write(data)
        if close:
            pipe.close()

    threading.Thread(target=send, daemon=True).start()


def test_a_file(here, capsys):
    run("a.wav", "--whole")
    assert capsys.readouterr() == ("n 3\nn 5\n", "")


def test_subtitles_and_lines_of_json(here, capsys):
    run("a.wav", "--whole", "--format", "srt")
    assert capsys.readouterr().out.startswith("1\n00:00:00,000 --> 00:00:01,")
    run("a.wav", "--whole", "--format", "jsonl")
    found = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    partial = next(one for one in found if one["type"] == "partial")
    assert partial["text"] == "n 3" and partial["stable"] == "" and 1 <= partial["end_s"] <= 1.3
    assert [one["text"] for one in found if one["type"] == "final"] == ["n 3", "n 5"]


@pytest.mark.parametrize("rate", [8000, 16000])
def test_raw_samples_of_a_pipe(here, pipe, capsys, rate):
    in_background(pipe, raw(3, 0, 5, rate=rate))
    run("-", "--whole", "--rate", rate)
    assert capsys.readouterr().out == "n 3\nn 5\n"


def test_wav_of_a_pipe(here, pipe, capsys):
    in_background(pipe, (here / "a.wav").read_bytes())
    run("-", "--whole")
    assert capsys.readouterr().out == "n 3\nn 5\n"


def test_ctrl_c_ends_with_the_last_text(here, pipe, capsys, monkeypatch):
    """The pipe stays open; the second Ctrl-C would end the command at once."""
    in_background(pipe, raw(3, 0, 5), close=False)
    heard = []
    piece = Bundle(here / "bundle").head().__class__.piece

    def noted(self, cut, hotwords=None):
        heard.append(cut)
        return piece(self, cut, hotwords)

    monkeypatch.setattr("tests.serve.made.Head.piece", noted)

    def interrupt():
        while not heard:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    before = signal.getsignal(signal.SIGINT)
    run("-", "--whole")
    assert capsys.readouterr().out.startswith("n 3\n")
    assert signal.getsignal(signal.SIGINT) is before


def test_real_time(here, capsys):
    start = time.monotonic()
    write(here / "short.wav", 3)
    run("short.wav", "--whole", "--realtime")
    assert capsys.readouterr().out == "n 3\n" and time.monotonic() - start >= 1.0


def test_a_file_that_breaks_off_has_its_texts_first(here, capsys, monkeypatch):
    from xlt.core.errors import DataError
    from xlt.stream import sources

    whole = sources.of_file

    def broken(path):
        yield from whole(path)
        raise DataError(f"{path}: breaks off; copy it again")

    monkeypatch.setattr(sources, "of_file", broken)
    run("a.wav", "--whole", status=2)
    said = capsys.readouterr()
    assert said.out == "n 3\nn 5\n"
    told(said.err, where="a.wav")


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["--realtime"], "--realtime"),
        (["a.wav", "--rate", "8000"], "--rate 8000"),
        (["-", "--rate", "4000"], "--rate 4000"),
        (["a.wav", "--device", "hw:1"], "--device hw:1"),
        (["a.wav", "--one_pass", "--whole"], "--one_pass"),
        (["a.wav", "--one_pass", "--final", "bundle"], "--one_pass"),
        (["a.wav", "--whole", "--chunk_s", "0.64"], "--chunk_s 0.64"),
        (["a.wav", "--whole", "--int8"], "--int8"),
        (["none.wav", "--whole"], "none.wav"),
        (["a.wav", "--whole", "--lang", "xyz"], "--lang xyz"),
    ],
)
def test_what_does_not_fit(here, capsys, monkeypatch, words, where):
    from xlt.core.errors import ConfigError

    def head(self, lang=None):
        raise ConfigError(f"--lang {lang}: bundle does not have it")

    if "--lang" in words:
        monkeypatch.setattr(Bundle, "head", head)
    run(*words, status=2)
    told(capsys.readouterr().err, where=where)


def test_a_final_bundle_of_another_language(here, capsys, monkeypatch):
    monkeypatch.setattr(Bundle, "named", lambda self, lang: self.languages[0], raising=False)
    (here / "other").mkdir()
    (here / "other" / "languages").write_text("cat_Latn")
    run("a.wav", "--whole", "--final", "other", status=2)
    told(capsys.readouterr().err, "cat_Latn", "ron_Latn", where="--final other")
    (here / "other" / "languages").write_text("cat_Latn ron_Latn")
    run("a.wav", "--whole", "--final", "other")
    assert capsys.readouterr().out == "n 3\nn 5\n"


def test_no_microphone(here, capsys, monkeypatch):
    monkeypatch.setattr(microphone, "_sounddevice", lambda: None)
    monkeypatch.setenv("PATH", str(here))
    run("--whole", status=2)
    told(capsys.readouterr().err, "sounddevice", where="microphone")


def recorder(here, monkeypatch, script):
    """``script`` in place of arecord, where sounddevice is not installed."""
    monkeypatch.setattr(microphone, "_sounddevice", lambda: None)
    program = here / "arecord"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{here}{os.pathsep}{os.environ['PATH']}")


def test_the_microphone_by_a_program(here, capsys, monkeypatch):
    """It gets the rate and the device; when it ends, that is told behind the texts."""
    (here / "raw").write_bytes(raw(3, 0, 5, rate=8000))
    recorder(here, monkeypatch, 'echo "$@" > words; cat raw')
    run("--whole", "--rate", 8000, "--device", "hw:1", status=2)
    said = capsys.readouterr()
    assert said.out == "n 3\nn 5\n"
    told(said.err, where="microphone")
    assert (here / "words").read_text() == "-q -t raw -f S16_LE -c 1 -r 8000 -D hw:1\n"


def test_a_microphone_that_is_not_there(here, capsys, monkeypatch):
    recorder(here, monkeypatch, 'echo "arecord: no such device" >&2; exit 1')
    run("--whole", status=2)
    told(capsys.readouterr().err, "no such device", where="microphone")


def test_a_recorder_that_complains_all_the_time_is_heard_on(here, capsys, monkeypatch):
    """More than a pipe holds, 64 KiB."""
    (here / "raw").write_bytes(raw(3, 0))
    recorder(here, monkeypatch, "yes overrun | head -c 100000 >&2; cat raw")
    run("--whole", status=2)
    said = capsys.readouterr()
    assert said.out == "n 3\n"
    told(said.err, "overrun", where="microphone")


def test_ctrl_c_in_a_terminal_does_not_reach_the_recorder(here, monkeypatch):
    """It goes to all programs of one process group, that of this process."""
    recorder(here, monkeypatch, "echo $$ > pid; exec cat /dev/zero")
    with contextlib.closing(microphone.of_microphone(8000)) as blocks:
        next(blocks)
        assert os.getpgid(int((here / "pid").read_text())) != os.getpgid(0)


class Stream:
    """sounddevice's, as far as it is used: three seconds, an overflow before the last of them."""

    def __init__(self, rate, step, device, channels, kind, callback):
        self.device = device
        data = raw(3, 3, 0, 0, rate=rate)
        for start in range(0, len(data), 2 * step):
            overflow = types.SimpleNamespace(input_overflow=start == 2 * rate)
            callback(data[start : start + 2 * step], step, None, overflow)

    def __enter__(self):
        return self

    def __exit__(self, *more):
        pass

    active = False


def test_the_microphone_by_sounddevice(here, monkeypatch):
    module = types.ModuleType("sounddevice")
    module.RawInputStream, module.PortAudioError = Stream, type("PortAudioError", (Exception,), {})
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    blocks = microphone.of_microphone(8000, "2")
    found = [next(blocks) for _ in range(40)]
    assert found[0].samples[0] == pytest.approx(0.3, abs=1e-3) and found[0].rate == 8000
    assert [one.place for one in found[:10]] == [800 * (n + 1) for n in range(10)]  # the lost block is before
    monkeypatch.setattr(microphone, "_SILENT_S", 0.01)
    with raises(DataError, where="microphone"):  # which is not there any more
        list(blocks)
