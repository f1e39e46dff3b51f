"""Corrected pieces beside a recipe's sets: what is learned, what is refused, and the corpus of both."""

import os

import numpy as np
import pytest
import soundfile

from tests.data.corpus import PHRASES, melody
from tests.errors import raises
from xlt.audio.files import SAMPLE_RATE
from xlt.cli import main
from xlt.commands.run import Call
from xlt.core.errors import DataError, MissingInput
from xlt.data.corrected import corrected, folder_of, write_corpus
from xlt.formats.tables import read_table, write_table

SETS = {"train": 6, "dev": 3, "test": 3}


def pieces_in(folder, texts, sounds):
    """A Kaldi directory as ``xlt serve --corrections`` has it: ``{utterance: text}`` and its waves (N,)."""
    (folder / "wav").mkdir(parents=True, exist_ok=True)
    for utt, wave in sounds.items():
        soundfile.write(folder / "wav" / f"{utt}.wav", wave, SAMPLE_RATE)
    write_table(folder / "wav.scp", {utt: f"wav/{utt}.wav" for utt in sounds})
    write_table(folder / "text", texts)
    write_table(folder / "utt2spk", {utt: utt for utt in texts})
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """One with its data made, of a Kaldi corpus of melodies."""
    root, number = tmp_path_factory.mktemp("corrected"), 0
    for name, count in SETS.items():
        utts = [f"spk-{name}{n}" for n in range(count)]
        own = dict(zip(utts, PHRASES[number:], strict=False))
        waves = {utt: melody(number + n) for n, utt in enumerate(utts)}
        write_table(pieces_in(root / "corpus" / name, own, waves) / "utt2spk", dict.fromkeys(utts, "spk"))
        number += count
    folder = root / "egs" / "ron"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(
        f"lang: ron_Latn\ndata: {{reader: kaldi, dir: {root}/corpus}}\nnj: 1\n"
    )
    assert main(["data", "--recipe", str(folder)]) == 0
    return folder


@pytest.fixture
def given(tmp_path):
    return tmp_path / "given"


def clip(recipe, name, place=0):
    """What stage 1 wrote of a set's clip, and its text."""
    utt, path = sorted(read_table(recipe / f"data/{name}/wav.scp").items())[place]
    return soundfile.read(recipe / path)[0], read_table(recipe / f"data/{name}/text")[utt]


def test_new_pieces_are_learned_and_the_others_counted(recipe, given):
    known, _ = clip(recipe, "train")
    _, asked = clip(recipe, "dev")
    folder = pieces_in(
        given / "ron_Latn",
        {
            "a": "Ana are mere.",
            "b": "Ana are mere.",
            "c": "altceva",
            "d": f"{asked.upper()}!",
            "e": "gone",
            "f": "broken",
        },
        {"a": melody(50), "b": melody(50), "c": known, "d": melody(51), "f": melody(52)},
    )
    (folder / "wav" / "f.wav").write_bytes(b"RIFF")
    found = corrected(Call(recipe).context(), given)
    assert found.rows == {"a": ("a", folder / "wav" / "a.wav", "Ana are mere.")}
    assert found.seconds == pytest.approx(2.0)
    assert found.left_out == {
        "unreadable": ["f"],
        "text without audio": ["e"],
        "in train": ["c"],
        "duplicate": ["b"],
        "a held-out sentence": ["d"],
    }


@pytest.mark.parametrize("name", ["dev", "test"])
def test_a_held_out_clip_is_refused_by_its_sound(recipe, given, name):
    wave, _ = clip(recipe, name, 1)
    softer = wave / 2 + np.random.default_rng(0).normal(size=len(wave)) * 1e-4
    pieces_in(given / "ron_Latn", {"a": "Altceva", "b": "x"}, {"a": melody(50), "b": softer})
    with raises(DataError, "'b'", f"'spk-{name}1'", name, where=f"--corrections {given}"):
        corrected(Call(recipe).context(), given)


def test_nothing_to_learn_from(recipe, given):
    given.mkdir()
    with raises(DataError, "ron_Latn", where=f"--corrections {given}"):
        folder_of(given, "ron_Latn")
    pieces_in(given / "ell_Grek", {}, {})
    with raises(DataError, "ron_Latn", "ell_Grek", where=f"--corrections {given}"):
        corrected(Call(recipe).context(), given)
    pieces_in(given / "ron_Latn", {}, {})
    with raises(DataError, "empty", where=f"--corrections {given}"):
        corrected(Call(recipe).context(), given)
    pieces_in(given / "ron_Latn", {"a": "x"}, {"a": clip(recipe, "train")[0]})
    with raises(DataError, "1", where=f"--corrections {given}"):
        corrected(Call(recipe).context(), given)


def test_a_command_is_never_run(recipe, given, tmp_path):
    folder = pieces_in(given / "ron_Latn", {"a": "x"}, {})
    (folder / "wav.scp").write_text(f"a touch {tmp_path}/was_here |\n")
    for words in ((), ("data.allow_pipes=true",)):
        with raises(DataError):
            corrected(Call(recipe, words).context(), given)
    assert not (tmp_path / "was_here").exists()


def test_data_come_first(tmp_path, given):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n")
    with raises(MissingInput):
        corrected(Call(tmp_path).context(), given)


def test_the_corpus_is_the_old_one_with_the_pieces_in_train(recipe, given, tmp_path):
    ctx = Call(recipe).context()
    pieces_in(given / "ron_Latn", {"a-1": "Ana."}, {"a-1": melody(50)})
    out = tmp_path / "corpus"
    write_corpus(ctx, corrected(ctx, given), out)
    for name, count in SETS.items():
        texts = read_table(out / name / "text")
        old = read_table(recipe / "data" / name / "text_raw")
        assert texts == old | ({"a-1": "Ana."} if name == "train" else {}) and len(old) == count
        assert all(os.path.isabs(path) for path in read_table(out / name / "wav.scp").values())
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    write_corpus(ctx, corrected(ctx, given), out)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    pieces_in(given / "ron_Latn", {"spk-train0": "Ana."}, {"spk-train0": melody(50)})
    with raises(DataError, "'spk-train0'", where="data/train/text"):
        write_corpus(ctx, corrected(ctx, given), out)
