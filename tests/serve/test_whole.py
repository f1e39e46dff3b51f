"""``xlt serve`` with a bundle that recognises: the oldest one, four tones, over a port."""

import json
import shutil
import signal

import numpy as np
import pytest
import soundfile

from tests.lazy import Lazy
from tests.serve.test_listen import serving
from tests.tones import RATE, sound
from xlt.core.config import ROOT

openai = Lazy("openai")
client = Lazy("websockets.sync.client")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    """It cuts at quiet places: tones are no voices."""
    bundle = shutil.copytree(ROOT / "tests/fixtures/bundle_v1", tmp_path_factory.mktemp("made") / "bundle")
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["clips"] = {"usual_s": 5.0, "longest_s": 20.0, "voice": False}
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    with serving(
        ["xlt.cli", "serve", bundle, "--port", 0, "--workers", 1], XLT_TOKENS="0123456789abcdef"
    ) as made:
        yield made


def test_openais_client_and_vosks_hear_the_same(process, tmp_path):
    samples = sound("aei oae", np.random.default_rng(1))
    path = tmp_path / "a.flac"
    soundfile.write(path, samples, RATE)
    api = openai.OpenAI(api_key="0123456789abcdef", base_url=f"{process.url}/v1", max_retries=0)
    (whole, model) = api.models.list().data
    assert (whole.id, model.id) == ("xlt", f"xlt-{whole.languages[0]}")
    found = api.audio.transcriptions.create(
        file=path, model=model.id, response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert found.text.replace(" ", "") == "aeioae"
    assert found.duration == pytest.approx(len(samples) / RATE, abs=0.01)
    assert "".join(word.word for word in found.words) == "aeioae"
    headers = {"Authorization": "Bearer 0123456789abcdef"}
    url = process.url.replace("http", "ws")
    with client.connect(url, additional_headers=headers) as socket:
        socket.send(json.dumps({"config": {"sample_rate": RATE}}))
        data = (np.concatenate([samples, np.zeros(RATE, np.float32)]) * 32767).astype("<i2").tobytes()
        answers = []
        for start in range(0, len(data), RATE // 2):
            socket.send(data[start : start + RATE // 2])
            answers.append(json.loads(socket.recv()))
        socket.send('{"eof": 1}')
        answers.append(json.loads(socket.recv()))
    text = "".join(answer.get("text", "") for answer in answers)
    assert text.replace(" ", "") == "aeioae"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "") and out.endswith("stopped\n")
