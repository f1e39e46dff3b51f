"""Recordings without texts as a set; the corpus of twelve clips of one second."""

import numpy as np
import pytest
import soundfile

from tests.data.corpus import PHRASES, melody, tone
from tests.errors import raises, told
from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import ConfigError
from xlt.core.stage import read_json
from xlt.data.unlabelled import check, pieces, recordings
from xlt.formats.tables import read_table, write_table


@pytest.fixture
def run(recipe, stamps, tmp_path):
    """Stage 1 with the folder ``more`` as recordings without texts."""

    def stage(*settings, folder=tmp_path / "more"):
        more = [f"train.unlabelled={folder}", "train.teacher=exp/other"]
        return recipe(f"data.dir={stamps}", *more, *settings)

    assert recipe(f"data.dir={stamps}") == 0
    stage.more, stage.dir = tmp_path / "more", recipe.dir
    return stage


def wav_of(recipe_dir, name, place=0):
    """A clip of a set, as stage 1 wrote it."""
    return recipe_dir / list(read_table(recipe_dir / f"data/{name}/wav.scp").values())[place]


def report(run):
    return read_json(run.dir / "data/unlabelled/report.json", "data")


def test_sound_files_become_a_set_without_texts(run, capsys):
    tone(run.more / "day one/a.wav", 1.5, rate=44100, hz=500, channels=2)
    tone(run.more / "b.FLAC", 0.8, hz=700)
    assert run() == 0
    data = run.dir / "data/unlabelled"
    assert sorted(p.name for p in data.glob("*2*")) == [
        "spk2utt",
        "utt2audio",
        "utt2dur",
        "utt2lang",
        "utt2spk",
    ]
    assert not (data / "text").exists()
    assert read_table(data / "utt2dur") == {"unlabelled-b": "0.8000", "unlabelled-day_one_a": "1.5000"}
    assert set(read_table(data / "utt2lang").values()) == {"ron_Latn"}
    for path in read_table(data / "wav.scp").values():
        info = soundfile.info(run.dir / path)
        assert (info.samplerate, info.channels) == (SAMPLE_RATE, 1)
    assert run() == 0
    assert "data/unlabelled is up to date" in capsys.readouterr().out
    tone(run.more / "c.wav", hz=900)
    assert run() == 0
    assert len(read_table(data / "wav.scp")) == 3


def test_a_held_out_clip_is_refused_whatever_it_is_called(run, capsys):
    tone(run.more / "a.wav", hz=500)
    for name in ("dev", "test"):
        samples, rate = soundfile.read(wav_of(run.dir, name), dtype="int16")
        soundfile.write(run.more / "holiday.flac", samples, rate)
        capsys.readouterr()
        assert run() == 2
        told(capsys.readouterr().err, "'holiday'", name, where="train.unlabelled=../more")
        assert not (run.dir / "data/unlabelled").exists()


def test_a_held_out_clip_in_another_format_is_refused(recipe, tmp_path, capsys):
    for number, name in enumerate(("train", "dev", "test")):
        folder = tmp_path / "corpus" / name
        folder.mkdir(parents=True)
        utts = [f"spk-{name}{n}" for n in range(4)]
        for n, utt in enumerate(utts):
            soundfile.write(folder / f"{utt}.wav", melody(4 * number + n), SAMPLE_RATE)
        write_table(folder / "wav.scp", {utt: f"{utt}.wav" for utt in utts})
        write_table(folder / "text", {utt: PHRASES[4 * number + n] for n, utt in enumerate(utts)})
        write_table(folder / "utt2spk", dict.fromkeys(utts, "spk"))
    more = tmp_path / "more"
    more.mkdir()
    words = ["data.reader=kaldi", f"data.dir={tmp_path / 'corpus'}", "train.teacher=x"]
    words.append(f"train.unlabelled={more}")
    soundfile.write(more / "new.wav", melody(50), SAMPLE_RATE)
    assert recipe(*words) == 0
    samples, rate = soundfile.read(tmp_path / "corpus/test/spk-test2.wav")
    soundfile.write(more / "a.mp3", samples / 2, rate)
    capsys.readouterr()
    assert recipe(*words) == 2
    told(capsys.readouterr().err, "'a'", "'spk-test2'", where="train.unlabelled=../more")


