"""What ``import xlt`` offers."""

import doctest
import json
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile

import xlt
from tests.errors import raises, told
from tests.score.test_compare import system
from tests.tones import RATE, Loud, sound
from xlt import library
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.core.errors import DataError

pytestmark = pytest.mark.slow

BUNDLE = ROOT / "tests/fixtures/bundle_v1"


@pytest.fixture(scope="module")
def transcriber():
    return xlt.load(BUNDLE)


@pytest.fixture(autouse=True)
def tones_are_speech(monkeypatch):
    monkeypatch.setattr("xlt.audio.voice.Voice", Loud)


@pytest.fixture
def wav(tmp_path):
    def write(text, seed=1):
        path = tmp_path / f"{text.replace(' ', '_')}.wav"
        soundfile.write(path, sound(text, np.random.default_rng(seed)), RATE)
        return path

    return write


def test_examples(wav):
    places = {"bundle": BUNDLE, "recording": wav("aei")}
    assert doctest.testmod(library, extraglobs=places).failed == 0
    page = ROOT / "docs/library.md"
    assert doctest.testfile(str(page), module_relative=False).failed == 0


def test_import_costs_nothing():
    code = "import sys, xlt; print(xlt.__version__, *[m for m in sys.modules if m.startswith('xlt.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == [xlt.__version__]
    assert set(dir(xlt)) >= {"load", "cer", "wer", "compare"}
    with pytest.raises(AttributeError, match="'nosuch'"):
        xlt.nosuch  # noqa: B018


def test_a_file_is_transcribed_and_nothing_is_printed(transcriber, wav, capfd):
    found = transcriber(wav("aei oae"))
    assert found.text.replace(" ", "") == "aeioae" and str(found) == found.text
    (segment,) = found.segments
    assert segment.start_s == 0 and segment.end_s > 0.5 and segment.score < 0
    assert capfd.readouterr() == ("", "")
    assert repr(transcriber) == f"xlt.load({str(BUNDLE)!r})"


def test_a_relative_path_counts_from_where_the_process_stands(transcriber, wav, monkeypatch):
    path = wav("aei")
    monkeypatch.chdir(path.parent)
    assert transcriber(path.name) == transcriber(path)


def test_what_cannot_be_read(transcriber, tmp_path):
    with pytest.raises(DataError, match="nosuch.wav"):
        transcriber(tmp_path / "nosuch.wav")
    with pytest.raises(DataError, match="bundle.json: no such file"):
        xlt.load(tmp_path)


def test_words_have_times(transcriber, wav):
    found = transcriber(wav("aei oae"))
    (segment,) = found.segments
    assert [word.text for word in segment.words] == found.text.split()
    times = [time for word in segment.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times) and 0 <= times[0] and times[-1] <= segment.end_s + 0.01
    assert {word.confidence for word in segment.words} == {None}  # the bundle's decoder is greedy


def test_words_of_a_request_are_preferred_in_it_alone(transcriber, wav):
    path = wav("aei oae")
    plain = transcriber(path)
    word = plain.segments[0].words[0].text
    for words in ([word.upper()], {word: 0.5}):
        biased = transcriber(path, words=words, words_weight=1.0)
        assert biased.text == plain.text
        assert all(0 < one.confidence < 1 for one in biased.segments[0].words)
        # the score has a nat, or half of one, for each character
        gained = biased.segments[0].score - transcriber(path, words=words, words_weight=0).segments[0].score
        count = len(word) * plain.text.split().count(word)
        assert gained == pytest.approx(count * (1.0 if isinstance(words, list) else 0.5), abs=0.1)
    assert transcriber(path) == plain
    with raises(DataError, "ü", where="words"):
        transcriber(path, words=["für"])
    with pytest.raises(TypeError, match="a list of words"):
        transcriber(path, words="für")


def test_words_on_the_command_line(wav, tmp_path, capsys):
    path, listed = wav("aei oae"), tmp_path / "names.txt"
    assert main(["transcribe", str(BUNDLE), str(path), "--format", "json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    word = plain["segments"][0]["words"][0]
    assert set(word) == {"text", "start_s", "end_s", "confidence"} and word["confidence"] is None
    listed.write_text(word["text"] + "\n")
    arguments = ["transcribe", str(BUNDLE), str(path), "--json", "--words", str(listed)]
    assert main([*arguments, "--words_weight", "1"]) == 0
    biased = json.loads(capsys.readouterr().out)
    assert biased["text"] == plain["text"] and 0 < biased["segments"][0]["words"][0]["confidence"] < 1
    listed.write_text("aei\nfür\n")
    assert main(arguments) == 2
    told(capsys.readouterr().err, "ü", where="names.txt:2")
    assert main([*arguments[:-1], str(tmp_path / "none.txt")]) == 2
    told(capsys.readouterr().err, "none.txt", where="--words")
    assert main([*arguments[:3], "--words_weight", "1"]) == 2
    told(capsys.readouterr().err, "--words", where="--words_weight 1")


def test_one_transcriber_in_four_threads(transcriber, wav):
    texts = ["aei oae", "iao", "eoa aei", "oei iae"]
    paths = {text: wav(text, seed) for seed, text in enumerate(texts)}
    alone = {text: transcriber(path) for text, path in paths.items()}
    found = {}
    start = threading.Barrier(4)

    def work(text):
        start.wait(30)
        found[text] = [transcriber(paths[text]) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(text,)) for text in texts]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
    assert found == {text: [alone[text]] * 5 for text in texts}


@pytest.mark.parametrize(
    ("refs", "hyps", "error"),
    [
        (["a"], [], "1 references and 0 hypotheses"),
        (["a", " "], ["a", "b"], "reference 1 has no text"),
        ([], [], "no references"),
    ],
)
def test_rates_that_cannot_be(refs, hyps, error):
    with pytest.raises(ValueError, match=error):
        xlt.cer(refs, hyps)


def test_two_results_are_compared(tmp_path, capfd):
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, errors in zip(paths, ([2] * 40, [1] * 40), strict=True):
        path.write_text(json.dumps(system(errors)))
    found = xlt.compare(*paths)
    assert [(one.set, one.metric, one.n) for one in found] == [("test", "cer", 40), ("test", "wer", 40)]
    assert found[0].rates == (20.0, 10.0) and found[0].b_is_better
    assert capfd.readouterr() == ("", "")
    with raises(DataError, where="dev"):
        xlt.compare(*paths, set="dev")
