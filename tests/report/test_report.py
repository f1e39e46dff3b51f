"""Stage 9, and RESULTS.md as a function of the result files."""

import json

import pytest

from tests.errors import raises, told
from tests.report.documents import document, entry, phone_document
from xlt.cli import main
from xlt.core.errors import DataError
from xlt.formats.results import from_json
from xlt.formats.tables import write_table
from xlt.report.examples import examples
from xlt.report.markdown import render
from xlt.report.results import Result, describe, experiments, load


def row(page, start):
    return next(
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith(f"| {start}")
    )


def test_seeds_are_shown_as_their_median_with_each_value(results):
    folder = results(document("base_s0", 0, 9.5), document("base_s1", 1, 9.1), document("base_s2", 2, 9.9))
    page = render(load(folder))
    assert row(page, "base ") == [
        "base",
        "whisper_base, blstm, char, greedy",
        "9.9 min",
        "9.5 [8.5, 10.5]",
        "28.5 [27.5, 29.5]",
        "50.0 [49.0, 51.0]",
        "70.0 [69.0, 71.0]",
        "9.5 9.1 9.9",
    ]
    assert "seed:0,1,2" in page


def test_median_of_two_seeds_is_their_mean(results):
    found = experiments(load(results(document("base_s0", 0, 9.0), document("base_s1", 1, 10.0))))
    assert [e.median("test", "cer") for e in found] == [9.5]


def test_experiments_that_differ_in_a_setting_stay_apart(results):
    folder = results(
        document("a_s0"), document("b_s0", **{"features.upstream": "fbank"}), document("a_s1", 1)
    )
    found = experiments(load(folder))
    assert [(e.name, [run.seed for run in e.runs]) for e in found] == [("a", [0, 1]), ("b_s0", [0])]


def test_best_comes_first_and_a_peer_stands_among_them(results):
    folder = results(
        document("ours", cer=9.0),
        document("worse", cer=30.0, **{"features.upstream": "fbank"}),
        document("peer", cer=19.5, peer="Somebody's model, zero-shot"),
    )
    page = render(load(folder))
    test = page[page.index("## test") : page.index("## dev")]
    assert [line.split("|")[1].strip() for line in test.splitlines() if line.startswith("| ")][1:] == [
        "---",
        "ours",
        "peer",
        "worse",
    ]
    assert row(test, "peer")[1] == "Somebody's model, zero-shot"


def test_page_has_environment_command_and_utterances(results):
    page = render(load(results(document("main"))))
    assert "Made Up 1, 2 cores, 4 GiB, Linux x86_64\nxlt 0.1.0" in page
    assert "`./run.sh tag=main seed=0` | abc123 | 7 | 1,234 | train 60" in page
    assert "| s-1 | 40.0 | a\\|b | ab |" in page  # a bar in a text would end the cell


def test_an_experiment_says_where_it_started(results):
    page = render(
        load(
            results(
                document(
                    "a",
                    **{
                        "train.init": "multi/exp/main",
                        "train.init_tokens": "match",
                        "train.zero_shot": False,
                        "train.mix": {"spa": 0.1},
                    },
                )
            )
        )
    )
    assert "char, greedy, from multi/exp/main (match output layer), 10% spa |" in page


def test_a_model_that_is_used_as_it_is_has_no_training_speech(results):
    page = render(
        load(
            results(
                document("a", **{"train.init": "multi/exp/main", "train.zero_shot": True, "train.mix": {}})
            )
        )
    )
    assert "from multi/exp/main as it is | – |" in page


def test_what_was_forgotten_has_a_table(results):
    found = {
        "before": entry(8.0),
        "after": entry(10.0),
        "difference": {"value": 2.0, "ci95": [-0.5, 4.25]},
        "relative": 25.0,
    }
    page = render(load(results(document("a"), document("b") | {"forgetting": {"test_spa": found}})))
    assert (
        "| b | test_spa | 8.0 | 10.0 | +2.0 [-0.5, +4.2] | +25.0% |" in page and "| a | test_spa" not in page
    )


