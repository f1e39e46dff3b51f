"""report.html where models were trained: utterances to hear, to list and to compare, and the trainings."""

import json
import re

import numpy as np
import pytest
import soundfile

from tests.errors import told
from tests.pages import Reader
from tests.report import beside
from tests.report.documents import document
from xlt.cli import main
from xlt.report import page, utterances
from xlt.report.benchmark import read_all
from xlt.report.words import of_recipe


def shown(recipe):
    return page.render(recipe.parent, recipe.parent / "report")


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" class="data">(.*?)</script>', text)[1])


def table(text, kind):
    """Cells of the utterances of a kind, without their marks."""
    part = text.split(f" {kind}</summary>")[1].split("</table>")[0]
    return [
        [re.sub(r"\s+", " ", re.sub("<[^>]+>", "", cell)).strip() for cell in re.findall(r"<td.*?</td>", row)]
        for row in part.split("<tr>")[2:]
    ]


def test_the_worst_the_median_and_the_best_with_their_sounds(results):
    text = shown(beside.both(results))
    assert Reader(text).open == []
    assert table(text, "worst") == [
        ["20.0", "0.5 s", "un ou", "un au", "s-2"],
        ["0.0", "0.5 s", "abcd", "abcd", "s-1"],
        ["0.0", "no sound", "da", "da", "s-3"],
    ]
    assert [row[-1] for row in table(text, "best")] == [
        "s-1",
        "s-3",
        "s-2",
    ]  # without errors the longest first
    links = {a["href"] for tag, a in Reader(text).elements if a.get("class") == "play"}
    assert links == {"../ron/data/all/wav/s-1.wav", "../ron/data/all/wav/s-2.wav"}
    assert "Without a player: 1 (the file is missing: 1)." in text


def test_sound_that_browsers_do_not_play_is_copied_beside_the_page(results):
    recipe = beside.both(results)
    for path in (recipe / "data/all/wav").iterdir():
        soundfile.write(path, np.zeros(8000), 16000, format="AIFF")
    old = recipe.parent / "report/sound/9.flac"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of an earlier page")
    assert main(["report", str(recipe.parent)]) == 0
    text = (recipe.parent / "report/report.html").read_text(encoding="utf-8")
    links = {a["href"] for tag, a in Reader(text).elements if a.get("class") == "play"}
    assert links == {"sound/1.flac", "sound/2.flac"}
    assert {path.name for path in old.parent.iterdir()} == {"1.flac", "2.flac"}


def test_all_utterances_and_pairs_are_in_the_page(results):
    found = data_of(shown(beside.both(results)))
    assert [tag for tag, _ in found["runs"]] == ["ours", "theirs"] and found["texts"] == [0, 1]
    assert found["rows"] == [
        ["s-2", "ss-2", 0.5, "../ron/data/all/wav/s-2.wav", "un ou", 5]
        + [[[1, ["", "un ", "-", "o", "+", "a", "", "u"]], [0]]],
        ["s-1", "ss-1", 0.5, "../ron/data/all/wav/s-1.wav", "abcd", 4]
        + [[[0], [1, ["", "ab", "-", "c", "+", "x", "", "d"]]]],
        ["s-3", "ss-3", 0.5, None, "da", 2, [[0], [0]]],
    ]
    # one error each: the rates are the same, and the test says so
    lines = found["pairs"]["0 1"]
    assert lines[0].startswith("CER: A 9.1%, B 9.1%; B makes as many errors in all.")
    assert lines[-1] == "Of 3 utterances, B has fewer errors in characters in 1, more in 1, as many in 1."


def test_loss_and_error_rates_by_epoch(results):
    text = shown(beside.both(results))
    part = text.split("<h3>Training, epoch by epoch</h3>")[1]
    assert re.findall(r"<title>(.*?)</title>", part) == [
        "epoch 1: loss in training 9",
        "epoch 2: loss in training 4.5",
        "epoch 1: loss on dev 8",
        "epoch 2: loss on dev 4",
        "epoch 1: CER of CTC on dev 50",
        "epoch 2: CER of CTC on dev 25",
    ]


def test_rates_of_other_families_are_percent_already(results):
    recipe = results(document("w", **{"train.family": "whisper_ed"})).parent
    beside.history(recipe, "w", [{"epoch": k, "loss_ctc": 1.0, "cer": 8.0, "note": "x"} for k in (1, 2)])
    assert "epoch 2: CER on dev 8<" in shown(recipe)


