"""Manifests are written by lhotse itself, so the reader is held to what lhotse makes and not to what we think
of it.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.data.corpus import tone
from tests.errors import raises
from tests.lazy import Lazy
from xlt.core.errors import ConfigError, DataError
from xlt.data.clips import Job, decode
from xlt.data.corpora.lhotse import read, recognise

lhotse = Lazy("lhotse")
lhotse_cut = Lazy("lhotse.cut")


def recording(path: Path, name: str, dur_s: float = 3.0) -> lhotse.Recording:
    tone(path, dur_s=dur_s)
    return lhotse.Recording.from_file(path, recording_id=name)


def sup(name: str, reco: str, start: float = 0.0, dur: float = 3.0, **more) -> lhotse.SupervisionSegment:
    return lhotse.SupervisionSegment(
        id=name,
        recording_id=reco,
        start=start,
        duration=dur,
        **{"text": f"text of {name}", "speaker": "ana", "language": "Romanian", **more},
    )


def write(folder: Path, part: str, recordings: list, supervisions: list) -> Path:
    """What ``lhotse prepare`` leaves: two manifests."""
    folder.mkdir(parents=True, exist_ok=True)
    lhotse.RecordingSet.from_recordings(recordings).to_file(folder / f"corpus_recordings{part}.jsonl.gz")
    lhotse.SupervisionSet.from_segments(supervisions).to_file(folder / f"corpus_supervisions{part}.jsonl.gz")
    return folder


def of(recipe, place, *settings):
    return read(recipe.cfg("data.reader=lhotse", f"data.dir={place}", *settings))


@pytest.fixture
def corpus(tmp_path):
    """A recording of which two supervisions are parts, and one that is spoken whole."""
    return write(
        tmp_path / "m",
        "",
        [recording(tmp_path / "a.wav", "a"), recording(tmp_path / "b.wav", "b")],
        [sup("a-1", "a", 0.5, 0.75), sup("a-2", "a", 1.25, 1.75), sup("ana-b", "b")],
    )


def test_segments_and_whole_recordings(recipe, corpus, tmp_path):
    assert [
        (u.id, u.speaker, u.text, u.audio, u.start_s, u.end_s, u.split) for u in of(recipe, corpus).utterances
    ] == [
        ("ana-a-1", "ana", "text of a-1", tmp_path / "a.wav", 0.5, 1.25, None),
        ("ana-a-2", "ana", "text of a-2", tmp_path / "a.wav", 1.25, 3.0, None),
        ("ana-b", "ana", "text of ana-b", tmp_path / "b.wav", None, None, None),
    ]


@pytest.mark.parametrize("name", ["corpus_recordings.jsonl.gz", "corpus_supervisions.jsonl.gz"])
def test_one_of_the_two_files_names_both(recipe, corpus, name):
    assert len(of(recipe, corpus / name).utterances) == 3 and recognise(corpus / name)


def test_parts_that_tell_their_set(recipe, tmp_path):
    for part in ("train-clean-100", "train-other", "dev_clean", "eval"):
        write(
            tmp_path / "m",
            f"_{part}",
            [recording(tmp_path / f"{part}.wav", part)],
            [sup(f"ana-{part}", part)],
        )
    assert {u.id: u.split for u in of(recipe, tmp_path / "m").utterances} == {
        "ana-train-clean-100": "train",
        "ana-train-other": "train",
        "ana-dev_clean": "dev",
        "ana-eval": "test",
    }


def test_parts_that_do_not_are_named_by_a_setting(recipe, tmp_path):
    for part in ("XL", "DEV", "held", "noisy"):
        write(
            tmp_path / "m",
            f"_{part}",
            [recording(tmp_path / f"{part}.wav", part)],
            [sup(f"ana-{part}", part)],
        )
    with pytest.raises(DataError, match="XL, held, noisy tell no set. Say which is which: data.splits="):
        of(recipe, tmp_path / "m")
    given = of(recipe, tmp_path / "m", "data.splits={XL: train, DEV: dev, held: test}")
    assert {u.id: u.split for u in given.utterances} == {
        "ana-XL": "train",
        "ana-DEV": "dev",
        "ana-held": "test",
    }
    with pytest.raises(ConfigError, match="data.splits: found .*; .* has the parts DEV, XL, held, noisy"):
        of(recipe, tmp_path / "m", "data.splits={XXL: train}")


def test_a_part_of_no_set_alone_is_split_as_a_whole(recipe, tmp_path):
    write(tmp_path / "m", "_all", [recording(tmp_path / "a.wav", "a")], [sup("ana-a", "a")])
    assert [u.split for u in of(recipe, tmp_path / "m").utterances] == [None]


@pytest.mark.parametrize("ending", ["jsonl.gz", "jsonl", "json"])
def test_cuts(recipe, tmp_path, ending):
    """A cut's supervisions count from the cut; what reaches beyond the cut is cut off; padding is nothing."""
    reco = recording(tmp_path / "a.wav", "a", 4.0)
    cut = lhotse.MonoCut(
        "c",
        start=1.0,
        duration=2.0,
        channel=0,
        recording=reco,
        supervisions=[sup("ana-1", "a", 0.25, 0.5), sup("ana-2", "a", 1.0, 1.5)],
    )
    silent = lhotse.MonoCut("s", start=0, duration=1.0, channel=0, recording=reco)
    whole = lhotse.MonoCut("w", 0, 4.0, 0, recording=reco, supervisions=[sup("ana-3", "a", 0, 4.0)]).pad(
        duration=6.0
    )
    assert any(isinstance(track.cut, lhotse_cut.PaddingCut) for track in whole.tracks)
    (tmp_path / "m").mkdir()
    lhotse.CutSet.from_cuts([cut, silent, whole]).to_file(tmp_path / "m" / f"cuts_train.{ending}")
    assert recognise(tmp_path / "m")
    found = of(recipe, tmp_path / "m")
    assert [(u.id, u.start_s, u.end_s) for u in found.utterances] == [
        ("ana-1", 1.25, 1.75),
        ("ana-2", 2.0, 3.0),
        ("ana-3", None, None),
    ]
    assert found.left_out["audio without text"] == ["s"]


