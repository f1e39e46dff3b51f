"""Models that write, with and without a CTC head, from stage 7 to a bundle."""

import json

import numpy as np
import pytest

from tests.decode import toy_writer
from tests.decode.toy_writer import INSTEAD, NEVER
from tests.errors import told
from tests.lattices import paths_of, read
from tests.toy import WORDS, make_toy_recipe
from xlt import decode
from xlt.cli import main
from xlt.core.registry import FAMILIES
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode import ladder
from xlt.decode.recognise import Recogniser
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table

FILES = {"text", "score", "greedy", "beam", "attention", "ctm", "nbest.jsonl", "decode.json", "stage.json"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name, place in (("writers", "WRITERS"), ("deaf", "DEAF")):
            patch.setitem(FAMILIES.entries, name, f"tests.decode.toy_writer:{place}")
        recipe = make_toy_recipe(tmp_path_factory.mktemp("toy"))
        patch.chdir(recipe)
        assert main(["tokens", "--recipe", str(recipe)]) == 0
        assert main(["train", "--recipe", str(recipe), "train.family=writers"]) == 0
        assert main(["train", "--recipe", str(recipe), "train.family=deaf", "tag=deaf"]) == 0
        yield recipe


def run(stage, recipe, *settings):
    return main([stage, "--recipe", str(recipe), "train.family=writers", *settings])


def deaf(stage, recipe, *settings):
    return main([stage, "--recipe", str(recipe), "train.family=deaf", "tag=deaf", *settings])


def fusion(recipe, tag="main"):
    return json.loads((recipe / f"exp/{tag}/fusion/fusion.json").read_text())


def wrong(recipe, file, name="test"):
    """How many words of a file of decode_<set> are wrong; as many are said as are written."""
    refs = read_table(recipe / f"data/{name}/text")
    hyps = read_table(recipe / f"exp/main/decode_{name}/{file}")
    pairs = [(refs[utt].split(), hyps[utt].split()) for utt in refs]
    assert all(len(ref) == len(hyp) for ref, hyp in pairs)
    return sum(a != b for ref, hyp in pairs for a, b in zip(ref, hyp, strict=True))


def test_each_decoder_mends_what_the_other_gets_wrong(recipe, capsys):
    assert run("decode", recipe, "--force") == 0  # says what it finds on dev although another test has asked
    said = " ".join(read_table(recipe / "data/test/text").values()).split()
    assert wrong(recipe, "greedy") == wrong(recipe, "beam") == said.count("și") > 0
    assert wrong(recipe, "attention") == said.count(NEVER) > 0
    assert wrong(recipe, "text") == 0
    assert {path.name for path in (recipe / "exp/main/decode_test").iterdir()} == FILES
    found = fusion(recipe)
    assert found["method"] == "combined"
    rates = {name: rate["word"] for name, rate in found["rates"].items()}
    assert rates["oracle"] == rates["combined"] == 0.0 < min(rates["attention"], rates["beam"])
    out = capsys.readouterr().out
    assert f"{rates['attention']:.1f}% by the attention decoder, 0.0% by both together" in out
    assert "test: the attention decoder repeated itself in 12 of 12 utterances" in out
    looped = json.loads((recipe / "exp/main/decode_test/decode.json").read_text())["looped"]
    assert looped == sorted(read_table(recipe / "data/test/text"))
    assert run("decode", recipe) == 0
    assert "making" not in capsys.readouterr().out


def test_the_best_texts_with_the_scores_of_both(recipe):
    assert run("decode", recipe, "decode.lattices=true") == 0
    folder = recipe / "exp/main/decode_test"
    weights = fusion(recipe)["combination"]["weights"]
    for row in map(json.loads, (folder / "nbest.jsonl").read_text(encoding="utf-8").splitlines()):
        for one in row["nbest"]:
            acoustic = weights["ctc"] * one["ctc"] + weights["attention"] * one["attention"]
            assert one["acoustic"] == pytest.approx(acoustic, abs=1e-3)
            assert one["score"] == pytest.approx(one["acoustic"] + one["lm"], abs=1e-3)
        scores = [one["score"] for one in row["nbest"]]
        assert scores == sorted(scores, reverse=True)
        found = paths_of(read(folder / "lattices" / f"{row['id']}.slf"))
        assert {" ".join(words) for words in found} == {one["text"] for one in row["nbest"]}
        for one in row["nbest"]:
            assert sum(found[tuple(one["text"].split())]) == pytest.approx(one["score"], abs=0.01)


def test_times_and_confidences_of_words(recipe):
    assert run("decode", recipe) == 0
    texts, rows = read_table(recipe / "exp/main/decode_test/text"), {}
    for line in (recipe / "exp/main/decode_test/ctm").read_text(encoding="utf-8").splitlines():
        utt, _, *row = line.split(" ")
        rows.setdefault(utt, []).append(row)
    for utt, text in texts.items():
        assert [row[2] for row in rows[utt]] == text.split()
        place = 0.0
        for start, length, word, sure in rows[utt]:  # each letter takes 0.1 s
            assert float(start) == pytest.approx(place, abs=0.05)
            assert float(length) == pytest.approx(0.1 * len(word) - 0.08, abs=0.03)  # in the first 0.02 s
            assert 0 < float(sure) < 1
            place += 0.1 * (len(word) + 1)


def test_what_is_given_is_not_tuned(recipe):
    given = "{rule: mbr, scale: 2.0, weights: {attention: 1.0}}"
    assert run("decode", recipe, "tag=main", "decode.method=combined", f"decode.combination={given}") == 0
    said = " ".join(read_table(recipe / "data/test/text").values()).split()
    assert wrong(recipe, "text") == 0 < said.count(NEVER)  # the candidate of CTC, scored by attention alone
    assert json.loads((recipe / "exp/main/decode_test/decode.json").read_text())["method"] == "combined"


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        ("{rule: vote}", "vote"),
        ("{rules: best}", "rules"),
        ("{weights: {ctc: 1.0, attn: 1.0}}", "weights"),
        ("{weights: {ctc: a}}", "numbers"),
        ("{weights: {ctc: 1.0, lm: [1.0]}}", 1),
        ("{weights: {ctc: 1.0}, scale: 0.0}", "scale"),
    ],
)
def test_combinations_that_cannot_be(recipe, capsys, given, fact):
    assert run("decode", recipe, "decode.method=combined", f"decode.combination={given}") == 2
    error = told(capsys.readouterr().err, fact)
    assert error.where.startswith("decode.combination=")