def test_a_table_by_language_where_a_set_has_several(results):
    def by_language(value):
        return {
            "languages": {
                "test": {
                    lang: {"cer": entry(value + k), "wer": entry(2 * value + k)}
                    for k, lang in enumerate(("cat_Latn", "ron_Latn"))
                }
            }
        }

    lang = ("mul_Zyyy", "Multiple languages")
    folder = results(
        document("a_s0", 0, lang=lang) | by_language(20.0),
        document("a_s1", 1, lang=lang) | by_language(30.0),
        document("old", lang=lang, **{"train.encoder": "linear"}),
    )  # has no scores by language
    page = render(load(folder))
    cer = page.split("### test by language: CER %")[1].splitlines()[2:6]
    assert cer == [
        "| experiment | cat_Latn | ron_Latn |",
        "| --- | --- | --- |",
        "| a | 25.0 [19.0, 21.0] | 26.0 [20.0, 22.0] |",
        "",
    ]  # medians, and the interval of the first of equals
    assert "| a | 50.0 [39.0, 41.0] | 51.0 [40.0, 42.0] |" in page.split("### test by language: WER %")[1]
    assert "dev by language" not in page


def test_no_results_is_a_page_too(tmp_path):
    assert "None yet" in render(load(tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"signature": {"test": {}}}'])
def test_a_file_that_is_not_a_result_is_named(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with raises(DataError, "stage 9", where="x.json"):
        load(tmp_path)


def test_confusions_that_are_not_whole_are_named(results):
    whole = {"unit": "char", "n": {"a": 2}, "pairs": {"a": {"b": 1}}, "left_off": 0}
    assert load(results(document("a") | {"confusions": {"test": whole}}))
    for damaged in (whole | {"n": {}}, {k: v for k, v in whole.items() if k != "left_off"}, [1]):
        with raises(DataError, "stage 9", where="a.json"):
            load(results(document("a") | {"confusions": {"test": damaged}}))


def test_worst_and_median_utterances(tmp_path):
    head = (
        "id\tchar_n_ref\tchar_sub\tchar_del\tchar_ins\tword_n_ref\tword_sub\tword_del\tword_ins\tref\thyp\n"
    )
    rows = [f'u{k}\t10\t{k}\t0\t0\t1\t0\t0\t0\tr{k}\th"{k}\n' for k in range(7)]  # CER 0, 10 … 60
    (tmp_path / "t.tsv").write_text(head + "".join(rows))
    found = examples(tmp_path / "t.tsv", 3)
    assert [r["id"] for r in found["worst"]] == ["u6", "u5", "u4"]
    assert [(r["id"], r["rate"]) for r in found["median"]] == [("u4", 40.0), ("u3", 30.0), ("u2", 20.0)]
    assert found["worst"][0] == {"id": "u6", "rate": 60.0, "ref": "r6", "hyp": 'h"6'}
    assert len(examples(tmp_path / "t.tsv", 50)["median"]) == 7


@pytest.fixture
def recipe(tmp_path):
    """A recipe that has been decoded: one set, two utterances."""
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\ndecode: {sets: [test]}\nscore: {bootstrap: 20}\n")
    for folder, texts in (
        ("data/test", {"s-1": "o broască", "s-2": "unu"}),
        ("data/train", {"s-3": "doi"}),
        ("exp/main/decode_test", {"s-1": "o broască", "s-2": "un"}),
    ):
        (tmp_path / folder).mkdir(parents=True)
        write_table(tmp_path / folder / "text", texts)
        write_table(tmp_path / folder / "utt2dur", dict.fromkeys(texts, "3"))
    return tmp_path


def stage(name, recipe, *words):
    return main([name, "--recipe", str(recipe), *words])


def test_stage_writes_result_and_page_and_is_then_up_to_date(recipe, capsys):
    assert stage("score", recipe) == 0 and stage("report", recipe) == 0
    result = json.loads((recipe / "results/main.json").read_text(encoding="utf-8"))
    scores = json.loads((recipe / "exp/main/score.json").read_text(encoding="utf-8"))
    details = json.loads((recipe / "results/examples/main.json").read_text(encoding="utf-8"))
    assert result == scores and list(details) == ["format", "examples", "confusions", "alphabet"]
    assert details["confusions"] == {
        "test": {
            "unit": "char",
            "n": {" ": 1, "a": 1, "b": 1, "c": 1, "n": 1, "o": 2, "r": 1, "s": 1, "u": 2, "ă": 1},
            "pairs": {"u": {"": 1}},
            "left_off": 0,
        }
    }
    assert details["alphabet"] == {"d": 1, "i": 1, "o": 1}  # of data/train: doi
    assert [r["id"] for r in details["examples"]["test"]["worst"]] == ["s-2", "s-1"]
    page = (recipe / "RESULTS.md").read_text(encoding="utf-8")
    assert page == render(load(recipe / "results"))
    capsys.readouterr()
    assert stage("report", recipe) == 0
    assert capsys.readouterr().out.count("up to date") == 3


def test_stage_mends_an_altered_page(recipe):
    stage("score", recipe)
    stage("report", recipe)
    page = (recipe / "RESULTS.md").read_text(encoding="utf-8")
    (recipe / "RESULTS.md").write_text(page.replace("CER", "cer"), encoding="utf-8")
    stage("report", recipe)
    assert (recipe / "RESULTS.md").read_text(encoding="utf-8") == page


def test_stage_before_scoring_names_the_stage(recipe, capsys):
    assert stage("report", recipe) == 2
    told(capsys.readouterr().err, "stage 8 (score)", where="exp/main/score.json")


def test_scores_of_an_older_xlt_are_reported(recipe):
    """Stage 8 made score.json in version 1 and is not run again."""
    stage("score", recipe)
    stage("report", recipe)
    page = (recipe / "RESULTS.md").read_text(encoding="utf-8")
    path = recipe / "exp/main/score.json"
    scores = json.loads(path.read_text(encoding="utf-8"))
    counts = scores["counts"]["test"]
    old = {**scores.pop("sets"), **scores, "slices": {"test": {}}}
    cer, wer = counts["metrics"]["cer"], counts["metrics"]["wer"]
    old["counts"] = {"test": {"ids": counts["ids"], **cer, "wer": wer}}
    del old["format"]
    path.write_text(json.dumps(old, indent=1), encoding="utf-8")
    stamp = path.parent / "score" / "stage.json"  # it noted no digests either
    kept = {k: v for k, v in json.loads(stamp.read_text(encoding="utf-8")).items() if k != "digests"}
    stamp.write_text(json.dumps(kept), encoding="utf-8")
    assert stage("report", recipe) == 0
    assert (recipe / "RESULTS.md").read_text(encoding="utf-8") == page
    assert json.loads((recipe / "results/main.json").read_text(encoding="utf-8"))["format"] == 2


def test_a_recipe_of_the_users_leaves_the_projects_pages_alone(recipe, tmp_path, monkeypatch, capsys):
    stage("score", recipe)
    egs = tmp_path / "project" / "egs"
    own = egs / "lug"
    own.parent.mkdir(parents=True)
    recipe_files = [path for path in recipe.iterdir() if path.name in ("recipe.yaml", "data", "exp")]
    own.mkdir()
    for path in recipe_files:
        path.rename(own / path.name)
    (egs / "published.txt").write_text("ron\n")
    monkeypatch.setattr("xlt.core.config.ROOT", tmp_path / "project")
    assert stage("report", own) == 0
    assert (own / "RESULTS.md").exists() and not (egs / "README.md").exists()
    assert "egs/published.txt does not list lug" in capsys.readouterr().out
    (egs / "published.txt").write_text("ron\nlug\n")
    assert stage("report", own) == 0
    assert "Romanian" in (egs / "README.md").read_text(encoding="utf-8")


def test_what_is_only_looked_at_may_be_missing_or_damaged(recipe, capsys):
    stage("score", recipe)
    stage("report", recipe)
    path = recipe / "results/examples/main.json"
    assert "## Utterances of test" in render(load(recipe / "results"))
    path.write_text('{"format": 1, "examples": []}')
    with pytest.raises(DataError, match=r"examples/main\.json: not a result of stage 9 \(examples: found"):
        load(recipe / "results")
    path.unlink()
    assert "## Utterances of test" not in render(load(recipe / "results"))


def test_dry_run_writes_nothing(recipe, capsys):
    stage("score", recipe)
    assert stage("report", recipe, "--dry_run") == 0
    assert not (recipe / "results").exists() and not (recipe / "RESULTS.md").exists()


@pytest.mark.parametrize(
    "features, expected",
    [
        ({}, "whisper_base"),
        ({"layers": "last", "storage": "f32", "speed": [1.0]}, "whisper_base"),
        ({"layers": 4}, "whisper_base layer 4"),
        ({"layers": [3, 4]}, "whisper_base layer 3+4"),
        ({"layers": "mix", "storage": "cm1", "mix": {"from": None}}, "whisper_base mix, cm1"),
        (
            {"layers": "mix", "mix": {"from": "cat_Latn"}, "on_the_fly": True},
            "whisper_base mix of cat_Latn, on the fly",
        ),
        ({"layers": "last", "speed": [0.9, 1.0, 1.1]}, "whisper_base, speeds 0.9 1.0 1.1"),
    ],
)
def test_the_description_says_which_features(features, expected):
    made = from_json(document("a") | {"features": features}, "a")[0]
    assert describe(Result("a", made)) == f"{expected}, blstm, char, greedy"


def test_results_from_before_the_mix_had_four_layers():
    old = document("a")
    old["config"]["features.layers"] = "auto"
    assert describe(Result("a", from_json(old, "a")[0])) == "whisper_base layer 3+4+5+6, blstm, char, greedy"


def test_phone_experiments_have_a_table_of_their_own(results):
    folder = results(
        document("chars", cer=50.0), phone_document("ph_s0", 30.0), phone_document("ph_s1", 32.0, 1)
    )
    page = render(load(folder))
    assert row(page, "ph ") == [
        "ph",
        "whisper_base, blstm, phone, greedy",
        "9.9 min",
        "31.0 [29.0, 31.0]",
        "90.0 [89.0, 91.0]",
        "30.0 32.0",
    ]
    assert row(page, "chars ")[3] == "50.0 [49.0, 51.0]"
    assert "1.5 minutes, 100 phones" in page and "1.5 minutes, 100 characters, 100 words" in page
    assert "by CER: chars" in page  # of the two kinds, the one with texts to read is shown


def test_utterances_of_phones_by_per(tmp_path):
    path = tmp_path / "test.tsv"
    head = "\t".join(["id", *(f"phone_{c}" for c in ("n_ref", "sub", "del", "ins")), "ref", "hyp"])
    path.write_text(f"{head}\nu1\t2\t0\t0\t0\ta b\ta b\nu2\t3\t1\t0\t0\ta b k\ta b ɡ\n", encoding="utf-8")
    assert examples(path, 1)["worst"] == [{"id": "u2", "rate": 33.3, "ref": "a b k", "hyp": "a b ɡ"}]


def test_a_result_with_neither_set_of_metrics_is_refused(results):
    made = phone_document("ph")
    del made["test"]["per"]
    with raises(DataError, "stage 9", where="ph.json"):
        load(results(made))