def test_the_channel_that_is_meant(recipe, tmp_path):
    """Two callers on two channels of a file; a meeting on two files; a supervision of all channels is their
    mean.
    """
    left, right = np.full(16000, 0.25), np.full(16000, 0.5)
    soundfile.write(tmp_path / "call.wav", np.stack([left, right], axis=1), 16000)
    soundfile.write(tmp_path / "far.wav", right, 16000)
    call, far = (
        lhotse.Recording.from_file(tmp_path / f"{name}.wav", recording_id=name) for name in ("call", "far")
    )
    far.sources[0].channels = [3]
    call.sources += far.sources
    call.channel_ids = [0, 1, 3]
    write(
        tmp_path / "m",
        "",
        [call],
        [sup(f"ana-{k}", "call", 0, 1.0, channel=channel) for k, channel in enumerate((0, 1, 3, [0, 1]))],
    )
    heard = {}
    for utt in of(recipe, tmp_path / "m").utterances:
        assert not decode(Job(utt, tmp_path / f"{utt.id}.wav", 30.0)).error
        heard[utt.id] = round(float(soundfile.read(tmp_path / f"{utt.id}.wav")[0].mean()), 3)
    assert heard == {"ana-0": 0.25, "ana-1": 0.5, "ana-2": 0.5, "ana-3": 0.375}


def test_what_is_not_taken_is_listed(recipe, corpus, tmp_path):
    write(
        tmp_path / "m",
        "",
        [recording(tmp_path / "a.wav", "a"), recording(tmp_path / "b.wav", "b")],
        [
            sup("ana-1", "a", text=None),
            sup("ana-2", "gone"),
            sup("ana-3", "a", language="en_us"),
            sup("ana-4", "a", language="ro"),
        ],
    )
    found = of(recipe, tmp_path / "m")
    assert [u.id for u in found.utterances] == ["ana-4"]
    assert found.left_out == {
        "audio without text": ["b", "ana-1"],
        "text without audio": ["ana-2"],
        "another language": ["ana-3"],
    }


