"""Stage 1 through the command line, on small corpora; a few tests use the real recordings."""

import errno
import json
import os
import shutil
import wave

import numpy as np
import pytest
import soundfile

from tests.data.corpus import PHRASES, stamp, tone
from tests.errors import told
from xlt.audio.files import read_wav
from xlt.data import clips
from xlt.data.build import REASONS
from xlt.formats.tables import read_table

TABLES = {
    "wav.scp",
    "text",
    "utt2spk",
    "spk2utt",
    "utt2dur",
    "utt2lang",
    "utt2group",
    "utt2content",
    "utt2audio",
    "utt2format",
    "text_raw",
}


def report(recipe) -> dict:
    return json.loads((recipe.dir / "data/all/report.json").read_text(encoding="utf-8"))


def all_of(recipe, table: str) -> dict[str, str]:
    return read_table(recipe.dir / "data/all" / table)


def test_kaldi_directories(recipe, stamps):
    assert recipe(f"data.dir={stamps}") == 0
    sets = [recipe.dir / "data" / name for name in ("train", "dev", "test")]
    for folder in sets:
        assert {p.name for p in folder.iterdir()} == TABLES | {"stage.json"}
        utts = list(read_table(folder / "text"))
        assert utts == sorted(utts, key=str.encode)
        assert all(list(read_table(folder / t)) == utts for t in TABLES - {"spk2utt"})
        assert read_table(folder / "spk2utt") == {"tuxpaint_ron": " ".join(utts)}
    assert sum(len(read_table(folder / "text")) for folder in sets) == len(PHRASES)
    assert all_of(recipe, "text")["tuxpaint_ron-animals_s03"] == "trei mere roșii"
    assert (
        all_of(recipe, "wav.scp")["tuxpaint_ron-animals_s03"] == "data/all/wav/tuxpaint_ron-animals_s03.wav"
    )
    assert set(all_of(recipe, "utt2lang").values()) == {"ron_Latn"}


@pytest.mark.parametrize(
    ("rate", "channels"), [(8000, 1), (11025, 2), (16000, 1), (22050, 1), (44100, 2), (48000, 1)]
)
def test_audio_becomes_16_khz_mono_and_keeps_its_level(recipe, stamps, rate, channels):
    tone(stamps / "animals/s00_desc_ro.ogg", dur_s=2.0, rate=rate, channels=channels, hz=400.0)
    assert recipe(f"data.dir={stamps}") == 0
    path = recipe.dir / "data/all/wav/tuxpaint_ron-animals_s00.wav"
    with wave.open(str(path)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
        assert sound.getnframes() == pytest.approx(32000, abs=20)
    middle = read_wav(path)[8000:24000]
    assert np.abs(np.fft.rfft(middle)).argmax() == 400  # bins of 1 Hz
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.03)
    assert float(all_of(recipe, "utt2dur")["tuxpaint_ron-animals_s00"]) == pytest.approx(2.0, abs=0.002)


def test_16_khz_pcm_is_written_as_it_is(recipe, tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32768, size=16000, dtype=np.int16)
    corpus = tmp_path / "kaldi"
    corpus.mkdir()
    for i in range(3):
        soundfile.write(corpus / f"{i}.wav", samples[i:], 16000, subtype="PCM_16")
    for table, value in (("wav.scp", "{i}.wav"), ("text", "phrase number{c}"), ("utt2spk", "a")):
        (corpus / table).write_text(
            "".join(f"a-{i} " + value.format(i=i, c="abc"[i]) + "\n" for i in range(3))
        )
    assert recipe("data.reader=kaldi", f"data.dir={corpus}") == 0
    written, _ = soundfile.read(recipe.dir / "data/all/wav/a-0.wav", dtype="int16")
    assert np.array_equal(written, samples)


