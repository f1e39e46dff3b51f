"""The bench itself: what it keeps, what it counts, what it writes. The figures are measured by running it."""

import json
from types import SimpleNamespace

import pytest

from tests.bench import features
from tests.bench.feature_bench import clips, common, epochs, growth, quality, render, resume, throughput
from xlt.formats.archives import ArkWriter
from xlt.formats.tables import read_table, write_table

MADE = {
    "command": "python tests/bench/features.py --part {part}",
    "commit": "0123456789ab",
    "environment": {"processor": "some processor", "cores": 2, "memory_gib": 24, "system": "Linux x86_64"},
    "versions": {"xlt": "0.1.0", "torch": "2.14.1"},
    "seconds": 90.0,
    "date": "2026-11-22T21:00:00+00:00",
}


def entry(part: str, key: dict, figures: dict) -> dict:
    return {"key": key, "figures": figures, "made": {**MADE, "command": MADE["command"].format(part=part)}}


def kept() -> dict[str, list[dict]]:
    """Figures of every part, made up."""
    rates = {"xlt": 10.0, "xlt_mix": 9.0, "xlt_int8": 20.0, "transformers": 4.0, "s3prl": 5.0, "s3prl_8": 2.0}
    return {
        "epochs": (
            [
                entry(
                    "epochs",
                    {
                        "measured": "epoch",
                        "upstream": "whisper_base",
                        "head": "fast",
                        "way": way,
                        "epochs": 3,
                        "seed": 0,
                        "language": "ron",
                        "train_minutes": 5.0,
                    },
                    {
                        "first_s": s + 1,
                        "epoch_s": s,
                        "train_s": s / 2,
                        "batches": 25,
                        "each_epoch_s": [s + 1, s, s],
                    },
                )
                for way, s in (("cached", 2.0), ("onfly", 17.0))
            ]
            + [
                entry(
                    "epochs",
                    {
                        "measured": "whole",
                        "upstream": "whisper_base",
                        "head": "fast",
                        "way": way,
                        "epochs": 20,
                        "seed": 0,
                        "language": "ron",
                        "train_minutes": 5.0,
                    },
                    {
                        "features_s": 20.0,
                        "train_s": s,
                        "total_s": s + 20,
                        "cpu_s": s,
                        "epochs": 20,
                        "utterances": 9,
                    },
                )
                for way, s in (("mix", 80.0), ("onfly", 380.0))
            ]
        ),
        "disk": [
            entry(
                "disk",
                {
                    "upstream": "xls_r_size",
                    "clips": "long",
                    "layers": "mix",
                    "storage": storage,
                    "language": "ron",
                    "seconds": 90.0,
                },
                {"bytes": 10, "speech_s": 92.0, "clips": 10, "gb_an_hour": size},
            )
            for storage, size in (("cm1", 0.19), ("f32", 0.74))
        ],
        "quality": [
            entry(
                "quality",
                {"language": language, "arm": arm, "seed": seed, "settings": []},
                {"dev": {"value": cer}, "test": {"value": cer + 1}, "epochs": 30, "weights": None},
            )
            for language in ("cat", "ron")
            for seed in (0, 1)
            for arm, cer in (("last", 20.0), ("mix f32", 16.0), ("mix cm1", 16.3), ("joint", 15.9))
        ],
        "throughput": [
            entry(
                "throughput",
                {"upstream": "xls_r_size", "clips": "long", "language": "ron", "seconds": 60.0, "rounds": 1},
                {
                    "clips": 9,
                    "speech_s": 60.0,
                    "dtype": "float32",
                    "audio_s_per_cpu_s": rates,
                    "each_round": {k: [v] for k, v in rates.items()},
                    "peak_gflops": 200.0,
                    "layers_gflops": 130.0,
                    "share_of_peak": 0.65,
                    "share_of_peak_each_round": [0.65],
                    "share_of_time_in_layers": 0.8,
                    "padded_frames_share": 0.1,
                },
            )
        ],
        "growth": (
            [
                entry(
                    "growth",
                    {"measured": "stage", "hours": hours, "clip_s": 10.0, "upstream": "least", "runs": 1},
                    {
                        "clips": 9,
                        "wall_s": 10 + 2 * hours,
                        "cpu_s": 8 + 3 * hours,
                        "stage_mib": 40,
                        "worker_mib": worker,
                        "archive_bytes": 9,
                        "each_wall_s": [1],
                        "each_cpu_s": [1],
                        "read_beyond_bytes": 4480,
                        "matrix_bytes": 100,
                    },
                )
                for hours, worker in ((1.0, 800), (10.0, 810), (100.0, 980))
            ]
            + [
                entry(
                    "growth",
                    {"measured": "reader", "utterances": 500000},
                    {
                        "open_s": 0.9,
                        "first_s": 0.2,
                        "keys_s": 1.0,
                        "mib": 30,
                        "read_s": 0.0001,
                        "read_beyond_bytes": 99999,
                    },
                )
            ]
        ),
        "resume": [
            entry(
                "resume",
                {"kills": 20, "language": "ron", "upstream": "whisper_base", "workers": 2, "batch_s": 10},
                {
                    "audio": 600,
                    "taken_again": 300,
                    "ended_again": 0,
                    "largest_batch": 20,
                    "batches_lost": 41,
                    "kills": 20,
                    "kills_of_the_stage_alone": 10,
                    "utterances": 600,
                    "different": 0,
                    "different_first": [],
                    "whole_s": 60.0,
                    "killed_s": 300.0,
                },
            )
        ],
    }


