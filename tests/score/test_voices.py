"""Which question a score answers: what stage 8 keeps, and what pages and the end of a run say of it."""

import json

import pytest

from tests.report.documents import document, entry
from xlt.cli import main
from xlt.core.config import load
from xlt.core.context import Context
from xlt.formats.tables import write_table
from xlt.report.markdown import render
from xlt.report.results import load as load_results
from xlt.score.voices import label, voices


def speakers(recipe, **sets):
    """Give the utterances of the sets speakers, one word each."""
    for name, named in sets.items():
        utts = [line.split(" ")[0] for line in (recipe / "data" / name / "text").read_text().splitlines()]
        write_table(recipe / "data" / name / "utt2spk", dict(zip(utts, named.split(), strict=True)))


def whose(recipe, *settings, name="test"):
    return voices(Context(recipe, load(recipe, list(settings))), name)


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ("ana ion", "eva eva eva", "new voices"),
        ("ana ion", "ion ana ion", "known voices"),
        ("ana ion", "ion ion ion", "known voices"),
        ("ana ion", "ion eva eva", "known and new voices"),
    ],
)
def test_voices_by_the_speakers_of_the_training(recipe, train, test, expected):
    speakers(recipe, train=train, test=test)
    assert whose(recipe) == expected
    assert main(["score", "--recipe", str(recipe)]) == 0
    data = json.loads((recipe / "exp/main/score.json").read_text())["data"]
    assert data["test"]["voices"] == expected and "voices" not in data["dev"]  # dev has no utt2spk


def test_the_score_changes_with_the_speakers_of_the_training(recipe):
    speakers(recipe, train="ana ion", test="ana ana ana")
    assert main(["score", "--recipe", str(recipe)]) == 0
    speakers(recipe, train="eva ion")
    assert main(["score", "--recipe", str(recipe)]) == 0
    assert json.loads((recipe / "exp/main/score.json").read_text())["data"]["test"]["voices"] == "new voices"


def report(recipe, facts, **split):
    (recipe / "data/all").mkdir()
    (recipe / "data/all/report.json").write_text(
        json.dumps({"facts": facts, "split": {"by": "text", **split}})
    )


@pytest.mark.parametrize(
    "facts", [{"speakers": "not named; counted as one"}, {"a": {"speakers": "tiers without a participant"}}]
)
def test_a_corpus_without_names_of_speakers_does_not_tell(recipe, facts):
    speakers(recipe, train="one one", test="one one one")
    report(recipe, facts)
    assert whose(recipe) == "unnamed voices"


def test_what_is_not_known_is_not_said(recipe):
    assert whose(recipe) is None  # no speakers
    speakers(recipe, train="ana ion", test="eva eva eva")
    assert whose(recipe, "train.zero_shot=true") is None  # not trained on these recordings
    assert whose(recipe, "train.unlabelled=somewhere") is None  # whose voices nobody has named
    assert label({"utterances": 3, "speech_min": 1.0, "empty_references": [], "empty_hypotheses": 0}) == ""


def test_folds_answer_as_stage_1_has_made_them(recipe):
    report(recipe, {}, question="known and new voices", folds=4)
    folds = ("data.split=cross", "data.folds=4")
    assert whose(recipe, *folds) == "known and new voices"
    assert main(["score", "--recipe", str(recipe), *folds]) == 0
    data = json.loads((recipe / "exp/main/score.json").read_text())["data"]
    assert (data["test"]["folds"], data["test"]["voices"]) == (4, "known and new voices")
    assert "folds" not in data["dev"]
    assert label(data["test"]) == " (4-fold cross-validation, known and new voices)"


def page(tmp_path, **facts_of):
    for tag, facts in facts_of.items():
        found = document(tag, **{"train.encoder": f"encoder_{tag}"})
        found["data"] = {**found["data"], "test": {**found["data"]["test"], **facts}}
        (tmp_path / f"{tag}.json").write_text(json.dumps(found))
    return render(load_results(tmp_path))


def test_the_page_says_which_question_is_answered(tmp_path):
    said = page(tmp_path, a={"voices": "new voices"}, b={"voices": "new voices"})
    assert said.count("This set has new voices: none of its speakers is in the training speech.") == 1
    said = page(tmp_path, a={"voices": "new voices"}, b={"voices": "known voices"})
    assert "\na: This set has new voices" in said and "\nb: This set has known voices" in said
    said = page(tmp_path, a={"folds": 5, "voices": "known voices"}, b={"folds": 5, "voices": "known voices"})
    assert "\n5-fold cross-validation: each clip was transcribed by the one of 5 models" in said


def test_results_that_do_not_say_it_have_the_page_that_they_had(tmp_path):
    said = page(tmp_path, a={}, b={})
    head = said.index("## test: ")
    assert said[head:].split("\n\n")[1].startswith("| experiment | model |")


def test_a_run_ends_with_both_questions(tmp_path, monkeypatch, capsys):
    from xlt.core.context import Stage

    monkeypatch.setattr(Stage, "run", lambda self, ctx: None)
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n")
    found = document("main")
    found["data"] = {
        "test": {**found["data"]["test"], "voices": "known voices"},
        "dev": found["data"]["dev"],
        "test_new_voices": {**found["data"]["test"], "voices": "new voices"},
    }
    found["test_new_voices"] = {"cer": entry(20.0)}
    found["signature"]["test_new_voices"] = found["signature"]["test"]
    (tmp_path / "exp/main").mkdir(parents=True)
    (tmp_path / "exp/main/score.json").write_text(json.dumps(found))
    assert main(["run", "--recipe", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Romanian, test (known voices): 9.0% of characters wrong (95% interval 8.0 to 10.0)\n" in said
    assert "Romanian, test_new_voices (new voices): 20.0% of characters wrong" in said
