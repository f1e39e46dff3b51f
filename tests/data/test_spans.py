"""Clips that share speech of a recording stay together. What overlaps is counted by hand."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.check.test_alphabet import data
from xlt.check import leaks
from xlt.data.corpora import Utterance
from xlt.data.spans import Span, overlaps, spans
from xlt.data.splits import assign
from xlt.formats.tables import read_table


def part(start_s, end_s, channel=None, recording="r"):
    return Span(start_s, end_s, channel, recording)


@pytest.mark.parametrize(
    ("one", "two", "shared_s"),
    [
        (part(0, 2), part(1, 3), 1.0),
        (part(0, 5), part(1, 3), 2.0),
        (part(0, 2), part(2, 3), None),
        (part(0, 2), part(1.95, 3), None),  # margins
        (part(0, 2), part(1, 3, recording="s"), None),
        (part(0, 2, 0), part(1, 3, 1), None),  # two channels
        (part(0, 2, 0), part(1, 3), 1.0),  # one of them, and the mean of both
    ],
)
def test_what_overlaps(one, two, shared_s):
    found = list(overlaps({"b": two, "a": one}))
    assert found == ([] if shared_s is None else [("a", "b", pytest.approx(shared_s))])


def test_sliding_windows_are_one_chain():
    windows = {f"w{i}": part(i, i + 2) for i in range(5)}
    assert [(a, b) for a, b, _ in overlaps(windows)] == [(f"w{i}", f"w{i + 1}") for i in range(4)]


def test_a_line_of_the_table():
    for span in (part(0.5, 1.25, 1, "/a b/c d.wav"), part(0.0, 3.0)):
        assert Span.parse(str(span)) == span


def utterance(name, speaker, audio, *times, channel=None):
    return Utterance(name, speaker, "nld_Latn", name, Path(audio), name, *times, channel=channel)


def test_whole_files_have_spans_only_beside_their_parts():
    utts = {
        "a": utterance("a", "s", "/x/a.wav"),
        "b": utterance("b", "s", "/x/b.wav"),
        "c": utterance("c", "s", "/x/b.wav", 1.0, 2.0),
    }
    found = spans(utts, {"a": 3.0, "b": 3.0, "c": 1.0})
    assert found == {"b": part(0.0, 3.0, None, "/x/b.wav"), "c": part(1.0, 2.0, None, "/x/b.wav")}


def test_speakers_who_talk_at_once_are_in_one_set():
    utts = {
        f"s{i}-{j}": utterance(f"s{i}-{j}", f"s{i}", f"/{i // 2}.wav") for i in range(12) for j in range(3)
    }
    together = [(f"s{i}-{j}", f"s{i + 1}-{j}") for i in range(0, 12, 2) for j in range(3)]
    found, how = assign(utts, dict.fromkeys(utts, 2.0), {u: u for u in utts}, "auto", together)
    assert how["by"] == "speaker" and "36 clips share speech" in how["why"]
    assert all(found[a] == found[b] for a, b in together) and set(found.values()) == {"train", "dev", "test"}


def test_overlapping_clips_stay_together_from_the_table_to_the_sets(recipe, tmp_path):
    (tmp_path / "c").mkdir()
    soundfile.write(tmp_path / "c/a.wav", np.random.default_rng(1).normal(0, 0.1, 30 * 16000), 16000)
    rows = ["path\ttext\tstart\tend"]
    words = ("unu", "doi", "trei", "patru", "cinci", "șase", "șapte", "opt", "nouă", "zece")
    for number, word in enumerate(words):
        start = 3 * number
        rows += [f"a.wav\t{word}\t{start}\t{start + 2}", f"a.wav\t{word} mere\t{start + 0.5}\t{start + 2.5}"]
    (tmp_path / "c/t.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert recipe("data.reader=table", f"data.dir={tmp_path / 'c'}") == 0
    split, text = (read_table(recipe.dir / "data/all" / name) for name in ("utt2split", "text"))
    of_word = {}
    for utt, words_of_it in text.items():
        of_word.setdefault(words_of_it.split()[0], set()).add(split[utt])
    assert len(of_word) == 10 and all(len(sets) == 1 for sets in of_word.values())
    assert set(read_table(recipe.dir / "data/test/utt2span")) == set(
        read_table(recipe.dir / "data/test/text")
    )


@pytest.mark.parametrize(("test", "severity"), [("1.000 3.000 - r", "error"), ("5.000 6.000 - r", None)])
def test_an_overlap_across_sets_is_an_error(tmp_path, test, severity):
    sets, cfg = data(
        tmp_path / "r", "nld_Latn", {"a-1": "x"}, {"b-1": "y"}, utt2span={"a-1": "0.000 2.000 - r"}
    )
    (tmp_path / "r/data/test/utt2span").write_text(f"b-1 {test}\n")
    sets = type(sets)(sets.data, {name: one.folder for name, one in sets.items()})
    found = list(leaks.overlapping_speech(sets, cfg))
    assert [fault.severity for fault in found] == ([severity] if severity else [])
    if severity:
        assert found[0].values["shared_s"] == 1.0 and str(found[0].where).endswith("test/utt2span:1")


def test_an_overlap_within_a_set_is_a_warning(tmp_path):
    rows = {"a-1": "0.000 2.000 - r", "a-2": "1.000 3.000 - r"}
    (fault,) = leaks.overlapping_speech(
        *data(tmp_path / "r", "nld_Latn", {"a-1": "x", "a-2": "y"}, utt2span=rows)
    )
    assert (fault.severity, fault.values["count"]) == ("warning", 1)


def test_a_damaged_span_is_an_error(tmp_path):
    (fault,) = leaks.overlapping_speech(
        *data(tmp_path / "r", "nld_Latn", {"a-1": "x"}, utt2span={"a-1": "0 x - r"})
    )
    assert fault.severity == "error" and fault.values["value"] == "0 x - r"
