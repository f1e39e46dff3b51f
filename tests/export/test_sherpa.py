"""Stock sherpa-onnx reads what is exported for it."""

import numpy as np
import pytest

from tests.errors import told
from tests.export.bundles import TONES, over_whisper
from tests.tones import RATE, sound
from xlt.bundle import open_bundle
from xlt.cli import main
from xlt.export.sherpa import LEVEL
from xlt.nets.paths import as_array, best_path

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return over_whisper(tmp_path_factory.mktemp("sherpa") / "bundle")


def recogniser(folder):
    from sherpa_onnx import OfflineRecognizer

    paths = (str(folder / name) for name in ("model.onnx", "tokens.txt"))
    return OfflineRecognizer.from_omnilingual_asr_ctc(*paths)


def heard(recogniser, wave):
    stream = recogniser.create_stream()
    stream.accept_waveform(RATE, wave)
    recogniser.decode_stream(stream)
    return stream.result


def test_sherpa_onnx_hears_what_the_bundle_hears(bundle, tmp_path):
    """Also beyond 30 s, where there are two windows; the model is random, and so is its text. It has 25
    frames a second, but sherpa-onnx's times are right.
    """
    out = tmp_path / "out"
    assert main(["export", "sherpa", str(bundle), "--out", str(out)]) == 0
    tokens = (bundle / "tokens.txt").read_text("utf-8").split()
    rows = [row.split(" ") for row in (out / "tokens.txt").read_text("utf-8").splitlines()]
    assert rows == [["▁" if token == "<space>" else token, str(i)] for i, token in enumerate(tokens)]

    sherpa, head = recogniser(out), open_bundle(bundle).head()
    rng = np.random.default_rng(1)
    for wave in (sound("aei oae", rng), np.resize(sound("oae i", rng), 60 * RATE)):
        scaled = LEVEL * (wave - wave.mean()) / wave.std()
        probs, _ = head.recogniser.model.log_probs(head.encode([scaled.astype(np.float32)]))
        path = as_array(probs)[0].argmax(axis=-1)
        expected = head.recogniser.tokenizer.decode(best_path(path))
        found = heard(sherpa, wave)
        assert len(expected) > 1 and found.text.strip() == expected.strip()
        starts = np.flatnonzero((path != 0) & (np.diff(path, prepend=0) != 0)) / 25
        assert found.timestamps == pytest.approx(starts.tolist(), abs=0.05)


def test_log_mels_are_refused(tmp_path, capsys):
    assert main(["export", "sherpa", str(TONES), "--out", str(tmp_path / "out")]) == 2
    told(capsys.readouterr().err, "fbank", where=str(TONES))
    assert not (tmp_path / "out").exists()
