"""Sizes worked out by hand; the machine's are replaced."""

import json

import pytest

from tests.check.faults import faults
from xlt.check import resources
from xlt.check.datadir import Sets
from xlt.check.resources import Size, needs, upstream_size
from xlt.formats.tables import read_table, write_table


@pytest.fixture
def hours(recipe, monkeypatch, tmp_path):
    """100 hours of training speech, an empty cache, and room for everything."""
    monkeypatch.setattr(resources, "free_disk", lambda place: 1e12)
    monkeypatch.setattr(resources, "free_memory", lambda: 1e12)
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    path = recipe.dir / "data/train/utt2dur"
    write_table(path, dict.fromkeys(read_table(path), "120000.0"))
    return recipe


def sizes(recipe, *settings: str) -> dict[str, float]:
    folders = {name: recipe.dir / "data" / name for name in ("train", "dev", "test")}
    return {
        need.what: need.size / 1e9
        for need in needs(Sets(recipe.dir / "data", folders), recipe.cfg(*settings))
    }


def test_sizes_of_upstreams(tmp_path):
    assert [
        upstream_size(name, None) for name in ("fbank", "whisper_base", "xls_r_300m", "hubert", "xls_r_1b")
    ] == [Size(1, 80), Size(7, 512), Size(25, 1024), Size(13, 768), Size(49, 1280)]
    assert abs(Size(25, 1024).parameters / 1e6 - 302) < 1
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 32, "num_hidden_layers": 2}))
    assert upstream_size("hf_wav2vec2_custom", str(tmp_path)) == Size(3, 32)


def test_features_are_as_large_as_the_bench_says(hours):
    # RESULTS.md: one byte a value, mixed, long clips: 0.188 GB an hour of XLS-R-300M, 0.094 of Whisper-base
    keep = "train.freeze=upstream"
    assert abs(sizes(hours, "features.upstream=xls_r_300m", keep)["features (stage 3)"] - 18.8) < 0.5
    assert abs(sizes(hours, "features.upstream=whisper_base", keep)["features (stage 3)"] - 9.4) < 0.3
    assert (
        abs(
            sizes(hours, "features.upstream=xls_r_300m", keep, "features.storage=f32")["features (stage 3)"]
            - 73.8
        )
        < 1
    )
    # two speeds: each copy is as long as its speed says
    twice = sizes(hours, "features.upstream=whisper_base", keep, "features.speed=[1.0, 0.5]")[
        "features (stage 3)"
    ]
    assert abs(twice - 3 * 9.2) < 0.5


@pytest.mark.slow
def test_room_on_the_disk(hours, monkeypatch):
    settings = ("features.upstream=whisper_base", "train.freeze=upstream", "features.layers=last")
    monkeypatch.setattr(resources, "free_disk", lambda place: 20e9)
    hours(*settings)
    assert faults(hours, "room") == []
    monkeypatch.setattr(resources, "free_disk", lambda place: 10e9)
    hours(*settings, "--force")
    ((level, _, _, what),) = faults(hours, "room")
    assert level == "warning" and what == "features (stage 3): about 9.2 GB are needed, 10.0 GB are free"
    monkeypatch.setattr(resources, "free_disk", lambda place: 5e9)
    assert hours(*settings, "--force") == 2
    assert [level for level, *_ in faults(hours, "room")] == ["error"]
    resources.cache_root(None).joinpath(
        "features"
    ).mkdir()  # what is needed may be there, made by another recipe
    hours(*settings, "--force")
    assert [level for level, *_ in faults(hours, "room")] == ["warning"]


def test_memory_for_the_processes(hours, monkeypatch):
    monkeypatch.setattr(resources, "free_memory", lambda: 4e9)
    settings = ("features.upstream=xls_r_300m", "train.freeze=upstream")
    hours(*settings, "nj=1")
    assert faults(hours, "room") == []
    hours(*settings, "nj=3")
    assert [(level, where, what) for level, _, where, what in faults(hours, "room")] == [
        ("warning", "memory", "the upstream, 3 times (stage 3): about 5.1 GB are needed, 4.0 GB are free")
    ]


def test_finetuning_needs_memory_and_checkpoints(hours, monkeypatch):
    found = sizes(hours, "features.upstream=xls_r_300m", "train.freeze=none")
    assert abs(found["training of the upstream (stage 6)"] - 16 * 0.302) < 0.01
    assert abs(found["checkpoints (stage 6)"] - (4 * 7 + 24) * 0.302) < 0.05
    assert "features (stage 3)" not in found


def test_damaged_tables_are_left_to_their_own_rules(recipe):
    for content in ("ana-train0 1.0\nana-train0 1.0\n", "ana-train0 long\n", ""):
        (recipe.dir / "data/train/utt2dur").write_text(content, encoding="utf-8")
        assert recipe() == 2
        assert {rule for level, rule, *_ in faults(recipe) if level == "error"} <= {
            "durations",
            "sorted_and_unique",
            "same_utterances",
        }
        assert faults(recipe, "room") == []


def test_more_jobs_than_utterances(recipe):
    assert recipe("nj=2") == 0
    assert [(level, where, what) for level, _, where, what in faults(recipe, "jobs_for_all")] == [
        ("note", "dev/text", "nj=2 for 1 utterances"),
        ("note", "test/text", "nj=2 for 1 utterances"),
    ]
    assert recipe("nj=1") == 0