def test_everything_left_out_is_counted_by_reason_and_named(recipe, stamps):
    stamp(stamps, "x/digits", {"ro": "Are 3 mere."}, {"ro": 1000.0})
    stamp(stamps, "x/empty", {"ro": "?!"}, {"ro": 1010.0})
    stamp(stamps, "x/short", {"ro": "Da."}, {"ro": 1020.0}, dur_s=0.2)
    stamp(stamps, "x/long", {"ro": "Da, " * 20}, {"ro": 1030.0}, dur_s=31.0)
    stamp(stamps, "x/fast", {"ro": "Mult prea mult text pentru o secundă."}, {"ro": 1040.0})
    stamp(stamps, "x/slow", {"ro": "Da."}, {"ro": 1050.0}, dur_s=5.0)
    stamp(stamps, "x/twin", {"ro": "Un urs!"}, {"ro": 200.0})
    stamp(stamps, "x/other1", {"ro": "Un lup."}, {"ro": 1060.0})
    stamp(stamps, "x/other2", {"ro": "Un vultur."}, {"ro": 1060.0})
    stamp(stamps, "x/mute", {"ro": "Fără glas."})
    stamp(stamps, "x/untold", {}, {"ro": 1070.0})
    stamp(stamps, "symbols/alphabets/A", {"ro": "Litera A."}, {"ro": 1080.0})
    stamp(stamps, "x/broken", {"ro": "Un zgomot."})
    (stamps / "x/broken_desc_ro.ogg").write_bytes(b"not audio at all")
    assert recipe(f"data.dir={stamps}") == 0
    wanted = {
        "digits": ["digits"],
        "empty text": ["empty"],
        "too short": ["short"],
        "too long": ["long"],
        "too fast": ["fast"],
        "too slow": ["slow"],
        "duplicate": ["twin"],
        "text without audio": ["mute"],
        "audio without text": ["untold"],
        "unreadable": ["broken"],
        "one clip, several texts": ["other1", "other2"],
    }
    wanted = {reason: [f"tuxpaint_ron-x_{name}" for name in names] for reason, names in wanted.items()}
    assert report(recipe)["left_out"] == wanted | {"alphabet": ["tuxpaint_ron-symbols_alphabets_A"]}
    apart = {"another speaker", "in train", "cut short"}  # tested apart
    assert set(report(recipe)["left_out"]) == set(REASONS) - apart
    assert report(recipe)["seen"] == len(PHRASES) + 13
    assert set(all_of(recipe, "text")) == {f"tuxpaint_ron-animals_s{i:02}" for i in range(12)}
    assert {p.stem for p in (recipe.dir / "data/all/wav").iterdir()} == set(all_of(recipe, "text"))


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "not readable"), (b"OggS" + bytes(50), "not readable"), (b"<html></html>", "not readable")],
)
def test_a_few_bad_clips_are_listed_with_their_fault(recipe, stamps, capsys, content, said):
    (stamps / "animals/s05_desc_ro.ogg").write_bytes(content)
    assert recipe(f"data.dir={stamps}") == 0
    assert said in report(recipe)["unreadable"]["tuxpaint_ron-animals_s05"]
    assert "1 unreadable" in capsys.readouterr().out


def test_a_truncated_clip_is_never_kept_with_its_whole_text(recipe, stamps):
    clip = stamps / "animals/s02_desc_ro.ogg"
    clip.write_bytes(clip.read_bytes()[:600])
    assert recipe(f"data.dir={stamps}") == 0
    assert "tuxpaint_ron-animals_s02" not in all_of(recipe, "text")


def test_many_bad_clips_mean_a_damaged_corpus(recipe, stamps, capsys):
    for i in range(3):
        (stamps / f"animals/s{i:02}_desc_ro.ogg").write_bytes(b"")
    assert recipe(f"data.dir={stamps}") == 2
    told(capsys.readouterr().err, "3 of 12")
    assert not (recipe.dir / "data/all").exists()


