import json

import pytest

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.formats.versioned import Format

THREE = Format("a.json", 3, {1: lambda old: {**old, "b": 2}, 2: lambda old: {**old, "c": old["b"] + 1}})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2, "c": 3, "format": 3}),  # before there were versions
        ({"a": 1, "format": 1}, {"a": 1, "b": 2, "c": 3, "format": 3}),
        ({"a": 1, "b": 5, "format": 2}, {"a": 1, "b": 5, "c": 6, "format": 3}),
        ({"a": 1, "format": 3}, {"a": 1, "format": 3}),
    ],
)
def test_older_versions_are_upgraded(document, expected, tmp_path):
    before = dict(document)
    assert THREE.upgraded(document, "a.json") == expected
    assert document == before
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert THREE.read(tmp_path / "a.json", "make it again") == expected


def test_a_newer_version_is_refused():
    with pytest.raises(DataError, match="x/a.json: was written by a newer xlt .*version 4 of.*up to 3"):
        THREE.upgraded({"format": 4}, "x/a.json")


@pytest.mark.parametrize("version", [0, -1, "3", 2.0, True, None])
def test_what_is_no_version_is_damage(version):
    with raises(DataError, "damaged", repr(version), where="a.json"):
        THREE.upgraded({"format": version}, "a.json")


@pytest.mark.parametrize("content", ["", "[]", "{", "3"])
def test_a_damaged_file_names_the_remedy(content, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match="a.json: damaged; make it again"):
        THREE.read(tmp_path / "a.json", "make it again")


def test_a_missing_file_names_the_remedy(tmp_path):
    with pytest.raises(DataError, match="a.json: no such file; make it again"):
        THREE.read(tmp_path / "a.json", "make it again")


def test_what_is_written_has_todays_version():
    assert THREE.stamped({"a": 1}) == {"format": 3, "a": 1}