def test_one_language_of_an_unknown_name_is_the_corpus_own(recipe, tmp_path):
    write(tmp_path / "m", "", [recording(tmp_path / "a.wav", "a")], [sup("ana-1", "a", language="Moldavian")])
    assert len(of(recipe, tmp_path / "m").utterances) == 1
    write(
        tmp_path / "m",
        "",
        [recording(tmp_path / "a.wav", "a")],
        [sup("x-1", "a", language="Moldavian"), sup("x-2", "a", language="English")],
    )
    with pytest.raises(
        DataError, match="supervisions are in English, Moldavian, none of which is known as ron_Latn"
    ):
        of(recipe, tmp_path / "m")


def test_speakers_that_are_not_named(recipe, tmp_path):
    write(
        tmp_path / "m",
        "",
        [recording(tmp_path / "a.wav", "reco a/1")],
        [sup("u 1", "reco a/1", speaker=None)],
    )
    found = of(recipe, tmp_path / "m")
    assert [(u.id, u.speaker) for u in found.utterances] == [("reco_a_1-u_1", "reco_a_1")]
    assert found.facts["speakers"].startswith("1 utterances name none")


def test_audio_beside_the_manifests(recipe, tmp_path):
    reco = recording(tmp_path / "m" / "wav" / "a.wav", "a")
    reco.sources[0].source = "wav/a.wav"
    write(tmp_path / "m", "", [reco], [sup("ana-1", "a")])
    assert of(recipe, tmp_path / "m").utterances[0].audio == tmp_path / "m" / "wav" / "a.wav"


def faulty(reco: lhotse.Recording, fault: str) -> lhotse.Recording:
    if fault == "speed":
        return reco.perturb_speed(0.9, affix_id=False)
    if fault == "command":
        reco.sources[0].type = "command"
    if fault == "url":
        reco.sources[0].type = "url"
    return reco.resample(8000) if fault == "resampled" else reco


@pytest.mark.parametrize(
    ("fault", "segment", "said"),
    [
        (
            "speed",
            {},
            r"supervisions.jsonl.gz:1: recording 'a' is changed by Speed; give the manifest from before",
        ),
        (
            "command",
            {},
            (
                r"supervisions.jsonl.gz:1: the audio of 'a' is a command; commands are run with"
                r" data.allow_pipes=true only"
            ),
        ),
        ("url", {}, r"supervisions.jsonl.gz:1: the audio of 'a' is a url, not a file; write it to files"),
        ("", {"channel": 2}, r":1: recording 'a' has the channels \[0\], and channel 2 is asked for"),
        ("", {"start": -1.0}, r":1: supervision 'ana-1' is -1–2 s, expected 0 <= start < end"),
        ("resampled", {}, None),
    ],
)
def test_recordings_that_cannot_be_used(recipe, tmp_path, fault, segment, said):
    segment = sup("ana-1", "a", **segment)
    write(tmp_path / "m", "", [faulty(recording(tmp_path / "a.wav", "a"), fault)], [segment])
    if said is None:
        assert len(of(recipe, tmp_path / "m").utterances) == 1
    else:
        with pytest.raises(DataError, match=said):
            of(recipe, tmp_path / "m")


def test_mixed_cuts_are_refused(recipe, tmp_path):
    cut = lhotse.MonoCut(
        "c", 0, 3.0, 0, recording=recording(tmp_path / "a.wav", "a"), supervisions=[sup("ana-1", "a")]
    )
    noise = lhotse.MonoCut("n", 0, 3.0, 0, recording=recording(tmp_path / "n.wav", "n"))
    (tmp_path / "m").mkdir()
    lhotse.CutSet.from_cuts([cut.mix(noise, snr=10)]).to_file(tmp_path / "m" / "cuts.jsonl.gz")
    with pytest.raises(DataError, match=r"cuts.jsonl.gz:1: cut .* is a mix of 2 tracks"):
        of(recipe, tmp_path / "m")


