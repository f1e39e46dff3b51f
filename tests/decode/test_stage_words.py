"""Words with times and confidences, and hotwords, in stage 7."""

import json

import pytest

from tests.errors import told
from tests.lattices import paths_of, read
from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.formats.tables import read_table

pytestmark = pytest.mark.trains
LM = ["lm.type=ngram", "lm.words=none"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    recipe = make_toy_recipe(tmp_path_factory.mktemp("toy"))
    base = ["--recipe", str(recipe), "train.max_epochs=20", "train.lr=0.01", "train.batch_s=6"]
    for stage in ("tokens", "lm", "train"):
        assert main([stage, *base, "train.num_masks=0", *LM]) == 0
    return recipe


def decode(recipe, *settings):
    return main(["decode", "--recipe", str(recipe), *LM, *settings])


def ctm(recipe, name="test"):
    """``{utterance: rows}`` of decode_<name>/ctm."""
    rows = {}
    for line in (recipe / f"exp/main/decode_{name}/ctm").read_text(encoding="utf-8").splitlines():
        utt, channel, *row = line.split(" ")
        assert channel == "1"
        rows.setdefault(utt, []).append(row)
    return rows


def test_a_line_a_word_in_order_of_time(recipe):
    assert decode(recipe, "decode.method=beam") == 0
    texts = read_table(recipe / "exp/main/decode_test/text")
    durations = read_table(recipe / "data/test/utt2dur")
    rows = ctm(recipe)
    assert {utt: [row[2] for row in rows.get(utt, [])] for utt in texts} == {
        utt: text.split() for utt, text in texts.items()
    }
    for utt, words in rows.items():
        starts = [float(start) for start, *_ in words]
        ends = [float(start) + float(length) for start, length, *_ in words]
        assert all(a <= b + 0.011 for a, b in zip(ends, starts[1:], strict=False))
        assert 0 <= starts[0] and ends[-1] <= float(durations[utt]) + 0.02
        assert all(0 < float(sure) < 1 for *_, sure in words)
    # each letter was held for 5 frames of 0.02 s, so that a word of n letters takes 0.1 n s, give or take
    right = read_table(recipe / "data/test/text")
    found = next(utt for utt in texts if texts[utt] == right[utt])
    place = 0.0
    for word, (start, length, *_) in zip(right[found].split(), rows[found], strict=True):
        assert float(start) == pytest.approx(place, abs=0.11)
        assert float(start) + float(length) == pytest.approx(place + 0.1 * len(word), abs=0.11)
        place += 0.1 * (len(word) + 1)


def test_confidences_are_calibrated_on_dev(recipe):
    assert decode(recipe, "decode.method=beam") == 0
    fusion = json.loads((recipe / "exp/main/fusion/fusion.json").read_text())
    words = sum(len(text.split()) for text in read_table(recipe / "exp/main/decode_dev/text").values())
    assert fusion["confidence"]["words"] == words
    before = ctm(recipe)
    # with weights of the settings nothing is tuned, and nothing calibrated
    weights = [f"decode.lm_weight={fusion['lm_weight']}", f"decode.length_bonus={fusion['length_bonus']}"]
    assert decode(recipe, "decode.method=beam", *weights) == 0
    after = ctm(recipe)
    assert {utt: [row[:3] for row in rows] for utt, rows in before.items()} == {
        utt: [row[:3] for row in rows] for utt, rows in after.items()
    }
    assert before != after


def test_a_lattice_of_each_utterance(recipe, capsys):
    assert decode(recipe, "decode.method=beam", "decode.lattices=true") == 0
    folder = recipe / "exp/main/decode_test"
    texts = read_table(folder / "text")
    assert {path.name for path in (folder / "lattices").iterdir()} == {f"{utt}.slf" for utt in texts}
    nbest = map(json.loads, (folder / "nbest.jsonl").read_text(encoding="utf-8").splitlines())
    for row in nbest:
        found = paths_of(read(folder / "lattices" / f"{row['id']}.slf"))
        # each text once, with the score of the best way to write it
        assert {" ".join(words) for words in found} == {one["text"] for one in row["nbest"]}
        for one in row["nbest"]:
            assert sum(found[tuple(one["text"].split())]) == pytest.approx(one["score"], abs=0.01)
    assert decode(recipe, "decode.method=greedy", "decode.lattices=true") == 2
    told(capsys.readouterr().err, "decode.method=greedy", where="decode.lattices")


def test_greedy_words_have_no_confidence(recipe):
    assert decode(recipe, "decode.method=greedy") == 0
    assert all(len(row) == 3 for rows in ctm(recipe).values() for row in rows)


def test_hotwords_make_the_sets_again_and_leave_the_weights(recipe, tmp_path, capsys):
    listed = tmp_path / "names.txt"
    listed.write_text("Mere\npere ana\n")
    assert decode(recipe) == 0
    capsys.readouterr()
    assert decode(recipe, f"decode.hotwords={listed}", "decode.hotword_weight=1") == 0
    printed = capsys.readouterr().out
    assert "exp/main/fusion is up to date" in printed and "decode.hotwords" in printed
    assert json.loads((recipe / "exp/main/decode_test/decode.json").read_text())["method"] == "beam"
    listed.write_text("Mere\n")
    assert decode(recipe, f"decode.hotwords={listed}", "decode.hotword_weight=1") == 0
    assert "names.txt" in capsys.readouterr().out
    assert decode(recipe, f"decode.hotwords={listed}", "decode.hotword_weight=1") == 0
    assert "making" not in capsys.readouterr().out


def test_hotwords_that_cannot_be_used(recipe, tmp_path, capsys):
    listed = tmp_path / "names.txt"
    listed.write_text("mere\nWürzburg\n")
    assert main(["lm", "--recipe", str(recipe), *LM, f"decode.hotwords={listed}"]) == 2  # before training
    told(capsys.readouterr().err, "ü", "w", where="names.txt:2")
    assert decode(recipe, f"decode.hotwords={listed}") == 2
    told(capsys.readouterr().err, "ü", "w", where="names.txt:2")
    assert decode(recipe, f"decode.hotwords={tmp_path / 'none.txt'}") == 2
    told(capsys.readouterr().err, "none.txt", where="decode.hotwords")
    listed.write_text("mere\n")
    assert decode(recipe, f"decode.hotwords={listed}", "decode.method=greedy") == 2
    told(capsys.readouterr().err, "decode.method=greedy", where="decode.hotwords")


def test_hotwords_without_a_language_model_are_decoded_by_a_beam(recipe, tmp_path):
    listed = tmp_path / "names.txt"
    listed.write_text("mere\n")
    assert decode(recipe, "lm.type=none", f"decode.hotwords={listed}") == 0
    assert json.loads((recipe / "exp/main/decode_test/decode.json").read_text())["method"] == "beam"
    assert all(len(row) == 4 for rows in ctm(recipe).values() for row in rows)