def test_training_clips_and_repeated_ones_are_left_out_and_counted(run):
    tone(run.more / "a.wav", hz=500)
    tone(run.more / "again.wav", hz=500)
    tone(run.more / "short.wav", 0.1, hz=500)
    (run.more / "known.wav").write_bytes(wav_of(run.dir, "train").read_bytes())
    tone(run.more / "e.wav", hz=1100)
    for n in range(3):
        tone(run.more / f"f{n}.wav", hz=2000 + n)
    (run.more / "broken.wav").write_bytes(b"RIFF")
    assert run() == 0
    assert report(run)["left_out"] == {
        "unreadable": ["unlabelled-broken"],
        "too short": ["unlabelled-short"],
        "duplicate": ["unlabelled-again"],
        "in train": ["unlabelled-known"],
    }
    assert report(run)["utterances"] == 5


def test_a_kaldi_directory_keeps_ids_speakers_and_segments_and_its_texts_are_not_read(run, capsys):
    tone(run.more / "day.wav", 4.0, hz=500)
    write_table(run.more / "wav.scp", {"day": "day.wav"})
    write_table(run.more / "segments", {"ana-1": "day 0.5 1.5", "ana-2": "day 2.0 2.6"})
    write_table(run.more / "utt2spk", {"ana-1": "ana", "ana-2": "ana"})
    write_table(run.more / "text", {"ana-1": "unu", "ana-2": "doi"})
    assert run() == 0
    data = run.dir / "data/unlabelled"
    assert read_table(data / "utt2dur") == {"unlabelled-ana-1": "1.0000", "unlabelled-ana-2": "0.6000"}
    assert set(read_table(data / "utt2spk").values()) == {"unlabelled-ana"}
    assert not (data / "text").exists()
    assert "has texts, which are not read" in capsys.readouterr().out


def test_files_of_one_name_stay_apart(recipe, tmp_path):
    for name in ("x/b.wav", "x_b.wav", "x/b.flac"):
        tone(tmp_path / "more" / name)
    ids = [found.id for found in recordings(tmp_path / "more", recipe.cfg())]
    assert len(ids) == len(set(ids)) == 3


