"""JSON of strangers: what is none is a ValueError, whatever json makes of it."""

import json

import pytest

from xlt.core.jsons import parse, whole_lines


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "deep"),
        ('{"a":' * 100_000, "deep"),
        (r'{"a": "b\ud800"}', "ud800"),
        (rb'{"a\udc41": 1}', "udc41"),
        ("{torn", "quotes"),
    ],
)
def test_what_is_no_json(text, said):
    with pytest.raises(ValueError, match=said):
        parse(text)


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", '{"a": 1e999}'])
def test_numbers_that_are_none(text):
    with pytest.raises(ValueError):
        parse(text, finite=True)
    assert parse(text) is not None


@pytest.mark.parametrize("text", [r'"\ud83d\ude00"', '{"ა": [1.5, null, true]}', "-1e-3"])
def test_all_else_is_what_json_reads(text):
    assert parse(text, finite=True) == json.loads(text)


@pytest.mark.parametrize("torn", ["", '["c"', '"c"', 'c\n"d"\n', '"\\ud800"\n'])
def test_what_a_stopped_run_has_written_is_read_without_its_end(tmp_path, torn):
    path = tmp_path / "log"
    assert whole_lines(path) == [] and not path.exists()
    path.write_text('["a", "ä"]\n"b"\n' + torn, encoding="utf-8")
    assert whole_lines(path) == [["a", "ä"], "b"]
    assert path.read_text(encoding="utf-8") == '["a", "ä"]\n"b"\n'
