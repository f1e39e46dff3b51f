import json

import pytest

from tests.bench.probe import compare
from tests.errors import raises
from xlt.core.errors import DataError


def put(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_orders_are_compared_over_what_both_have(tmp_path):
    cers = {"whisper_base": 20.0, "whisper_base:last": 22.0, "fbank": 60.0, "whisper_base:1": 70.0}
    rows = [{"name": name, "cer": {"blstm": {"value": cer}}} for name, cer in cers.items()]
    put(tmp_path / "ron/data/probe.json", {"encoders": rows})
    full = {
        "whisper_base_10min_s0": 9.0,
        "whisper_base_10min_s1": 11.0,
        "last_s0": 8.0,
        "fbank_10min_s0": 40.0,
    }
    for tag, cer in (full | {"words_10min_s0": 5.0, "whisper_base_all_s0": 1.0}).items():
        put(tmp_path / f"ron/results/{tag}.json", {"sets": {"dev": {"cer": {"value": cer}}}})
    found = compare(tmp_path, "ron")
    assert found["encoders"] == {
        "whisper_base": [20.0, 10.0],  # the median of two seeds
        "whisper_base:last": [22.0, 8.0],
        "fbank": [60.0, 40.0],
    }
    # ranks 1 2 3 and 2 1 3: 1 - 6 · (1 + 1) / (3 · 8)
    assert found["spearman"] == pytest.approx(0.5)
    assert found["alike"] == [2, 3] and found["with_lm"] == 0.25


def test_a_language_that_was_not_probed_is_named(tmp_path):
    with raises(DataError, "xlt probe", where="ron/data/probe.json"):
        compare(tmp_path, "ron")
