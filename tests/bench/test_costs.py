"""What tests/bench/costs.py writes, of a bundle that takes as long as the test says."""

import json
import types

import pytest

from tests.bench import costs
from tests.errors import raises
from xlt.core.errors import DataError
from xlt.formats.costs import read_costs
from xlt.formats.tables import write_table


@pytest.fixture
def recipe(tmp_path):
    test, bundle = tmp_path / "ron/data/test", tmp_path / "ron/exp/small/bundle"
    test.mkdir(parents=True)
    (bundle / "lm").mkdir(parents=True)
    (bundle / "model.pth").write_bytes(bytes(3_000_000))
    (bundle / "lm/text.arpa").write_bytes(bytes(500_000))
    write_table(test / "wav.scp", {f"u{n}": f"data/u{n}.wav" for n in range(5)})
    write_table(test / "utt2dur", {f"u{n}": f"{n + 1}.0" for n in range(5)})
    return tmp_path / "ron"


def test_costs_of_a_bundle(recipe, monkeypatch):
    clock, heard = [100.0], []

    def transcriber(path):
        heard.append(path.rpartition("/")[2])
        clock[0] += 50.0 if len(heard) == 1 else 0.6  # what the first takes does not count

    monkeypatch.setattr(costs.time, "process_time", lambda: clock[0])
    opened = types.SimpleNamespace(head=lambda lang: transcriber)
    monkeypatch.setattr(costs, "open_bundle", lambda folder: opened)
    costs.main([str(recipe), "small", "--clips", "3"])
    assert heard == ["u0.wav", "u1.wav", "u2.wav", "u3.wav"]
    path = recipe / "results/costs/small.json"
    found = read_costs(path)
    # three clips of 2, 3 and 4 s, 0.6 s each
    assert (found["bundle_mb"], found["cpu_s_per_s"]) == (3.5, 0.2)
    assert (found["clips"], found["speech_s"]) == (3, 9.0)
    path.write_text(json.dumps({**json.loads(path.read_text()), "bundle_mb": "many"}))
    with raises(DataError, where=str(path)):
        read_costs(path)


def test_without_a_bundle_it_says_which_stage_makes_it(recipe):
    with raises(DataError, where=str(recipe / "exp/none/bundle")) as err:
        costs.main([str(recipe), "none"])
    assert "--stage 10 tag=none" in str(err.value)