def test_a_page_that_may_be_published_has_nothing_of_it(results, tmp_path):
    recipe = beside.both(results)
    text = page.render(recipe.parent)
    for part in ("s-2", "wav", "epoch by epoch", "media-src", "ss-1"):
        assert part not in text
    found = data_of(text)  # the pairs are of results/ alone
    assert found["rows"] == [] and "0 1" in found["pairs"]
    assert main(["report", str(recipe.parent), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/report.html").read_text(encoding="utf-8") == text
    assert main(["report", str(recipe.parent)]) == 0
    assert "wav/s-2.wav" in (recipe.parent / "report/report.html").read_text(encoding="utf-8")


def test_scores_that_are_not_those_of_the_result_are_not_shown(results):
    recipe = beside.both(results)
    path = recipe / "exp/ours/score/test.tsv"
    path.write_text(path.read_text().replace("\t5\t1\t", "\t5\t2\t"))  # scored again since
    text = shown(recipe)
    assert "as exp/ holds other scores than results/: ours; run stage 9 (report) of them again." in text
    assert data_of(text)["texts"] == [1] and "by CER: theirs" in text


@pytest.mark.parametrize("left", ["", "id\tref\thyp\n", "id\tchar_n_ref\ns-1\t4\ns-2\ns-3\n"])
def test_tables_that_were_cut_are_not_shown(results, left):
    recipe = beside.both(results)
    (recipe / "exp/ours/score/test.tsv").write_text(left)
    assert data_of(shown(recipe))["texts"] == [1]


def test_tables_that_are_no_text_are_named(results, capsys):
    recipe = beside.both(results)
    path = recipe / "exp/ours/score/test.tsv"
    path.write_bytes(b"id\xff\n")
    assert main(["report", str(recipe.parent)]) == 2
    told(capsys.readouterr().err, "stage 8", where=str(path))


def test_large_sets_are_bounded_and_it_is_told(results, monkeypatch):
    monkeypatch.setattr(utterances, "MOST_ROWS", 2)
    text = shown(beside.both(results))
    assert [row[0] for row in data_of(text)["rows"]] == ["s-2", "s-1"]
    assert (
        "Listed are the 2 utterances with the highest rates of 3; all stand in exp/ours/score/test.tsv."
        in text
    )
    monkeypatch.setattr(utterances, "MOST_TEXTS", 4)  # in two recipes of two models: one utterance each
    text = shown(beside.both(lambda *made: results(*made, recipe="x")))
    assert len(data_of(text)["rows"]) == 1


def test_at_most_so_many_models_are_compared(results, monkeypatch):
    monkeypatch.setattr(utterances, "MOST_RUNS", 1)
    text = shown(beside.both(results))
    assert [tag for tag, _ in data_of(text)["runs"]] == ["ours"]
    assert "1 further models compare with these" in text


def test_a_strangers_words_stay_words(results):
    evil = "</script><img src=x onerror=alert(1)>\u202egnp"
    recipe = results(beside.result("ours", [1], ids=[evil], chars=[4], words=[1])).parent
    beside.scored(recipe, "ours", [(evil, evil, f"b{evil}")], [1], [4], [1])
    beside.data(recipe, ids=["s-1"])
    text = shown(recipe)
    assert "<img src=x" not in text and "\u202e" not in text and Reader(text).open == []
    assert data_of(text)["rows"][0][0] == evil.replace("\u202e", "U+202E")


def sentences(results, *documents):
    recipe = results(*documents).parent
    return of_recipe(read_all(recipe.parent)["ron"], "test")


def test_figures_in_words(results):
    # 100 words: 1 substituted, 2 deleted; the peer's 58.5 errors in 100 are 27 after 54% fewer
    assert sentences(results, document("main"), document("peer", cer=19.5, peer="Whisper-base")) == [
        "Of 100 words in the test recordings, main gets 97 right.",
        "Wrong, missing and added words together are 27 in 100 (95% interval 26 to 28; 2 recordings, 1.5"
        " minutes).",
        "It learned from 9.9 minutes of transcribed speech.",
        "For comparison, Whisper-base: 58 errors in 100 words; main makes 54% fewer (no paired test: there"
        " are no counts by utterance).",
    ]


def test_figures_in_words_say_whose_voices(results):
    made = document("main")
    made["data"]["test"] = made["data"]["test"] | {"voices": "new voices"}
    assert (
        sentences(results, made)[2]
        == "This set has new voices: none of its speakers is in the training speech."
    )


def test_figures_in_words_with_the_paired_test(results):
    # each of 30 utterances of 10 characters, 2 words has 2 errors, then 1: every resample says half as many;
    # p = 2 / 10,001
    sizes = {"ids": [f"u{k}" for k in range(30)], "chars": [10] * 30, "words": [2] * 30}
    peer = beside.result("peer", [2] * 30, **sizes)
    peer["experiment"] |= {"peer": True, "describe": "Whisper-base"}
    said = sentences(results, beside.result("main", [1] * 30, **sizes), peer)
    assert said[0] == "Of 100 words in the test recordings, main gets 50 right."
    assert said[-1] == (
        "For comparison, Whisper-base: 100 errors in 100 words; main makes 50% fewer errors (95% interval 50"
        " to 50%, p 0.0002)."
    )


def test_all_languages_in_words(results):
    results(document("main"), document("peer", peer="Whisper-base"))
    worse = document("main", lang=("cat_Latn", "Catalan"))
    worse["test"]["wer"] |= {"sub": 20, "del": 10}
    root = results(worse, recipe="cat").parent.parent
    (said,) = re.findall(r'<p class="result">(.*?)</p>', page.render(root).split("</header>")[0])
    assert said == (
        "Of 100 words in the test recordings, the main model of each language gets between 70 and 97 (median"
        " 84) right: least in Catalan, most in Romanian. For comparison, Whisper-base: 97, in 1 of the 2"
        " languages."
    )


@pytest.mark.parametrize("damaged", ["[{}]", '{"epoch": 1}', "[1]", "x"])
def test_a_damaged_history_is_named(results, damaged, capsys):
    recipe = beside.both(results)
    (recipe / "exp/ours/history.json").write_text(damaged)
    assert main(["report", str(recipe.parent)]) == 2
    told(capsys.readouterr().err, "not a history of stage 6", where=str(recipe / "exp/ours/history.json"))
