"""How much dev and test have: limits are those of the issue (50 utterances, 3 minutes; 10)."""

import dataclasses
import json

import pytest

from tests.check.test_alphabet import data
from xlt.check import held_out
from xlt.check.datadir import Sets
from xlt.formats.tables import write_table


def recipe(folder, count, dur_s, by="text", speakers="a"):
    sets, cfg = data(folder / "r", "nld_Latn", {"a-x": "x"})
    utts = [f"{speakers[i % len(speakers)]}-{i:03}" for i in range(count)]
    for name in ("dev", "test"):
        place = sets.data / name
        write_table(place / "text", dict.fromkeys(utts, "x"))
        write_table(place / "utt2spk", {utt: utt[0] for utt in utts})
        write_table(place / "utt2dur", {utt: str(dur_s) for utt in utts})
    (sets.data / "all").mkdir()
    (sets.data / "all/report.json").write_text(json.dumps({"split": {"by": by}}))
    return Sets(sets.data, {name: one.folder for name, one in sets.items()}), cfg


@pytest.mark.parametrize(
    ("count", "dur_s", "by", "severity"),
    [
        (60, 4.0, "text", None),
        (49, 4.0, "text", "warning"),
        (60, 2.0, "text", "warning"),  # two minutes
        (9, 30.0, "text", "error"),
        (9, 30.0, "speaker", "error"),
        (9, 30.0, "corpus", "warning"),  # somebody's own test set
        (10, 30.0, "text", "warning"),
    ],
)
def test_small_sets(tmp_path, count, dur_s, by, severity):
    sets, cfg = recipe(tmp_path, count, dur_s, by)
    assert [fault.severity for fault in held_out.small_sets(sets, cfg)] == (
        [severity] * 2 if severity else []
    )


def test_the_limit_is_a_setting(tmp_path):
    sets, cfg = recipe(tmp_path, 9, 3.0)
    cfg = dataclasses.replace(cfg, check=dataclasses.replace(cfg.check, min_held_out=1))
    fault, _ = held_out.small_sets(sets, cfg)
    assert fault.severity == "warning" and fault.values["count"] == 9 and fault.values["minutes"] == 0.45


def test_without_a_report_of_stage_1_nothing_is_said(tmp_path):
    sets, cfg = recipe(tmp_path, 4, 3.0)
    (sets.data / "all/report.json").unlink()
    assert list(held_out.small_sets(sets, cfg)) == []


def test_most_of_a_set_by_one_voice(tmp_path):
    sets, cfg = recipe(tmp_path, 60, 4.0, speakers="aaab")
    fault, _ = held_out.one_voice(sets, cfg)
    assert fault.severity == "note" and fault.values["share"] == 75 and fault.values["largest"] == "a"
    assert list(held_out.one_voice(*recipe(tmp_path / "even", 60, 4.0, speakers="ab"))) == []
    # the rules "small_sets" and "one_voice"
