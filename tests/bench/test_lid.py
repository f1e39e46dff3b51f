"""What the bench of language identification counts, worked out by hand."""

import numpy as np
import pytest

from tests.bench.lid import CORPORA, balanced, measured, pieces, trimmed
from xlt.audio.files import SAMPLE_RATE
from xlt.lid.classifier import Classifier


def test_languages_weigh_the_same_whatever_corpora_have_them():
    cells = {("a", "rus"): 1.0, ("b", "rus"): 0.5, ("a", "fra"): 0.25}
    assert balanced(cells, ["a", "b"]) == pytest.approx((0.75 + 0.25) / 2)
    assert balanced(cells, ["b"]) == 0.5 and np.isnan(balanced(cells, []))


def test_silence_is_cut_off_and_clips_are_joined(tmp_path):
    import soundfile

    tone = 0.3 * np.sin(np.arange(SAMPLE_RATE) / 5)
    wave = np.concatenate([np.zeros(8000), tone, np.zeros(4800)]).astype(np.float32)
    assert len(trimmed(wave)) == SAMPLE_RATE and len(trimmed(np.zeros(SAMPLE_RATE, np.float32))) == 0
    for n in range(7):
        soundfile.write(tmp_path / f"{n}.wav", wave, SAMPLE_RATE)
    found = pieces(sorted(map(str, tmp_path.iterdir())), 5, np.random.default_rng(0))
    assert [len(piece) for piece in found] == [3 * SAMPLE_RATE] * 2


def test_figures_of_two_corpora(monkeypatch):
    """Sure of 0.8 each time. Russian is told rightly in one of two pieces, French in both; of what is told rightly
    all is above the threshold, and one of two strangers is refused.
    """
    monkeypatch.setattr(
        "tests.bench.lid.CORPORA", {"a": ("", {"rus": "ru"}, ""), "b": ("", {"fra": "fr"}, "")}
    )
    monkeypatch.setattr("tests.bench.lid.STRANGERS", {"ita": ("", "")})
    logit = float(np.log(4))
    sure = Classifier(
        ("fra", "rus"), np.zeros(1), np.ones(1), np.array([[logit, 0.0]]), np.zeros(2), threshold=0.7
    )
    cut = {
        ("a", "rus", 1.0): np.array([[-1.0], [1.0]]),
        ("b", "fra", 1.0): np.array([[1.0], [1.0]]),
        ("strangers", "ita", 1.0): np.array([[1.0], [0.1]]),
    }
    found = measured({"a": sure, "b": sure}, cut, 1.0)
    assert found["pieces"] == 4 and found["balanced"] == 75.0 and found["chance"] == 50.0
    assert found["calibration_error"] == 5.0  # 0.8 and three of four
    assert found["kept"] == 100.0 and found["refused"] == 50.0
    assert (found["low"], found["high"]) == (50.0, 100.0)


def test_each_language_is_in_two_corpora_at_least():
    languages = [lang for _, codes, _ in CORPORA.values() for lang in codes]
    assert all(languages.count(lang) > 1 for lang in languages)