def test_nothing_left_is_an_error_that_says_why(recipe, stamps, capsys):
    assert recipe(f"data.dir={stamps}", "data.min_dur_s=5") == 2
    assert "no utterance is left. Left out: too short 12" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("texts", "word"), [(["tai5-uan5 tsit8", "hue1"], "tai5-uan5"), (["nkwa²⁴ cha⁰", "no⁴"], "nkwa²⁴")]
)
def test_digits_that_are_letters_are_told_with_the_setting_that_keeps_them(
    recipe, tmp_path, capsys, texts, word
):
    rows = [
        f"{tone(tmp_path / f'c/{i}.wav', hz=200 + 40 * i).name}\t{texts[i % 2]} {'a' * i}" for i in range(6)
    ]
    (tmp_path / "c/corpus.tsv").write_text("path\ttext\n" + "\n".join(rows) + "\n", encoding="utf-8")
    settings = ("data.reader=table", f"data.dir={tmp_path / 'c'}", "lang=nan_Latn")
    assert recipe(*settings) == 2
    told(capsys.readouterr().err, "digits 6", "data.digits=keep", word)
    assert recipe(*settings, "data.digits=keep") == 0
    assert len(all_of(recipe, "text")) == 6 and texts[0] in set(all_of(recipe, "text").values())


def test_numbers_are_left_out_with_a_remedy_of_their_own(recipe, stamps, capsys):
    stamp(stamps, "x/digits", {"ro": "Are 3 mere."}, {"ro": 1000.0})
    assert recipe(f"data.dir={stamps}") == 0
    assert "write numbers as they are said" in report(recipe)["remedies"]["digits"]
    assert "--help" not in capsys.readouterr().out


def test_groups_keep_texts_together(recipe, stamps):
    for i in range(40):
        stamp(
            stamps,
            f"twins/a{i}",
            {"ro": f"Textul {chr(97 + i % 20)}{chr(97 + i // 20)}."},
            {"ro": 1000.0 + 5 * i},
        )
        stamp(
            stamps,
            f"twins/z{i}",
            {"ro": f"textul {chr(97 + i % 20)}{chr(97 + i // 20)}"},
            {"ro": 2000.0 + 5 * i},
        )
    assert recipe(f"data.dir={stamps}") == 0
    where: dict[str, set[str]] = {}
    for name in ("train", "dev", "test"):
        for text in read_table(recipe.dir / "data" / name / "text").values():
            where.setdefault(text, set()).add(name)
    assert len(where) == 52
    assert all(len(sets) == 1 for sets in where.values())
    assert {name for sets in where.values() for name in sets} == {"train", "dev", "test"}


def test_budgets_are_nested(recipe, stamps):
    train = {}
    for minutes in (0.05, 0.1):
        assert recipe(f"data.dir={stamps}", f"data.train_minutes={minutes}") == 0
        train[minutes] = set(read_table(recipe.dir / f"data/train_{minutes}min/text"))
    assert [len(utts) for utts in train.values()] == [3, 6]  # clips of one second
    assert train[0.05] < train[0.1] < set(read_table(recipe.dir / "data/train/text"))


def test_a_corpus_smaller_than_the_budget_is_used_whole_and_said(recipe, stamps, capsys):
    assert recipe(f"data.dir={stamps}", "data.train_minutes=10") == 0
    train = read_table(recipe.dir / "data/train/text")
    assert (
        f"train has only {len(train) / 60:.2f} of the 10 minutes" in capsys.readouterr().out
    )  # clips of one second
    assert read_table(recipe.dir / "data/train_10min/text") == train


def test_an_own_split_is_kept(recipe, tmp_path):
    for i, name in enumerate(("train", "dev", "test")):
        folder = tmp_path / "sets" / name
        tone(folder / "a.wav", hz=300.0 + 100 * i)
        for table, value in (("wav.scp", "a.wav"), ("text", f"cuvânt {name}"), ("utt2spk", f"s{i}")):
            (folder / table).write_text(f"s{i}-1 {value}\n", encoding="utf-8")
    assert recipe("data.reader=kaldi", f"data.dir={tmp_path / 'sets'}") == 0
    for i, name in enumerate(("train", "dev", "test")):
        assert list(read_table(recipe.dir / "data" / name / "text")) == [f"s{i}-1"]