def verdicts(page: str, part: str) -> dict[str, tuple[str, str]]:
    """{what: (figure, met)} of a part's lines in the summary."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith(f"| {part} |")]
    return {
        row[1]: (row[3], row[4])
        for row in rows
        if len(row) == 5 and row[4] in ("yes", "**no**", "not measured")
    }


def test_page_and_plot_are_functions_of_the_kept_figures(tmp_path):
    out = tmp_path / "results"
    out.mkdir()
    pages = []
    for parts in (list(kept()), list(reversed(kept()))):  # in whatever order they were measured
        for part in parts:
            (out / f"features_{part}.json").write_text(json.dumps({"part": part, "entries": kept()[part]}))
        render.write(out)
        pages.append((tmp_path / "RESULTS.md").read_bytes() + (tmp_path / "features.svg").read_bytes())
    assert pages[0] == pages[1]
    text = (tmp_path / "RESULTS.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Targets",
        *(f"## {title}" for title in render.PARTS.values()),
        "## How they were made",
    ]
    assert str(tmp_path) not in text and "Not measured yet" not in text


def test_page_in_the_checkout_is_what_its_figures_give(root):
    """Whoever edits it by hand, or measures without writing it, is told."""
    out = root / "tests" / "bench" / "results"
    found = {part: entries for part in render.PARTS if (entries := common.read_entries(out, part))}
    if not found:
        pytest.skip("nothing was measured yet")
    assert (root / "tests/bench/RESULTS.md").read_text(encoding="utf-8") == render.page(found)
    assert (root / "tests/bench/features.svg").read_text(encoding="utf-8") == render.plot(found)


@pytest.mark.parametrize(
    ("part", "what", "figure", "met"),
    [
        ("epochs", "whisper_base, BLSTM head: cached epochs are shorter", "8.5 times", "yes"),
        (
            "epochs",
            "whisper_base, BLSTM head, whole run, cached, the mix learned in the run: shorter",
            "4.0 times",
            "**no**",
        ),
        (
            "disk",
            "XLS-R-300M size, one byte a value, all layers mixed, long clips: GB for an hour of speech",
            "0.190",
            "yes",
        ),
        ("quality", "mix against the last layer, mean CER on test", "19.0% better", "yes"),
        ("quality", "one byte a value against four, mean CER on test", "+0.30", "**no**"),
        (
            "throughput",
            "XLS-R-300M size, random weights, long clips: against transformers, a clip at a time, float32",
            "2.50 times",
            "yes",
        ),
        (
            "throughput",
            "XLS-R-300M size, random weights, long clips: against s3prl, a clip at a time",
            "2.00 times",
            "**no**",
        ),
        (
            "growth",
            "peak memory of the stage and its workers, 1 h → 10 h → 100 h",
            "1640 MiB → 1660 MiB → 2000 MiB",
            "**no**",
        ),
        ("growth", "time by the clock, seconds for each further hour", "2.00 → 2.00", "yes"),
        (
            "growth",
            "opening a reader and reading a first utterance, seconds for a million utterances",
            "2.200",
            "**no**",
        ),
        ("resume", "batches begun and lost", "41", "**no**"),
    ],
)
def test_targets_are_judged(part, what, figure, met):
    assert verdicts(render.page(kept()), part)[what] == (figure, met)


def test_throughput_shows_both_arithmetics_but_judges_the_default():
    (line,) = [li for li in render.page(kept()).splitlines() if "| s3prl, a clip at a time |" in li]
    assert line.strip("| ").split(" | ")[3:6] == ["5.0", "2.00", "4.00"]


def test_parts_that_were_not_measured_are_named():
    found = kept()
    del found["growth"]
    assert "Not measured yet: Growth." in render.page(found)


def test_what_is_kept_is_not_measured_again(tmp_path):
    calls = []

    def measure(bench, key):
        return bench.measure("disk", key, lambda: calls.append(key) or {"n": len(calls)})

    bench = common.Bench(tmp_path, tmp_path / "work")
    assert [measure(bench, {"a": 1}), measure(bench, {"a": 2}), measure(bench, {"a": 1})] == [
        {"n": 1},
        {"n": 2},
        {"n": 1},
    ]
    assert [e["key"] for e in bench.entries("disk")] == [{"a": 1}, {"a": 2}]
    assert set(bench.entries("disk")[0]["made"]) == set(MADE)
    forced = common.Bench(tmp_path, tmp_path / "work", force=True)
    assert [measure(forced, {"a": 1}), measure(forced, {"a": 1})] == [{"n": 3}, {"n": 3}]  # once a run
    assert [e["figures"]["n"] for e in bench.entries("disk")] == [3, 2]


def test_cache_of_the_bench_has_the_downloads_but_not_the_features(tmp_path, monkeypatch):
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    for name in ("apt", "features"):
        (theirs / name).mkdir(parents=True)
    monkeypatch.setenv("XLT_CACHE", str(theirs))
    common.linked_cache(mine)
    common.linked_cache(mine)  # a second time: nothing happens
    assert (mine / "apt").resolve() == theirs / "apt" and not (mine / "features").exists()


def test_unknown_part_is_refused(tmp_path, capsys):
    assert features.main(["--part", "disc", "--out", str(tmp_path)]) == 2
    assert "disc: no such part" in capsys.readouterr().err


def test_command_in_the_figures_names_no_folder(monkeypatch, tmp_path):
    seen = []
    module = SimpleNamespace(run=lambda bench, args: seen.append(bench.command))
    true = features.importlib.import_module
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    args = [
        "--part",
        "disk",
        "--out",
        str(tmp_path / "out"),
        "--work",
        str(tmp_path / "w"),
        "--languages",
        "cat",
        "--force",
    ]
    parsed = features.parse(args)
    monkeypatch.setattr(features, "parse", lambda words: parsed)
    monkeypatch.setattr(
        features.importlib, "import_module", lambda name: module if name.endswith(".disk") else true(name)
    )
    assert features.main(args) == 0
    assert seen == ["python tests/bench/features.py --part disk --languages cat"]


LOG = """2026-11-22 19:04:47,217 INFO root: 1/3epoch started
2026-11-22 19:04:48,000 INFO root: 1epoch:train:1-1batch: iter_time=0.1, time=0.2
2026-11-22 19:04:50,040 INFO root: 1epoch results: [train] iter_time=0.004, train_time=0.104, time=2.61 seconds, \
total_count=25, [valid] loss_ctc=57.085, cer_ctc=1.000, time=0.21 seconds, total_count=5
2026-11-22 19:04:50,059 INFO root: 2/3epoch started. Estimated time to finish: 1 minute and 50.83 seconds
2026-11-22 19:06:52,737 INFO root: 2epoch results: [train] iter_time=0.004, train_time=0.099, time=1 minute and 2.48 seconds, \
total_count=50, [valid] loss_ctc=49.346, time=0.2 seconds, total_count=10
2026-11-22 19:06:52,750 INFO root: 3/3epoch started. Estimated time to finish: 2.5 seconds
"""


def test_times_of_epochs_are_read_from_the_log():
    assert epochs.read_log(LOG) == [
        {"epoch_s": 2.823, "batches": 25, "train_s": 2.61},
        {"epoch_s": 122.678, "batches": 25, "train_s": 62.48},
    ]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(1, 7, 16, 24), (3, 50, 64, 256)])
def test_operations_of_a_layer_are_those_that_torch_counts(arguments):
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import Wav2Vec2Config
    from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2EncoderLayerStableLayerNorm

    batch, frames, dim, inner = arguments
    config = Wav2Vec2Config(hidden_size=dim, intermediate_size=inner, num_attention_heads=4)
    config._attn_implementation = "eager"
    layer = Wav2Vec2EncoderLayerStableLayerNorm(config).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(torch.zeros(batch, frames, dim))
    assert throughput.inner_size(layer) == inner
    assert throughput.layer_flop([frames] * batch, dim, inner) == counter.get_total_flops()


@pytest.mark.slow
def test_layers_are_counted_and_timed_whichever_form_is_called(tmp_path):
    numpy = pytest.importorskip("numpy")
    from tests.tiny import make_tiny_wav2vec2
    from xlt.features.extract import Setup, encode_waves, load
    from xlt.upstreams.base import Source

    source = Source("hf_wav2vec2_custom", str(make_tiny_wav2vec2(tmp_path / "tiny")), {})
    upstream = load(Setup(source, "last", "float32", 80.0))
    layers = throughput.Layers(upstream)
    waves = [numpy.random.default_rng(0).normal(0, 0.1, size).astype("f4") for size in (16000, 16000)]
    with layers.watch(True):
        encode_waves(upstream, waves, "last")
    encode_waves(upstream, waves, "last")  # not watched
    found = layers.take()
    assert found["frames"] == 2 * 49 and found["seconds"] > 0  # 49 frames a second without padding
    assert found["flop"] == 2 * throughput.layer_flop([49, 49], 32, 64)  # two layers
    with pytest.raises(RuntimeError, match="nothing was measured"):
        layers.take()


def test_growth_is_judged_by_the_further_hours():
    assert growth.marginal([(1, 12.0), (10, 30.0), (100, 210.0)]) == [2.0, 2.0]
    assert growth.spread([100, 110]) == pytest.approx(0.10)
    assert growth.memory({"stage_mib": 40, "worker_mib": 800}) == 1640


def test_clips_are_those_of_the_recipe_joined_or_not(tmp_path):
    numpy = pytest.importorskip("numpy")
    import soundfile

    rng = numpy.random.default_rng(0)
    data = tmp_path / "recipe" / "data" / "train"
    data.mkdir(parents=True)
    (tmp_path / "recipe" / "recipe.yaml").write_text("lang: cat_Latn\n")
    lengths = {f"{spk}-{n:02d}": 8000 + 800 * n for spk in "ab" for n in range(20)}
    for utt, length in lengths.items():
        soundfile.write(tmp_path / "recipe" / f"{utt}.wav", rng.normal(0, 0.1, length), 16000)
    for table, value in {"wav.scp": "{u}.wav", "utt2dur": "{d}", "utt2spk": "{s}", "text": "t{u}"}.items():
        write_table(data / table, {u: value.format(u=u, d=n / 16000, s=u[0]) for u, n in lengths.items()})
    short, long = (clips.pick(data, kind, 30.0) for kind in ("short", "long"))
    assert {len(w) for w in short} <= set(lengths.values()) and clips.total_s(short) == pytest.approx(
        30, rel=0.2
    )
    assert len(long) < len(short) and all(len(w) <= 18 * 16000 for w in long) and clips.total_s(long) >= 30
    assert [w.tobytes() for w in clips.pick(data, "long", 30.0)] == [w.tobytes() for w in long]
    seconds = clips.corpus(data, tmp_path / "copy", "long", 30.0)
    assert seconds == pytest.approx(clips.total_s(long))
    sets = [read_table(tmp_path / "copy" / "data" / name / "wav.scp") for name in ("train", "dev", "test")]
    assert [len(s) for s in sets] == [len(long) - 2, 1, 1]


def test_corpus_of_repeated_speech_holds_no_clip_twice(tmp_path):
    numpy = pytest.importorskip("numpy")
    from xlt.audio.files import read_wav
    from xlt.features.extract import audio_hash

    speech = numpy.random.default_rng(0).integers(-20000, 20000, 40000).astype(numpy.int16)
    assert growth.make_corpus(tmp_path, speech, hours=10 / 3600, clip_s=1.0) == 10
    hashes = read_table(tmp_path / "data/train/utt2audio")
    assert len(set(hashes.values())) == 10
    wavs = read_table(tmp_path / "data/train/wav.scp")
    assert {u: audio_hash(read_wav(tmp_path / path)) for u, path in wavs.items()} == hashes


def test_what_processes_took_on_and_ended_is_counted(tmp_path):
    notes = tmp_path / "notes"
    notes.write_text(
        "takes 1 a b\ntakes 2 c\nends 1 a b\n"  # killed: 2 was at c
        "takes 3 c\ntakes 4 a b\nends 3 c\nends 4 a b\n"
    )  # a and b again, though they were done
    run = resume.Run(["true"], tmp_path / "cache", notes, tmp_path)
    assert run.counts() == {
        "audio": 3,
        "taken_again": 3,
        "ended_again": 2,
        "largest_batch": 2,
        "batches_lost": 1,
    }


def test_differences_between_two_extractions_are_found(tmp_path):
    numpy = pytest.importorskip("numpy")
    for name, last in (("one", 1.0), ("two", 1.0), ("three", 1.5)):
        folder = tmp_path / name / "dump" / "u" / "dev"
        folder.mkdir(parents=True)
        with ArkWriter(folder / "feats.ark") as writer:
            found = {
                u: writer.write(u, numpy.full((2, 3), value, "f4")) for u, value in (("a", 0.0), ("b", last))
            }
        write_table(folder / "feats.scp", {u: f"{folder / 'feats.ark'}:{e.offset}" for u, e in found.items()})
        write_table(folder / "utt2crc", {u: f"{e.crc:08x}" for u, e in found.items()})
    assert resume.different(tmp_path / "one", tmp_path / "two")["different"] == 0
    assert resume.different(tmp_path / "one", tmp_path / "three") == {
        "utterances": 2,
        "different": 1,
        "different_first": ["b"],
    }


def test_best_single_layer_is_chosen_on_dev_when_all_languages_are_there():
    def layer(n, language, dev, seed=0):
        return entry(
            "quality",
            {"language": language, "arm": f"layer {n}", "seed": seed, "settings": []},
            {"dev": {"value": dev}, "test": {"value": 0.0}},
        )

    found = [
        layer(n, language, dev)
        for n, both in {2: (9, 9), 3: (4, 9), 4: (6, 6), 5: (7, 8)}.items()
        for language, dev in zip(("cat", "ron"), both, strict=True)
    ]
    assert quality.best_single(found, ["cat", "ron"]) == "layer 4"
    assert quality.best_single(found[:-1], ["cat", "ron"]) is None
