"""The section of an experiment file on egs/README.md, from made-up results."""

import json

import pytest

from tests.report.documents import document, entry
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.core.errors import ConfigError, DataError
from xlt.core.plan import read
from xlt.formats.results import from_json
from xlt.report import tables
from xlt.report.pairs import pair
from xlt.report.results import Result, load
from xlt.report.transfer import Cells, sections

PLAN = """
name: t
title: Transfer
runs:
  - for: {target: [cat, ron], minutes: [5, 10], seed: [0, 1]}
    except: [{target: ron, minutes: 10}]
    recipe: "{target}"
    tag: "scratch{minutes}_s{seed}"
    column: scratch
  - for: {target: [cat, ron], minutes: [5, 10], seed: [0, 1]}
    except: [{target: ron, minutes: 10}]
    recipe: "{target}"
    tag: "new{minutes}_s{seed}"
    column: new head
tables:
  - title: By target
    rows: [target, minutes]
    comparisons:
      - {of: new head, against: scratch, when: {minutes: 5}, reach: -15, on: 1}
      - {of: new head, against: scratch, when: {minutes: 5}, reach: -30}
      - {of: new head, against: scratch, when: {minutes: 10}, reach: -15}
"""


def made(tag, seed, errors, cer=None, ids="x"):
    """A result whose two test utterances of 10 characters have these errors."""
    found = document(
        tag, seed, cer=cer if cer is not None else 5.0 * sum(errors), **{"data.train_minutes": 5.0}
    )
    return found | {"counts": {"test": {"ids": ids, "errors": errors, "n_ref": [10, 10]}}}


@pytest.fixture
def egs(results):
    def make(plan=PLAN):
        root = results(
            made("scratch5_s0", 0, [8, 4]),
            made("scratch5_s1", 1, [6, 2]),
            made("new5_s0", 0, [4, 2]),
            made("new5_s1", 1, [3, 1]),
        ).parent.parent
        results(
            made("scratch5_s0", 0, [5, 5]),
            made("scratch5_s1", 1, [5, 5]),
            made("new5_s0", 0, [5, 5], ids="x"),
            made("new5_s1", 1, [5, 5]),
            made("scratch10_s0", 0, [4, 4]),
            recipe="cat",
        )
        folder = root / "common" / "experiments"
        folder.mkdir(parents=True)
        (folder / "t.yaml").write_text(plan, encoding="utf-8")
        return root

    return make


def rows(page, start):
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith(f"| {start}")
    ]


def test_cells_are_medians_over_seeds_and_what_is_missing_is_a_dash(egs):
    page = sections(egs())
    assert rows(page, "target") == [["target", "minutes", "scratch", "new head"]]
    assert rows(page, "ron") == [
        ["ron", "5", "50.0 [59.0, 61.0]", "25.0 [29.0, 31.0]"]
    ]  # seeds 60 40 and 30 20
    assert rows(page, "cat") == [
        ["cat", "5", "50.0 [49.0, 51.0]", "50.0 [49.0, 51.0]"],
        ["cat", "10", "40.0 [39.0, 41.0] (1 of 2)", "–"],
    ]
    assert rows(page, "mean") == [["mean of 2", "5", "50.0", "37.5"]]
    assert "median over 2 seeds" in page
    assert (
        "3 of 12 runs are missing: cat/scratch10_s1, cat/new10_s0, cat/new10_s1. Made by `xlt experiment "
        in page
    )


def test_rows_and_columns_without_any_result_are_left_out(egs):
    plan = (
        PLAN.replace("minutes: [5, 10]", "minutes: [5, 10, 30]")
        + """
  - {title: Of the same, rows: [target, minutes], when: {minutes: 30}}
  - {title: Ten minutes, rows: [target], when: {minutes: 10}}
"""
    )
    page = sections(egs(plan))
    assert "## Transfer" in page and "Of the same" not in page
    assert [row[:2] for row in rows(page, "cat")] == [
        ["cat", "5"],
        ["cat", "10"],
        ["cat", "40.0 [39.0, 41.0] (1 of 2)"],
    ]
    assert rows(page, "target")[1] == ["target", "scratch"] and "11 of 20 runs are missing" in page


