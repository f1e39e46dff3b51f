"""feats.json has a version that is read; version 1 is written without a number, as it always was."""

import json

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.formats.features import read_features, write_features


def test_todays_file_is_as_before(tmp_path):
    write_features(tmp_path, {"dim": 80, "frame_rate": 100.0})
    assert (tmp_path / "feats.json").read_text() == '{\n "dim": 80,\n "frame_rate": 100.0\n}\n'
    assert read_features(tmp_path) == {"dim": 80, "frame_rate": 100.0}


def test_a_newer_one_is_refused_and_a_damaged_one_named(tmp_path):
    (tmp_path / "feats.json").write_text(json.dumps({"format": 2, "dim": 80}))
    with raises(DataError, "version 2", where="feats.json"):
        read_features(tmp_path)
    (tmp_path / "feats.json").write_text("[1]")
    with raises(DataError, "--stage 3 --force", where="feats.json"):
        read_features(tmp_path)