def test_damaged_manifests(recipe, corpus):
    path = corpus / "corpus_supervisions.jsonl.gz"
    lines = gzip.open(path, "rt").read().splitlines()
    gzip.open(path, "wt").write("\n".join([lines[0], lines[1][:30]]) + "\n")
    with pytest.raises(
        DataError, match=r"supervisions.jsonl.gz:2: not an entry of a lhotse manifest \(JSONDecodeError"
    ):
        of(recipe, corpus)
    gzip.open(path, "wt").write(lines[0] + "\n" + json.dumps({"path": "a.wav", "text": "x"}) + "\n")
    with raises(DataError, "lhotse", where="corpus_supervisions.jsonl.gz:2"):
        of(recipe, corpus)
    whole = (corpus / "corpus_recordings.jsonl.gz").read_bytes()
    (corpus / "corpus_recordings.jsonl.gz").write_bytes(whole[:-20])
    with pytest.raises(DataError, match="corpus_recordings.jsonl.gz: damaged or cut off"):
        of(recipe, corpus)


def test_no_manifests(recipe, tmp_path):
    with raises(DataError, "lhotse", where="data.dir"):
        read(recipe.cfg("data.reader=lhotse"))
    with raises(DataError, where="data.dir") as caught:
        of(recipe, tmp_path / "nowhere")
    assert caught.value.file == str(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no manifests there; expected NAME_recordings_PART.jsonl.gz"):
        of(recipe, tmp_path)
    (tmp_path / "corpus_recordings.jsonl.gz").touch()
    with raises(DataError, "NAME_recordings_PART.jsonl.gz", where="data.dir") as caught:
        of(recipe, tmp_path)
    assert caught.value.file == str(tmp_path)


def test_two_corpora_in_one_folder(recipe, corpus):
    (corpus / "other_recordings.jsonl.gz").write_bytes((corpus / "corpus_recordings.jsonl.gz").read_bytes())
    with pytest.raises(
        DataError, match="corpus_recordings.jsonl.gz and other_recordings.jsonl.gz are both recordings"
    ):
        of(recipe, corpus)


def test_recognition(corpus, tmp_path):
    assert recognise(corpus)
    assert (
        not recognise(tmp_path) and not recognise(tmp_path / "nowhere") and not recognise(tmp_path / "a.wav")
    )
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "recordings.jsonl").write_text('{"path": "a.wav", "text": "unu"}\n')
    assert not recognise(tmp_path / "table")


def test_commands_are_run_where_they_are_allowed(recipe, tmp_path):
    """As in Kaldi's wav.scp; a path in a command counts from the folder of the manifests or one above it."""
    reco = recording(tmp_path / "wav" / "a.wav", "a", 2.0)
    reco.sources[0].type, reco.sources[0].source = "command", "cat wav/a.wav"
    write(tmp_path / "m", "", [reco], [sup("ana-1", "a", 0.5, 1.0)])
    (utt,) = of(recipe, tmp_path / "m", "data.allow_pipes=true").utterances
    clip = decode(Job(utt, tmp_path / "out.wav", 30.0))
    assert (clip.error, round(clip.dur_s, 3)) == ("", 1.0)


def test_an_archive_of_manifests_and_audio(recipe, tmp_path):
    import tarfile

    reco = recording(tmp_path / "set" / "a.wav", "a")
    reco.sources[0].source = "a.wav"
    write(tmp_path / "set", "", [reco], [sup("ana-1", "a")])
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "set", "set")
    assert recognise(tmp_path / "set.tar.gz")
    (utt,) = of(recipe, tmp_path / "set.tar.gz").utterances
    assert utt.audio.is_file() and tmp_path / "cache" in utt.audio.parents