def test_an_id_that_cannot_name_a_file(recipe, tmp_path, capsys):
    tone(tmp_path / "kaldi/a.wav")
    for table, value in (("wav.scp", "a.wav"), ("text", "unu"), ("utt2spk", "s")):
        (tmp_path / "kaldi" / table).write_text(f"s/1 {value}\n", encoding="utf-8")
    assert recipe("data.reader=kaldi", f"data.dir={tmp_path / 'kaldi'}") == 2
    assert "'s/1' cannot be an utterance id" in capsys.readouterr().err


def test_segments_are_cut_out(recipe, tmp_path):
    sound = np.concatenate([np.full(16000, level) for level in (0.1, 0.2, 0.3)])
    corpus = tmp_path / "kaldi"
    corpus.mkdir()
    soundfile.write(corpus / "rec.wav", sound, 16000, subtype="PCM_16")
    (corpus / "wav.scp").write_text("rec rec.wav\n")
    (corpus / "segments").write_text("a-1 rec 0.0 1.0\na-2 rec 1.0 2.0\na-3 rec 2.0 3.0\n")
    (corpus / "text").write_text("a-1 unu\na-2 doi\na-3 trei\n")
    (corpus / "utt2spk").write_text("a-1 a\na-2 a\na-3 a\n")
    assert recipe("data.reader=kaldi", f"data.dir={corpus}") == 0
    for i, level in enumerate((0.1, 0.2, 0.3), 1):
        assert read_wav(recipe.dir / f"data/all/wav/a-{i}.wav") == pytest.approx(
            np.full(16000, level), abs=1e-4
        )


def test_second_run_is_up_to_date_and_a_changed_corpus_is_seen(recipe, stamps, capsys):
    assert recipe(f"data.dir={stamps}") == 0
    capsys.readouterr()
    assert recipe(f"data.dir={stamps}") == 0
    assert capsys.readouterr().out.count("is up to date") == 4
    stamp(stamps, "animals/new", {"ro": "Un cal."}, {"ro": 1500.0})
    assert recipe(f"data.dir={stamps}") == 0
    assert "tuxpaint_ron-animals_new" in all_of(recipe, "text")


@pytest.mark.slow
def test_more_processes_than_clips_give_the_same(recipe, stamps):
    assert recipe(f"data.dir={stamps}") == 0
    alone = {table: all_of(recipe, table) for table in TABLES}
    assert recipe(f"data.dir={stamps}", "nj=20", "--force") == 0
    assert {table: all_of(recipe, table) for table in TABLES} == alone


def test_ctrl_c_then_the_same_command_goes_on(recipe, stamps, monkeypatch, capsys):
    decoded = []

    def interrupted(path, *how):
        if len(decoded) == 5:
            raise KeyboardInterrupt
        decoded.append(str(path))
        return read_wav(path, *how)

    monkeypatch.setattr(clips, "read_wav", interrupted)
    assert recipe(f"data.dir={stamps}") == 130
    assert not (recipe.dir / "data/all").exists()
    again = []

    def seen(path, *how):
        again.append(str(path))
        return read_wav(path, *how)

    monkeypatch.setattr(clips, "read_wav", seen)
    assert recipe(f"data.dir={stamps}") == 0
    assert len(all_of(recipe, "text")) == 12
    assert sum(path.endswith(".ogg") for path in again) == 7  # the first five were there


def test_a_full_disk_is_one_message_and_the_next_run_goes_on(recipe, stamps, monkeypatch, capsys):
    real = clips.write_wav

    def full(path, samples):
        if path.stem.endswith("s07"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path, samples)

    monkeypatch.setattr(clips, "write_wav", full)
    assert recipe(f"data.dir={stamps}") == 2
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert "Traceback" not in err
    monkeypatch.setattr(clips, "write_wav", real)
    assert recipe(f"data.dir={stamps}") == 0
    assert len(all_of(recipe, "text")) == 12