def test_rows_of_one_budget_stand_together_before_their_mean(egs):
    lines = [
        line.split("|")[1:3]
        for line in sections(egs()).splitlines()
        if line.startswith(("| cat", "| ron", "| mean"))
    ]
    assert [" ".join(" ".join(line).split()) for line in lines] == ["cat 5", "ron 5", "mean of 2 5", "cat 10"]


def test_comparisons_pair_the_utterances_and_judge_the_figure(egs):
    # ron: 14 + 6 errors of two seeds halved, in each utterance; cat: nothing changes. Mean −25%, −12.5 points
    first, second, third = rows(sections(egs()), "new head against scratch")
    assert first[1:6] == ["minutes 5", "−25% [−25, −25]", "−12.5 [−17.5, −7.5]", "0.0%", "1 of 2"]
    assert first[6] == "cat +0% [+0, +0]; ron −50% [−50, −50]"
    assert first[7] == "−15% on at least 1: reached" and second[7] == "−30% on the mean: not reached"
    assert third[1:] == ["minutes 10", "–", "–", "–", "–", "cat: –", "−15% on the mean: open"]


def test_other_utterances_are_not_paired(egs, results):
    root = egs()
    results(made("new5_s1", 1, [5, 5], ids="y"), recipe="cat")
    first = rows(sections(root), "new head against scratch")[0]
    assert first[6] == "ron −50% [−50, −50]; cat: not the same utterances" and first[7].endswith("open")


def test_results_without_counts_are_shown_but_not_compared(egs, results):
    root = egs()
    results(*(document(f"new5_s{k}", k, 9.0) for k in (0, 1)))
    page = sections(root)
    assert rows(page, "ron")[0][3] == "9.0 [8.0, 10.0]"
    assert "ron: –" in rows(page, "new head against scratch")[0][6]


def test_the_section_stands_on_the_page_and_only_files_with_tables_have_one(egs):
    root = egs()
    (root / "common/experiments/none.yaml").write_text("name: none\nruns: [{recipe: ron, tag: a}]\n")
    assert main(["report", str(root)]) == 0
    page = (root / "README.md").read_text(encoding="utf-8")
    assert page.endswith(sections(root)) and page.count("## Transfer\n") == 1 and "## none" not in page


def test_transfer_has_no_column_in_the_table_of_languages(results):
    start = {
        "train.init": "multi/exp/x",
        "train.init_tokens": "new",
        "train.zero_shot": False,
        "train.mix": {},
    }
    root = results(
        document("base", cer=9.0),
        document("init", cer=5.0, dev=1.0, **start),
        document("zero", cer=5.0, dev=1.0, **{"train.zero_shot": True}),
    ).parent.parent
    main(["report", str(root)])
    page = (root / "README.md").read_text(encoding="utf-8")
    assert "9.0 [8.0, 10.0]" in page and "5.0 [" not in page


SINGLE = """
name: t
runs:
  - {for: {target: [ron]}, recipe: "{target}", tag: base, column: scratch}
  - for: {target: [ron], source: [fra, spa, rus, bul]}
    recipe: "{target}"
    tag: "from_{source}"
    column: one source
correlations:
  - {title: Overlap, target: target, source: source, against: scratch, ranking: "multi/results/p_{target}.json", key: exact}
"""


def singles(results, cer):
    return results(
        document("base", cer=50.0), *(document(f"from_{s}", cer=v) for s, v in cer.items())
    ).parent.parent


def write_plan(root, text):
    folder = root / "common" / "experiments"
    folder.mkdir(parents=True)
    (folder / "t.yaml").write_text(text, encoding="utf-8")