def test_an_interrupted_run_goes_on(recipe, monkeypatch):
    assert run("decode", recipe) == 0
    folder = recipe / "exp/main/decode_test"
    before = {name: (folder / name).read_bytes() for name in FILES - {"decode.json", "stage.json"}}
    original, calls = Recogniser.__call__, []

    def stop_later(self, *args, **more):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, *args, **more)

    monkeypatch.setattr(decode, "batches", lambda utts, frames, method: ([u] for u in utts))
    again = ("decode", recipe, "--force", "decode.sets=[test]")
    with monkeypatch.context() as patch:
        patch.setattr(Recogniser, "__call__", stop_later)
        assert run(*again) == 130
    (folder.parent / ".decode_test.partial/hypotheses.jsonl").read_text().splitlines()[1]  # two are there
    assert run(*again) == 0
    assert before == {name: (folder / name).read_bytes() for name in before}


def test_a_bundle_decodes_as_stage_7_does(recipe, tmp_path):
    assert run("decode", recipe) == 0
    assert run("bundle", recipe, "bundle.with_upstream=false") == 0
    bundle = recipe / "exp/main/bundle"
    stored = json.loads((bundle / "bundle.json").read_text())
    assert stored["decode"]["method"] == "combined"
    assert stored["decode"]["combination"] == fusion(recipe)["combination"]
    assert stored["confidence"] == fusion(recipe)["confidence"]
    recogniser = Recogniser(bundle, from_json(DecodeConfig, "decode", stored["decode"], "bundle.json"))
    feats = FeatureReader(recipe / "dump/whisper_base/test/feats.scp")
    for utt, text in read_table(recipe / "exp/main/decode_test/text").items():
        (found,) = recogniser([feats[utt]])
        assert (found.text, found.parts["beam"]) == (text, text.replace("ș", "s"))
    utt, text = next((u, t) for u, t in read_table(recipe / "data/test/text").items() if "și" in t)
    (found,) = recogniser([feats[utt]], hotwords={"si": 9.0})
    assert found.text == text.replace("și", "si")


