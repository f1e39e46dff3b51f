"""Stage 8 on a small recipe; every number is worked out by hand."""

import csv
import json

import pytest

from tests.errors import told
from xlt.cli import main
from xlt.core.errors import DataError
from xlt.core.stage import write_json
from xlt.formats.tables import write_table
from xlt.score.match import match


def score(recipe, *words):
    return main(["score", "--recipe", str(recipe), *words])


def document(recipe):
    return json.loads((recipe / "exp/main/score.json").read_text(encoding="utf-8"))


def test_scores_of_each_set(recipe):
    assert score(recipe) == 0
    found = document(recipe)
    # dev: "o broască" (9 characters) is right; "un papagal" (10) lacks its last character
    assert found["sets"]["dev"]["cer"] == {
        **found["sets"]["dev"]["cer"],
        "value": 5.263,
        "n_ref": 19,
        "sub": 0,
        "del": 1,
        "ins": 0,
    }
    assert found["sets"]["dev"]["wer"] == {
        **found["sets"]["dev"]["wer"],
        "value": 25.0,
        "n_ref": 4,
        "sub": 1,
        "del": 0,
        "ins": 0,
    }
    assert found["sets"]["dev"]["ser"]["value"] == 50.0
    # test: ă → a in 9; " doi" lost of 12; "Mulţumesc" with a cedilla is normalised to the comma: right, 9
    cer, wer = found["sets"]["test"]["cer"], found["sets"]["test"]["wer"]
    assert cer == {**cer, "value": round(500 / 30, 3), "n_ref": 30, "sub": 1, "del": 4, "ins": 0}
    assert wer == {**wer, "value": round(200 / 6, 3), "n_ref": 6, "sub": 1, "del": 1, "ins": 0}
    for name in ("dev", "test"):
        for metric in ("cer", "wer", "ser", "chrf"):
            entry = found["sets"][name][metric]
            assert set(entry) == {"value", "ci95", "n_ref", "sub", "del", "ins"}
            assert entry["ci95"][0] <= entry["value"] <= entry["ci95"][1]


def test_what_stands_beside_the_scores(recipe):
    score(recipe)
    found = document(recipe)
    assert found["signature"]["test"]["cer"].startswith("CER 16.7 ±")
    assert " | norm:ron-v2 | n:3 | tok:char | " in found["signature"]["test"]["cer"]
    assert found["data"]["test"] == {
        "utterances": 3,
        "speech_min": 1.5,
        "empty_references": [],
        "empty_hypotheses": 0,
    }
    assert found["training"] == {
        "set": "train",
        "speech_min": 1.5,
        "utterances": 2,
        "epochs": 7,
        "parameters": 1234,
        "cpu_s": 8.1,
        "epoch_s": 1.5,
    }
    assert found["config"]["features.upstream"] == "xls_r_300m"
    assert (
        found["versions"]["torch"] == "9.9"
        and found["commit"] == "abc123"
        and found["stages"] == {"train": 12.3}
    )
    assert found["experiment"] == {
        "tag": "main",
        "name": "main",
        "lang": "ron_Latn",
        "language": "Romanian",
        "normaliser": "ron-v2",
        "peer": False,
    }


def test_settings_are_those_trained_with(recipe):
    score(recipe, "train.lr=0.5")
    config = document(recipe)["config"]
    assert config["train.lr"] == 0.004
    assert "made.up" not in config


def test_no_path_of_this_machine_is_written(recipe, tmp_path):
    score(
        recipe,
        f"features.path={tmp_path}/model_dir",
        f"data.archive={tmp_path}/x.deb",
        f"data.dir={tmp_path}",
    )
    assert document(recipe)["config"]["features.path"] == "model_dir"
    assert document(recipe)["command"] == "./run.sh features.path=…/model_dir data.dir=…/" + tmp_path.name
    assert str(tmp_path) not in (recipe / "exp/main/score.json").read_text()


def test_table_of_utterances(recipe):
    score(recipe)
    with (recipe / "exp/main/score/test.tsv").open(encoding="utf-8", newline="") as handle:
        rows = {row["id"]: row for row in csv.DictReader(handle, delimiter="\t")}
    assert (rows["s-2"]["char_del"], rows["s-2"]["word_del"], rows["s-2"]["hyp"]) == ("4", "1", "unu trei")
    assert (recipe / "exp/main/score/test.char.ref.trn").read_text().splitlines()[
        0
    ] == "o <space> b r o a s c ă (s-1)"


def test_second_run_is_up_to_date_and_mends_a_lost_copy(recipe, capsys):
    score(recipe)
    before = document(recipe)
    (recipe / "exp/main/score.json").unlink()
    capsys.readouterr()
    assert score(recipe) == 0
    assert "up to date" in capsys.readouterr().out
    assert document(recipe) == before


def test_a_changed_hypothesis_is_scored_again(recipe):
    score(recipe)
    write_table(recipe / "exp/main/decode_dev/text", {"s-1": "o broască", "s-2": "un papagal"})
    score(recipe)
    assert document(recipe)["sets"]["dev"]["cer"]["value"] == 0.0