def test_dry_run_does_nothing(recipe, stamps, capsys):
    assert recipe(f"data.dir={stamps}", "--dry_run") == 0
    assert "would make data/all" in capsys.readouterr().out
    assert not (recipe.dir / "data").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["data.reader=null"], "data.reader: not set"),
        (["data.reader=tuxpant"], "did you mean tuxpaint"),
        (["lang=romanian"], "did you mean ron_Latn"),
        (["lang=lit_Latn"], "it has ron_Latn"),
        (["data.normaliser=ron-v7"], "there is no normaliser 'ron-v7'"),
        (["data.dir=null", "data.archive=nowhere.deb"], "nowhere.deb: no such file"),
    ],
)
def test_wrong_settings_are_one_message(recipe, stamps, capsys, settings, said):
    assert recipe(f"data.dir={stamps}", *settings) == 2
    assert said in capsys.readouterr().err


def test_no_network_and_no_corpus(recipe, monkeypatch, tmp_path, capsys):
    (tmp_path / "apt-get").write_text(
        "#!/bin/sh\necho 'E: Failed to fetch: Could not resolve mirror'; exit 100\n"
    )
    (tmp_path / "apt-cache").write_text("#!/bin/sh\nexit 100\n")
    for name in ("apt-get", "apt-cache"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert recipe() == 2
    err = capsys.readouterr().err
    assert "Could not resolve mirror" in err
    assert "data.archive=FILE.deb" in err


def test_a_local_archive_is_unpacked_once_into_the_cache(recipe, stamps, tmp_path, capsys):
    from tests.fetch.test_deb import make_deb

    files = {
        f"usr/share/tuxpaint/stamps/{p.relative_to(stamps)}": p.read_bytes()
        for p in stamps.rglob("*")
        if p.is_file()
    }
    deb = make_deb(tmp_path / "own.deb", files)
    assert recipe(f"data.archive={deb}") == 0
    assert len(all_of(recipe, "text")) == 12
    shutil.rmtree(recipe.dir / "data")
    capsys.readouterr()
    assert recipe(f"data.archive={deb}") == 0
    assert "unpacks" not in capsys.readouterr().out


@pytest.mark.slow
def test_real_recordings_become_a_romanian_corpus(recipe, real_stamps):
    """On the real corpus: sizes as measured, nothing shared between the sets, and levels untouched."""
    assert recipe(f"data.dir={real_stamps}", "data.train_minutes=10", "nj=2") == 0
    found = report(recipe)
    assert found["minutes"]["all"] == pytest.approx(19.8, abs=0.3)
    assert set(found["left_out"]) >= {
        "alphabet",
        "digits",
        "duplicate",
        "text without audio",
        "audio without text",
    }
    sets = {
        name: {
            table: read_table(recipe.dir / "data" / name / table)
            for table in ("text", "utt2audio", "utt2dur")
        }
        for name in ("train", "dev", "test", "train_10min")
    }
    for table in ("text", "utt2audio"):
        train, dev, test = (set(sets[name][table].values()) for name in ("train", "dev", "test"))
        assert not train & dev and not train & test and not dev & test
    assert set(sets["train_10min"]["text"]) < set(sets["train"]["text"])
    assert 9.7 < sum(map(float, sets["train_10min"]["utt2dur"].values())) / 60 <= 10
    assert min(len(sets[name]["text"]) for name in ("dev", "test")) > 50
    clip = real_stamps / "animals/birds/duck_desc_ro.ogg"
    original, rate = soundfile.read(clip, always_2d=True)
    written = read_wav(recipe.dir / "data/all/wav/tuxpaint_ron-animals_birds_duck.wav")
    assert len(written) / 16000 == pytest.approx(len(original) / rate, abs=0.001)
    assert np.sqrt(np.mean(written**2)) == pytest.approx(
        np.sqrt(np.mean(original.mean(axis=1) ** 2)), rel=0.05
    )