def test_rank_correlation_of_gains_with_the_ranking(results):
    # gains 20% 10% 0% −10%; ranking swaps the first two: rho = 1 − 6·2/(4·15) = 0.8
    root = singles(results, {"fra": 40.0, "spa": 45.0, "rus": 50.0, "bul": 55.0})
    write_plan(root, SINGLE)
    assert rows(sections(root), "ron")[0] == ["ron", "+20%", "+10%", "+0%", "−10%", "–", "0"]
    assert "not there yet for ron" in sections(root) and "Mean rho: –." in sections(root)
    ranking = root / "multi" / "results" / "p_ron.json"
    ranking.parent.mkdir(parents=True)
    found = {"spa": 0.9, "fra": 0.7, "rus": 0.5, "bul": 0.1}
    ranking.write_text(
        json.dumps({"ranking": [{"name": s, "exact": v, "cost": v} for s, v in found.items()]})
    )
    page = sections(root)
    assert rows(page, "ron")[0][-2:] == ["0.80", "4"] and "Mean rho: 0.80 over 1 targets." in page
    plan = root / "common/experiments/t.yaml"
    plan.write_text(plan.read_text().replace("key: exact", "key: -cost"))
    assert rows(sections(root), "ron")[0][-2:] == ["−0.80", "4"]


def test_a_source_without_a_run_is_a_dash_and_not_counted(results):
    root = singles(results, {"fra": 40.0, "spa": 45.0})
    write_plan(root, SINGLE)
    assert rows(sections(root), "ron")[0] == ["ron", "+20%", "+10%", "–", "–", "–", "0"]


def test_a_ranking_of_another_form_is_named(results):
    root = singles(results, {"fra": 40.0})
    write_plan(root, SINGLE)
    (root / "multi" / "results").mkdir(parents=True)
    (root / "multi" / "results" / "p_ron.json").write_text('{"ranking": [{"name": "fra"}]}')
    with pytest.raises(DataError, match=r"p_ron\.json: expected a ranking with exact"):
        sections(root)


CURVE = """
name: t
runs:
  - for: {target: [ron], mix: [0, 10], seed: [0, 1, 2]}
    recipe: "{target}"
    tag: "mix{mix}_s{seed}"
    column: mixing
curves:
  - {title: Forgetting, rows: [target, mix], column: mixing}
"""


def forgotten(tag, seed, after):
    def value(x):
        return {"value": x, "ci95": [x - 1, x + 1]}

    return document(tag, seed, 9.0) | {
        "forgetting": {
            "test_spa": {
                "before": value(20.0),
                "after": value(after),
                "difference": value(after - 20),
                "relative": 5 * (after - 20),
            }
        }
    }


def test_forgetting_shows_the_run_with_the_middle_difference(results):
    root = results(
        forgotten("mix0_s0", 0, 24.0),
        forgotten("mix0_s1", 1, 30.0),
        forgotten("mix0_s2", 2, 26.0),
        document("mix10_s0", 0, 9.5),
    ).parent.parent
    write_plan(root, CURVE)
    page = sections(root)
    assert rows(page, "ron") == [
        ["ron", "0", "9.0 [8.0, 10.0]", "test_spa", "20.0", "26.0", "+6.0 [+5.0, +7.0]", "+30%"],
        ["ron", "10", "9.5 [8.5, 10.5] (1 of 3)", "–", "–", "–", "–", "–"],
    ]