def test_order_of_lines_does_not_matter(recipe):
    score(recipe)
    before = document(recipe)["sets"]["test"]
    path = recipe / "exp/main/decode_test/text"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    score(recipe)
    assert document(recipe)["sets"]["test"] == before


def test_missing_hypotheses_are_named(recipe, capsys):
    write_table(recipe / "exp/main/decode_test/text", {"s-1": "o broască"})
    assert score(recipe) == 2
    message = capsys.readouterr().err
    assert "decode_test/text: no hypothesis for 2 (s-2, s-3) of 3" in message and "stage 7" in message
    assert not (recipe / "exp/main/score.json").exists()


def test_hypotheses_of_another_set_are_named(recipe, capsys):
    with (recipe / "exp/main/decode_test/text").open("a") as handle:
        handle.write("s-7 cine\n")
    assert score(recipe) == 2
    assert "without a reference in data/test/text: s-7" in capsys.readouterr().err


def test_empty_hypothesis_is_all_deletions(recipe):
    write_table(recipe / "exp/main/decode_dev/text", {"s-1": "o broască", "s-2": ""})
    score(recipe)
    assert document(recipe)["sets"]["dev"]["cer"]["del"] == 10
    assert document(recipe)["data"]["dev"]["empty_hypotheses"] == 1


def test_empty_reference_is_listed_and_not_scored(recipe, capsys):
    write_table(recipe / "data/dev/text", {"s-1": "o broască", "s-2": "…!"})
    assert score(recipe) == 0
    found = document(recipe)
    assert found["data"]["dev"]["empty_references"] == ["s-2"]
    assert found["data"]["dev"]["utterances"] == 1
    assert found["sets"]["dev"]["cer"]["value"] == 0.0 and found["sets"]["dev"]["cer"]["n_ref"] == 9
    assert "1 empty references are not scored: s-2" in capsys.readouterr().out


def test_nothing_to_score_against_is_an_error(recipe, capsys):
    write_table(recipe / "data/dev/text", {"s-1": "", "s-2": "…!"})
    assert score(recipe) == 2
    assert "data/dev/text: no utterance has a text" in capsys.readouterr().err


def test_before_decoding_it_says_which_stage_is_missing(recipe, capsys):
    (recipe / "exp/main/decode_dev/text").unlink()
    assert score(recipe) == 2
    told(capsys.readouterr().err, "stage 7 (decode)", where="exp/main/decode_dev/text")


@pytest.mark.parametrize("sets", ["[dev, dev]", "[]", "[3]"])
def test_impossible_sets_are_refused(recipe, capsys, sets):
    assert score(recipe, f"decode.sets={sets}") == 2
    assert "decode.sets: found" in capsys.readouterr().err


def test_a_set_may_have_any_name(recipe):
    """Also that of a key of score.json, which version 1 refused."""
    for folder in ("data/{}", "exp/main/decode_{}"):
        (recipe / folder.format("dev")).rename(recipe / folder.format("config"))
    assert score(recipe, "decode.sets=[config, test]") == 0
    found = document(recipe)
    assert list(found["sets"]) == ["config", "test"] and found["sets"]["config"]["cer"]["value"] == 5.263
    assert found["config"]["lang"] == "ron_Latn"


def test_the_file_has_a_version_and_a_line_a_key(recipe):
    score(recipe)
    lines = (recipe / "exp/main/score.json").read_text(encoding="utf-8").splitlines()
    found = document(recipe)
    assert found["format"] == 2 and lines[0] == "{" and lines[-1] == "}"
    assert [line.split('"')[1] for line in lines[1:-1]] == list(found)


def test_dry_run_writes_nothing(recipe):
    assert score(recipe, "--dry_run") == 0
    assert not (recipe / "exp/main/score").exists() and not (recipe / "exp/main/score.json").exists()


def test_it_is_kept_what_the_features_came_to(recipe):
    mix = {"digest": "ab", "weights": [0.25, 0.75], "from": "cat_Latn"}
    features = {
        "layers": "mix",
        "mix": mix,
        "storage": "cm1",
        "dim": 4,
        "settings": {"features.layers": "auto"},
        "upstream": {"upstream": "tiny"},
        "frame_rate": 50.0,
    }
    model = {"lang": "ron_Latn", "normaliser": "ron-v2", "tokens": {"type": "char"}, "frame_rate": 50.0}
    write_json(recipe / "exp/main/xlt.json", {**model, "features": features})
    assert score(recipe, "features.mix_from=/home/me/egs/cat") == 0
    assert document(recipe)["features"] == {"layers": "mix", "mix": mix, "storage": "cm1", "dim": 4}
    assert document(recipe)["config"]["features.mix_from"] == "cat"
    assert "/home" not in json.dumps(document(recipe))


def test_error_counts_of_each_utterance(recipe):
    score(recipe)
    counts = document(recipe)["counts"]
    # printf 's-1\ns-2\ns-3' | sha256sum; the errors are those of test_scores_of_each_set
    assert counts["test"] == {
        "ids": "dc8616eb42aba3695f0d",
        "metrics": {
            "cer": {"errors": [1, 4, 0], "n_ref": [9, 12, 9]},
            "wer": {"errors": [1, 1, 0], "n_ref": [2, 3, 1]},
        },
    }
    assert counts["dev"]["metrics"]["cer"] == {"errors": [0, 1], "n_ref": [9, 10]}
    assert "languages" not in document(recipe)  # there is one