def test_a_long_recording_is_cut_where_it_is_quiet(recipe, tmp_path):
    """15 s of sound, half a second of silence, 10 s of sound."""
    wave = np.concatenate([np.full(15 * SAMPLE_RATE, 0.2), np.zeros(SAMPLE_RATE // 2), np.full(160000, 0.2)])
    (tmp_path / "more").mkdir()
    soundfile.write(tmp_path / "more/long.wav", wave, SAMPLE_RATE)
    (long,) = recordings(tmp_path / "more", recipe.cfg())
    (first, _, start), (second, begins_s, rest) = pieces(long, recipe.cfg(), [], tmp_path)
    assert first == "unlabelled-long-00000000ms"
    assert 15.0 < len(start) / SAMPLE_RATE < 15.5 and len(start) + len(rest) == len(wave)
    assert second == f"unlabelled-long-{len(start) // 16:08}ms" and begins_s == len(start) / SAMPLE_RATE


def test_of_a_recording_that_clips_are_parts_of_only_the_rest_is_learned(recipe, tmp_path, capsys):
    """A tape of 33 s: 6 s with a dev clip, 9 s with a training clip, 12 s that nobody has written down."""
    gap = np.zeros(3 * SAMPLE_RATE)
    tape = [melody(20, 6.0), gap, melody(21, 9.0), gap, melody(22, 12.0)]
    more = tmp_path / "more"
    more.mkdir()
    soundfile.write(more / "tape.wav", np.concatenate(tape), SAMPLE_RATE)
    for number, (name, spans) in enumerate(
        {"train": {"spk-a": (9.5, 17.0)}, "dev": {"spk-b": (0.5, 5.5)}, "test": {}}.items()
    ):
        folder = tmp_path / "corpus" / name
        folder.mkdir(parents=True)
        for n in range(2):
            soundfile.write(folder / f"{name}{n}.wav", melody(30 + 2 * number + n), SAMPLE_RATE)
        whole = {f"spk-{name}{n}": (f"{name}{n}", 0.0, 2.0) for n in range(2)}
        parts = {utt: ("tape", *span) for utt, span in spans.items()} | whole
        write_table(
            folder / "wav.scp",
            {f"{name}{n}": f"{name}{n}.wav" for n in range(2)} | {"tape": str(more / "tape.wav")},
        )
        write_table(
            folder / "segments", {utt: f"{tape} {a} {b}" for utt, (tape, a, b) in sorted(parts.items())}
        )
        write_table(folder / "text", {utt: PHRASES[4 * number + n] for n, utt in enumerate(sorted(parts))})
        write_table(folder / "utt2spk", dict.fromkeys(sorted(parts), "spk"))
    words = ["data.reader=kaldi", f"data.dir={tmp_path / 'corpus'}", "train.teacher=x"]
    words.append("data.min_chars_per_s=0.1")
    assert recipe(*words, f"train.unlabelled={more}") == 0
    left_out = read_json(recipe.dir / "data/unlabelled/report.json", "data")["left_out"]
    (only,) = read_table(recipe.dir / "data/unlabelled/wav.scp")
    assert left_out and set(left_out) <= {"held out", "in train"}
    assert float(only.rpartition("-")[2].removesuffix("ms")) >= 17000


@pytest.mark.parametrize(
    ("settings", "fact"),
    [
        (["train.teacher=null"], "train.teacher"),
        (["train.teacher=x", "train.balance=0.5"], "train.balance=0.5"),
        (["train.teacher=x", "tokens.language_tag=true"], "tokens.language_tag=True"),
        (["train.teacher=x", "train.zero_shot=true", "train.init=y"], "train.zero_shot=True"),
        (["train.teacher=x", "train.unlabelled=nowhere"], "folder"),
    ],
)
def test_settings_that_do_not_go_together(recipe, tmp_path, settings, fact):
    with raises(ConfigError, fact) as caught:
        check(recipe.cfg(f"train.unlabelled={tmp_path}", *settings))
    assert caught.value.setting == "train.unlabelled"


def test_a_folder_without_sounds_and_one_of_damaged_ones(run, capsys):
    run.more.mkdir()
    assert run() == 2
    told(capsys.readouterr().err, ".flac", where="more")
    (run.more / "a.wav").write_bytes(b"RIFF")
    assert run() == 2
    told(capsys.readouterr().err, "'a'", where="train.unlabelled=../more")


def test_the_rest_of_train_beside_a_budget(recipe, stamps):
    """From an empty recipe: six clips of a second, of nine, are learned with their texts."""
    words = ["data.train_minutes=0.1", "train.teacher=exp/other"]
    assert recipe(f"data.dir={stamps}", *words, f"train.unlabelled={recipe.dir / 'data/train'}") == 0
    budget, rest = (
        read_table(recipe.dir / f"data/{name}/utt2audio") for name in ("train_0.1min", "unlabelled")
    )
    assert (len(budget), len(rest)) == (6, 3)
    whole = read_table(recipe.dir / "data/train/utt2audio")
    assert {*budget.values(), *rest.values()} == set(whole.values())


def test_a_corpus_folder_with_its_own_split_is_refused(run, capsys):
    (run.more / "train").mkdir(parents=True)
    write_table(run.more / "train/wav.scp", {"a": "a.wav"})
    tone(run.more / "test/a.wav")
    assert run() == 2
    told(capsys.readouterr().err, "../more/train", where="more")