def test_forgetting_over_two_seeds_is_not_that_of_the_better_one(results):
    root = results(forgotten("mix0_s0", 0, 24.0), forgotten("mix0_s1", 1, 30.0)).parent.parent
    write_plan(root, CURVE.replace("[0, 10], seed: [0, 1, 2]", "[0], seed: [0, 1]"))
    assert rows(sections(root), "ron")[0][4:] == ["20.0", "27.0", "+7.0 [+6.0, +8.0]", "+35%"]


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        (
            "rows: [target, minutes]",
            "rows: [target, minuts]",
            "t.yaml:17: rows: no run has the variable 'minuts'; there are",
        ),
        (
            "of: new head, against: scratch, when: {minutes: 5}, reach: -15, on: 1",
            "of: newhead, against: scratch",
            "of: no run has the column 'newhead'; there are scratch, new head",
        ),
        ("when: {minutes: 10}", "when: {minutes: 20}", "minutes: no run has '20'; there are 5, 10"),
        ("reach: -30", "reach: much", "reach: found 'much', expected a number"),
        (
            "rows: [target, minutes]",
            "rows: [target, minutes]\n    metric: ser",
            "metric: found 'ser', expected an error rate: cer, wer, per",
        ),
        (
            "rows: [target, minutes]",
            "rows: [target, minutes]\n    metric: f1",
            "metric: found 'f1', expected an error rate: cer, wer, per",
        ),
    ],
)
def test_faults_in_tables_name_file_line_and_key(tmp_path, old, new, part):
    (tmp_path / "t.yaml").write_text(PLAN.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as err:
        tables.tables(read(tmp_path / "t.yaml"))
    assert part in str(err.value)


def test_runs_that_share_a_cell_may_differ_in_the_seed_only(egs):
    root = egs(
        PLAN.replace("rows: [target, minutes]", "rows: [target]")
        .replace("when: {minutes: 5}, ", "")
        .replace("when: {minutes: 10}, ", "")
    )
    with pytest.raises(
        ConfigError,
        match=r"t\.yaml:5: cat/scratch5_s0 and cat/scratch10_s0 would share a cell of column "
        "'scratch' but differ in minutes",
    ):
        sections(root)


def test_per_and_cer_do_not_mix(egs):
    plan = read(egs() / "common/experiments/t.yaml")
    phones = made("new5_s0", 0, [1, 1]) | {"test": {"per": entry(10.0), "ser": entry(50.0)}}
    cells = Cells(plan.runs, {"ron/new5_s0": Result("new5_s0", from_json(phones, "phones")[0])})
    there = cells.results(plan.runs)
    assert cells.scores(plan.runs, "test", "cer") == [] and pair(there, there, "test", "cer") == "–"
    assert [s["value"] for s in cells.scores(plan.runs, "test", "per")] == [10.0]
    assert pair(there, there, "test", "per")[:, 0].tolist() == [1, 1]
    assert cells.scores(plan.runs, "eval", "per") == []


def test_words_are_paired_where_their_counts_are_there(egs, results):
    root = egs(PLAN.replace("rows: [target, minutes]", "rows: [target, minutes]\n    metric: wer"))
    for tag, errors in (
        ("scratch5_s0", [4, 4]),
        ("scratch5_s1", [4, 4]),
        ("new5_s0", [2, 2]),
        ("new5_s1", [2, 2]),
    ):
        one = made(tag, int(tag[-1]), [1, 1])
        one["counts"]["test"]["wer"] = {"errors": errors, "n_ref": [5, 5]}
        results(one)
    first = rows(sections(root), "new head against scratch")[0]
    assert first[6] == "ron −50% [−50, −50]; cat: –"


def test_nothing_is_related_to_a_system_without_errors(egs, results):
    root = egs()
    results(*(made(f"scratch5_s{k}", k, [0, 0]) for k in (0, 1)))
    assert rows(sections(root), "new head against scratch")[0][6] == "cat +0% [+0, +0]; ron: no errors before"


def test_files_of_other_commands_are_no_results(results):
    folder = results(document("a"))
    (folder / "phones.json").write_text('{"ranking": []}')
    assert [result.tag for result in load(folder)] == ["a"]


def test_the_form_in_the_readme_is_the_one_that_is_read(results):
    page = (ROOT / "egs/common/experiments/README.md").read_text(encoding="utf-8")
    root = results(document("scratch5"), made("x5_s0", 0, [1, 1])).parent.parent
    write_plan(root, "".join(line[4:] + "\n" for line in page.splitlines() if line.startswith("    ")))
    page = sections(root)
    assert "median over 2 seeds" in page  # scratch, which has none, is no third
    assert "### By target" in page and "### Which source helps" in page and "### What was forgotten" in page
    assert rows(page, "ron")[0] == ["ron", "5", "9.0 [8.0, 10.0]", "10.0 [9.0, 11.0] (1 of 2)"]
    plan = read(root / "common/experiments/t.yaml")
    assert [run.name for run in plan.needs(plan.runs[1])] == ["multi/x"]


def test_an_experiment_of_which_nothing_was_run_has_no_section(egs):
    root = egs()
    assert "## Transfer" in sections(root)
    for path in root.glob("*/results/*.json"):
        path.unlink()
    assert sections(root) == ""