@pytest.fixture
def joined(recipe):
    """The recipe with Romanian and Catalan joined: the normalisers differ in ş and in l·l."""
    for name, lang in (("ron", "ron_Latn"), ("cat", "cat_Latn")):
        (recipe.parent / name).mkdir()
        (recipe.parent / name / "recipe.yaml").write_text(f"lang: {lang}\n")
    (recipe / "recipe.yaml").write_text(
        "lang: mul_Zyyy\nscore: {bootstrap: 50}\ndata: {reader: recipes, sources: [../ron, ../cat]}\n"
    )
    refs = {"c-1": "Col•lega", "c-2": "un ş", "r-1": "Mulţumesc", "r-2": "o ş"}
    hyps = {"c-1": "col·lega", "c-2": "un ș", "r-1": "mulțumesc", "r-2": "un s"}
    for name in ("dev", "test"):
        write_table(recipe / "data" / name / "text", refs)
        write_table(recipe / "data" / name / "utt2dur", dict.fromkeys(refs, "30.0"))
        write_table(
            recipe / "data" / name / "utt2lang", {u: {"c": "cat_Latn", "r": "ron_Latn"}[u[0]] for u in refs}
        )
        write_table(recipe / "exp/main" / f"decode_{name}" / "text", hyps)
    write_table(recipe / "data/train/utt2lang", dict.fromkeys(("s-9", "s-8"), "ron_Latn"))
    return recipe


def test_each_utterance_is_normalised_and_scored_by_its_language(joined, capsys):
    assert score(joined) == 0
    found = document(joined)
    # Catalan: col·lega (8) is right; ş is no ș there: 1 of 4. Romanian: mulțumesc (9) is right; of "o ș" (3)
    # both letters are wrong in "un s", which has one more
    cat, ron = found["languages"]["test"]["cat_Latn"], found["languages"]["test"]["ron_Latn"]
    assert cat["cer"] == {
        **cat["cer"],
        "value": round(100 / 12, 3),
        "n_ref": 12,
        "sub": 1,
        "del": 0,
        "ins": 0,
    }
    assert ron["cer"] == {**ron["cer"], "value": 25.0, "n_ref": 12, "sub": 2, "del": 0, "ins": 1}
    assert (cat["wer"]["value"], ron["wer"]["value"]) == (round(100 / 3, 3), round(200 / 3, 3))
    assert cat["ser"]["value"] == ron["ser"]["value"] == 50.0
    assert set(cat) == set(found["sets"]["test"]) and set(found["languages"]) == {"dev", "test"}
    whole = found["sets"]["test"]["cer"]
    assert whole == {**whole, "value": round(400 / 24, 3), "n_ref": 24, "sub": 3, "ins": 1}
    assert found["counts"]["test"]["metrics"]["cer"]["errors"] == [0, 1, 0, 3]
    assert " | norm:cat-v2+ron-v2 | n:4 | " in found["signature"]["test"]["cer"]
    assert found["config"]["data.sources"] == ["ron", "cat"]
    assert "test, ron_Latn: 25.0% of characters wrong (95% interval " in capsys.readouterr().out


def test_a_changed_language_is_scored_again(joined):
    score(joined)
    path = joined / "data/test/utt2lang"
    path.write_text(path.read_text().replace("c-2 cat_Latn", "c-2 ron_Latn"))
    score(joined)
    assert document(joined)["languages"]["test"]["cat_Latn"]["cer"]["value"] == 0.0


def test_a_language_that_no_source_has(joined, capsys):
    path = joined / "data/test/utt2lang"
    path.write_text(path.read_text().replace("c-2 cat_Latn", "c-2 spa_Latn"))
    assert score(joined) == 2
    assert (
        "data/test/utt2lang: utterance 'c-2' has the language spa_Latn, expected one of ron_Latn, cat_Latn"
        in (capsys.readouterr().err)
    )


def test_sources_given_by_hand_leave_no_path(joined, tmp_path):
    assert score(joined, f"data.sources=[{tmp_path}/ron, {tmp_path}/cat]") == 0
    assert document(joined)["command"] == "./run.sh 'data.sources=[…/ron, …/cat]'"
    assert str(tmp_path) not in (joined / "exp/main/score.json").read_text()


def test_match_joins_by_id_and_names_at_most_five():
    joined = match(
        {"b": "1", "a": "2"}, {"a": "x", "b": "y"}, lambda utt, text: f"{utt}:{text}", "ref", "hyp"
    )
    assert (joined.ids, joined.pairs) == (["a", "b"], [("a:2", "a:x"), ("b:1", "b:y")])
    with pytest.raises(DataError, match=r"no hypothesis for 7 \(u0, u1, u2, u3, u4, …\)"):
        match({f"u{k}": "x" for k in range(7)}, {}, lambda utt, text: text, "ref", "hyp")