def test_one_decoder_alone_where_it_is_better_on_dev(recipe, tmp_path, monkeypatch, capsys):
    """It knows all words, and the weights take the worst text of each list."""
    monkeypatch.setattr(toy_writer, "KNOWN", WORDS)
    monkeypatch.setattr(ladder, "held_out", lambda lists, prior, strength: -np.tile(prior, (12, 1)))
    alone = ("decode", recipe, "tag=alone")
    assert run("train", recipe, "tag=alone") == 0 and run(*alone) == 0
    folder = recipe / "exp/alone/decode_test"
    assert "alone, attention is better on dev than combined" in capsys.readouterr().out
    assert fusion(recipe, "alone")["method"] == "attention"
    assert json.loads((folder / "decode.json").read_text())["method"] == "attention"
    assert {path.name for path in folder.iterdir()} == FILES - {"beam", "attention"}
    assert read_table(folder / "text") == read_table(recipe / "data/test/text")
    assert all(len(line.split()) == 6 for line in (folder / "ctm").read_text().splitlines())  # calibrated
    listed = tmp_path / "names.txt"
    listed.write_text("mere si\n")
    assert run(*alone, f"decode.hotwords={listed}") == 0  # which it cannot prefer
    assert json.loads((folder / "decode.json").read_text())["method"] == "combined"
    capsys.readouterr()
    assert run(*alone, f"decode.hotwords={listed}", "decode.method=attention") == 2
    told(capsys.readouterr().err, "decode.method=attention", where="decode.hotwords")
    assert run("decode", recipe, "tag=alone", "--force", "decode.method=combined") == 0  # as asked
    assert json.loads((folder / "decode.json").read_text())["method"] == "combined"


def test_a_model_without_ctc_is_decoded_by_attention(recipe, capsys):
    assert deaf("decode", recipe) == 0
    folder = recipe / "exp/deaf/decode_test"
    assert {path.name for path in folder.iterdir()} == FILES - {"greedy", "beam", "attention", "ctm"}
    assert json.loads((folder / "decode.json").read_text())["method"] == "attention"
    refs = read_table(recipe / "data/test/text")
    assert read_table(folder / "text") == {u: t.replace(NEVER, INSTEAD) for u, t in refs.items()}
    assert not (recipe / "exp/deaf/fusion").exists()
    for setting, where in (("decode.lattices=true", "decode.lattices"), ("decode.method=combined", None)):
        capsys.readouterr()
        assert deaf("decode", recipe, setting) == 2
        told(capsys.readouterr().err, "CTC", where=where)


def test_hotwords(recipe, tmp_path, capsys):
    listed = tmp_path / "names.txt"
    listed.write_text("mere si\n")
    assert run("decode", recipe, f"decode.hotwords={listed}", "decode.hotword_weight=9") == 0
    refs = read_table(recipe / "data/test/text")
    assert (
        read_table(recipe / "exp/main/decode_test/text")
        == {utt: text.replace("mere și", "mere si") for utt, text in refs.items()}
        != refs
    )
    assert deaf("decode", recipe, f"decode.hotwords={listed}") == 2
    told(capsys.readouterr().err, "CTC", where="decode.hotwords")
