"""What stage 10 finds out of the training clips."""

import numpy as np
import soundfile

from tests.tones import sound
from xlt.bundle.clips import training_clips
from xlt.core.config import load
from xlt.core.context import Context
from xlt.formats.tables import write_table


def recipe(root, durs):
    """A recipe with training clips of these durations, all of them tones."""
    folder = root / "data" / "train"
    folder.mkdir(parents=True)
    (root / "recipe.yaml").write_text("lang: eng_Latn\n")
    soundfile.write(root / "tone.wav", sound("aei oae", np.random.default_rng(0)), 16000)
    write_table(folder / "utt2dur", {f"u{n:02}": str(dur) for n, dur in enumerate(durs)})
    write_table(folder / "wav.scp", {f"u{n:02}": "tone.wav" for n in range(len(durs))})
    return Context(root, load(root))


def test_lengths_and_a_voice_that_nobody_hears(tmp_path, capsys):
    found = training_clips(recipe(tmp_path, [1.0] * 10 + [2.5] * 6 + [9.0] * 4))
    # three quarters of 20 clips have at most 2.5 s; the longest has 9
    assert found.to_json() == {"usual_s": 2.5, "longest_s": 9.0, "voice": False}
    assert "0 of 20 training clips" in capsys.readouterr().out


def test_a_voice_that_is_heard(tmp_path, monkeypatch):
    monkeypatch.setattr("xlt.bundle.clips.phrases", lambda marks: [(0, 1)])
    assert training_clips(recipe(tmp_path, [1.0] * 3 + [40.0])).to_json() == {
        "usual_s": 30.0,  # the fourth of four; Whisper hears no more
        "longest_s": 30.0,
        "voice": True,
    }


def test_short_clips_and_no_tables(tmp_path):
    assert training_clips(recipe(tmp_path / "a", [0.5, 0.5])).lengths.longest_s == 5.0
    made = recipe(tmp_path / "b", [1.0])
    (made.data / "train" / "wav.scp").unlink()  # a recipe may have features alone
    assert training_clips(made).voice
    (made.data / "train" / "utt2dur").unlink()
    assert training_clips(made) is None
