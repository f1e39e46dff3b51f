"""score.json and results/<tag>.json: version 1 is read for ever, damage is named, each key is one line."""

import json
from pathlib import Path

import pytest

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.formats.results import SCORES, Entry, dump, from_json, read, read_details
from xlt.formats.typed import check

OLD = Path(__file__).parent.parent / "fixtures" / "score_v1.json"  # egs/cat, as it was before version 2


def old(**changes):
    return json.loads(OLD.read_text(encoding="utf-8")) | changes


def test_version_1_is_read_for_ever():
    before = old()
    scores, details = from_json(old(), "score_v1.json")
    assert scores["format"] == 2 and set(scores["sets"]) == {"dev", "test", "test_spa"}
    for name in scores["sets"]:
        assert scores["sets"][name] == before[name] and name not in scores
        counts, was = scores["counts"][name], before["counts"][name]
        assert counts == {
            "ids": was["ids"],
            "metrics": {"cer": {"errors": was["errors"], "n_ref": was["n_ref"]}, "wer": was["wer"]},
        }
    duration = before["slices"]["test"]["duration"]["slices"]["2 to 5 s"]
    assert scores["slices"]["test"]["duration"]["slices"]["2 to 5 s"] == {
        "n": duration["n"],
        "few": duration["few"],
        "scores": {"cer": duration["cer"], "wer": duration["wer"]},
    }
    first = before["examples"]["test"]["worst"][0]
    assert details["examples"]["test"]["worst"][0] == {
        "id": first["id"],
        "rate": first["cer"],
        "ref": first["ref"],
        "hyp": first["hyp"],
    }
    assert details["alphabet"] == before["alphabet"] and "alphabet" not in scores
    kept = set(before) - {"dev", "test", "test_spa", "examples", "confusions", "alphabet"}
    assert set(scores) == kept | {"format", "sets"}
    assert {key: scores[key] for key in kept - {"counts", "slices"}} == {
        key: before[key] for key in kept - {"counts", "slices"}
    }


def test_counts_of_phones_and_older_names():
    accuracy = {"value": 90.0, "ci95": [80.0, 100.0], "n": 10, "told": {"ron_Latn": {"ron_Latn": 9, "-": 1}}}
    entry = old()["test"]["cer"]
    made = old(
        dev={"per": entry},
        signature={"dev": {"per": "PER 1 | seed:0"}},
        counts={"dev": {"ids": "x", "errors": [1], "n_ref": [2]}},
        language_told={"dev": accuracy},
        examples={"dev": {"worst": [{"id": "u", "per": 5.0, "ref": "a", "hyp": "b"}]}},
    )
    scores, details = from_json(made, "old.json")
    assert scores["counts"]["dev"]["metrics"] == {"per": {"errors": [1], "n_ref": [2]}}
    assert scores["language_accuracy"]["dev"]["predicted"] == accuracy["told"]
    assert "language_told" not in scores
    assert details["examples"]["dev"]["worst"] == [{"id": "u", "rate": 5.0, "ref": "a", "hyp": "b"}]


def test_version_2_comes_back_as_it_was_written(tmp_path):
    scores, _ = from_json(old(), "score_v1.json")
    text = dump(SCORES.stamped(scores))
    (tmp_path / "score.json").write_text(text, encoding="utf-8")
    assert read(tmp_path / "score.json", "no scores", "run stage 8") == scores
    lines = text.splitlines()
    assert lines[0] == "{" and lines[1] == '"format": 2,' and lines[-1] == "}"
    assert len(lines) == 2 + len(scores)


def test_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "score.json"
    path.write_text('{"format": 3}')
    with raises(DataError, "version 3", where="score.json"):
        read(path, "no scores", "run stage 8")
    path.write_text('{"format": 2}')
    with pytest.raises(DataError, match=r"score.json: no scores \(the file lacks 'command'\); run stage 8"):
        read(path, "no scores", "run stage 8")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], r"cer: found \[\], expected dict"),
        ({"value": 1.0}, "cer lacks 'ci95'"),
        ({"ci95": [1, 2], "n_ref": 3, "sub": None, "del": 0, "ins": 0}, "cer lacks 'value'"),
        ({"value": True, "ci95": [], "n_ref": 3, "sub": 0, "del": 0, "ins": 0}, "cer.value: found True"),
        ({"value": 1, "ci95": [1, "2"], "n_ref": 3, "sub": 0, "del": 0, "ins": 0}, r"ci95\[1\]: found '2'"),
        ({"value": 1, "ci95": [1, 2], "n_ref": 3.5, "sub": 0, "del": 0, "ins": 0}, "cer.n_ref: found 3.5"),
        ({"value": 1, "ci95": [1], "n_ref": 3, "sub": 0, "del": 0, "ins": 0}, "cer.ci95: found 1 values"),
    ],
)
def test_what_is_wrong_is_named(value, said):
    with pytest.raises(ValueError, match=said):
        check(value, Entry, "cer")


def test_a_key_that_is_not_known_and_a_null_are_let_pass():
    check({"value": 1, "ci95": [0, 2.5], "n_ref": 3, "sub": None, "del": 0, "ins": 0, "new": []}, Entry)


def test_details_of_their_own(tmp_path):
    path = tmp_path / "main.json"
    path.write_text('{"format": 1, "alphabet": {"a": 3}}')
    assert read_details(path)["alphabet"] == {"a": 3}
    for text in ("[]", '{"alphabet": {"a": "3"}}', "{"):
        path.write_text(text)
        with pytest.raises(ValueError):
            read_details(path)
    path.write_text('{"format": 2}')
    with raises(DataError, "version 2", where="main.json"):
        read_details(path)
