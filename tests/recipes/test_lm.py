"""Language models through stages 5 to 10 of the toy recipe."""

import functools
import json
import shutil

import editdistance
import pytest

from tests.errors import told
from tests.lm.test_kenlm import FIXTURES
from tests.toy import make_toy_recipe
from xlt import lm
from xlt.cli import main
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table, write_table

pytestmark = pytest.mark.trains

MODEL = ["lm.type=ngram", "lm.words=none"]
SMALL = ["score.bootstrap=50", "bundle.with_upstream=false"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A recipe with a model that is often wrong, greedily."""
    recipe = make_toy_recipe(tmp_path_factory.mktemp("toy"), train=24, held_out=6)
    words = ["train.max_epochs=25", "train.lr=0.01", "train.batch_s=4", "train.num_masks=0"]
    for stage in ("tokens", "train"):
        assert main([stage, "--recipe", str(recipe), *words]) == 0
    return recipe


@pytest.fixture
def recipe(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "toy")


def run(recipe, stages, *settings):
    """Exit status of the first stage that fails, 0 if none does."""
    for stage in stages.split():
        if status := main([stage, "--recipe", str(recipe), *MODEL, *SMALL, *settings]):
            return status
    return 0


def texts(recipe, name="test", table="text", tag="main"):
    rows = read_table(recipe / f"exp/{tag}/decode_{name}/{table}")
    return {utt: " ".join(text.split()) for utt, text in rows.items()}


def document(path):
    return json.loads(path.read_text(encoding="utf-8"))


def rate(refs, hyps, cut=list):
    """Errors in percent."""
    errors = sum(editdistance.eval(cut(refs[utt]), cut(hyps[utt])) for utt in refs)
    return 100 * errors / sum(len(cut(ref)) for ref in refs.values())


def from_bundle(recipe, name="test"):
    """What the bundle makes of the features of a set."""
    from xlt.bundle.manifest import LM, read_manifest
    from xlt.decode.recognise import Recogniser

    bundle = recipe / "exp/main/bundle"
    manifest = read_manifest(bundle)
    decode = from_json(DecodeConfig, "decode", manifest["decode"], "bundle.json")
    load = functools.partial(lm.load, bundle / LM, manifest.get("lm", lm.NONE))
    recogniser = Recogniser(bundle, decode, load)
    reader = FeatureReader(recipe / f"dump/whisper_base/{name}/feats.scp", recipe)
    return {utt: " ".join(recogniser([reader[utt]])[0].text.split()) for utt in reader}


def test_from_the_language_model_to_the_bundle(recipe, capsys):
    assert run(recipe, "decode", "decode.method=greedy") == 0
    greedy = texts(recipe)
    assert run(recipe, "lm decode score report bundle") == 0
    refs, hyps = read_table(recipe / "data/test/text"), texts(recipe)
    assert texts(recipe, table="greedy") == greedy
    assert rate(refs, hyps) < rate(refs, greedy)  # six words of two letters and more, in every order
    scores = read_table(recipe / "exp/main/decode_test/score")
    rows = [json.loads(line) for line in (recipe / "exp/main/decode_test/nbest.jsonl").open()]
    assert [row["id"] for row in rows] == list(hyps)
    for row in rows:
        first, *others = row["nbest"]
        assert first["text"] == hyps[row["id"]]
        assert first["score"] == pytest.approx(float(scores[row["id"]]), abs=1e-3)
        assert all(
            one["score"] == pytest.approx(one["acoustic"] + one["lm"], abs=1e-3) for one in row["nbest"]
        )
        assert all(one["score"] <= first["score"] for one in others)
        assert len({one["text"] for one in row["nbest"]}) == len(row["nbest"])

    score = document(recipe / "exp/main/score.json")
    change = score["greedy"]["test"]
    assert change["cer"]["before"]["value"] == pytest.approx(rate(refs, greedy), abs=0.01)
    assert change["cer"]["after"]["value"] == pytest.approx(rate(refs, hyps), abs=0.01)
    assert change["wer"]["before"]["value"] == pytest.approx(rate(refs, greedy, str.split), abs=0.01)
    assert change["cer"]["after"]["value"] == score["sets"]["test"]["cer"]["value"]
    fusion = document(recipe / "exp/main/fusion/fusion.json")
    dev = read_table(recipe / "data/dev/text")
    assert fusion["method"] == "beam" and fusion["utterances"] == 6
    assert fusion["greedy"]["char"] == pytest.approx(rate(dev, texts(recipe, "dev", "greedy")), abs=0.01)
    assert fusion["best"]["char"] <= fusion["greedy"]["char"]
    assert score["lm"]["fusion"]["lm_weight"] == fusion["lm_weight"] == fusion["best"]["lm_weight"]
    assert score["lm"]["unit"] == "char" and score["lm"]["dev"]["words"] == sum(
        len(text.split()) for text in dev.values()
    )
    page = (recipe / "RESULTS.md").read_text(encoding="utf-8")
    assert "## Language models" in page and "beam + char LM" in page
    assert from_bundle(recipe) == hyps
    said = capsys.readouterr().out
    assert "perplexity of dev" in said and "with the language model (weight" in said

    assert run(recipe, "lm decode score report bundle") == 0
    assert capsys.readouterr().out.count("is up to date") >= 7  # lm, fusion, two sets, score, report, bundle


def test_no_language_model(recipe, capsys):
    assert run(recipe, "lm decode score report bundle", "lm.type=none") == 0
    folder = recipe / "exp/main"
    assert not (recipe / "exp/lm").exists() and not (folder / "fusion").exists()
    assert not (folder / "decode_test/greedy").exists() and not (folder / "decode_test/nbest.jsonl").exists()
    score = document(folder / "score.json")
    assert "greedy" not in score and "lm" not in score
    assert "## Language models" not in (recipe / "RESULTS.md").read_text()
    assert not (folder / "bundle/lm").exists() and from_bundle(recipe) == texts(recipe)
    assert run(recipe, "decode", "lm.type=none", "decode.method=greedy") == 0
    assert "decode_test is up to date" in capsys.readouterr().out


def test_decoding_before_stage_5_names_it(recipe, capsys):
    assert run(recipe, "decode") == 2
    told(capsys.readouterr().err, "stage 5 (lm)", where="exp/lm/main")


def test_another_language_model_makes_everything_again(recipe, capsys):
    assert run(recipe, "lm decode", "lm.order=2") == 0
    capsys.readouterr()
    assert run(recipe, "lm decode", "lm.order=5") == 0
    said = capsys.readouterr().out
    assert "making exp/main/fusion again" in said and "making exp/main/decode_test again" in said
    assert document(recipe / "exp/lm/main/lm.json")["parts"][0]["order"] == 5


@pytest.mark.parametrize("place", ["xlt.lm.build.Builder.mixture", "xlt.decode.tuning.tune"])
def test_a_killed_stage_is_made_anew(recipe, monkeypatch, place, capsys):
    def killed(*args, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, killed)
        assert run(recipe, "lm decode", "decode.sets=[test]") == 130
    assert not (recipe / "exp/main/decode_test").exists() and not (recipe / "exp/main/fusion").exists()
    assert run(recipe, "lm decode", "decode.sets=[test]") == 0
    resumed = texts(recipe)
    assert run(recipe, "lm decode", "decode.sets=[test]", "--force") == 0
    assert texts(recipe) == resumed


def test_a_killed_search_goes_on_with_its_n_best(recipe, monkeypatch):
    from xlt import decode
    from xlt.decode.recognise import Recogniser

    one_set = ["decode.sets=[test]"]
    assert run(recipe, "lm decode", *one_set) == 0
    folder = recipe / "exp/main/decode_test"
    whole = {name: (folder / name).read_text() for name in ("text", "greedy", "nbest.jsonl", "score", "ctm")}
    monkeypatch.setattr(decode, "batches", lambda utts, frames, method: ([u] for u in utts))
    original, calls = Recogniser.__call__, []

    def stop_later(self, inputs, *args, **more):
        calls.append(len(inputs))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, inputs, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Recogniser, "__call__", stop_later)
        assert main(["decode", "--recipe", str(recipe), *MODEL, *one_set, "--force"]) == 130
    assert not folder.exists() or (folder / "text").read_text() == whole["text"]
    partial = recipe / "exp/main/.decode_test.partial/hypotheses.jsonl"
    assert len(partial.read_text().splitlines()) == 3
    calls.clear()
    assert run(recipe, "decode", *one_set) == 0
    assert {name: (folder / name).read_text() for name in whole} == pytest.approx(whole)


def test_greedy_is_kept_where_no_weight_is_better(recipe, capsys):
    """A model that knows one word, with a weight that nothing else can stand up to."""
    write_table(recipe / "data/train/text", {f"u{i}": "aaaaaaaa" for i in range(3)})
    fixed = ["decode.lm_weight=30", "decode.sets=[dev, test]"]
    assert run(recipe, "lm decode score report bundle", *fixed) == 0
    assert "no weight of the language model is better than greedy" in capsys.readouterr().out
    fusion = document(recipe / "exp/main/fusion/fusion.json")
    assert fusion["method"] == "greedy" and fusion["best"] is None
    assert fusion["least_bad"]["char"] > fusion["greedy"]["char"]
    assert not (recipe / "exp/main/decode_test/greedy").exists()
    assert "greedy was better on dev" in (recipe / "RESULTS.md").read_text()
    kept = texts(recipe)
    assert from_bundle(recipe) == kept and not (recipe / "exp/main/bundle/lm").exists()
    assert run(recipe, "decode", *fixed, "decode.method=greedy") == 0
    assert texts(recipe) == kept
    assert run(recipe, "decode", *fixed, "decode.method=beam") == 0  # asked for, it is used
    assert texts(recipe) != kept
    assert "it is used as decode.method asks for it" in capsys.readouterr().out


def test_given_weights_are_used_as_they_are(recipe):
    given = ["decode.lm_weight=0.5", "decode.length_bonus=1", "decode.sets=[test]"]
    assert run(recipe, "lm decode score report bundle", *given, "decode.method=beam") == 0
    assert not (recipe / "exp/main/fusion").exists()
    found = document(recipe / "exp/main/score.json")["lm"]["fusion"]
    assert found == {"method": "beam", "lm_weight": 0.5, "length_bonus": 1.0}
    assert "0.5; 1" in (recipe / "RESULTS.md").read_text()
    assert from_bundle(recipe) == texts(recipe)
    again = texts(recipe)
    assert run(recipe, "decode", *given) == 0  # auto: where all is given, nothing is tried
    assert texts(recipe) == again


@pytest.mark.parametrize("unit", ["word", "char"])
def test_units(recipe, unit):
    assert run(recipe, "lm decode score", f"lm.unit={unit}", "decode.sets=[test]") == 0
    refs = read_table(recipe / "data/test/text")
    assert rate(refs, texts(recipe)) < rate(refs, texts(recipe, table="greedy"))
    assert document(recipe / "exp/main/score.json")["lm"]["unit"] == unit


def arpa(recipe, cut, order):
    from xlt.lm.arpa import write_arpa
    from xlt.lm.estimate import estimate

    model = estimate([cut(text) for text in read_table(recipe / "data/train/text").values()], order)
    write_arpa(model, recipe / "own.arpa")
    return recipe / "own.arpa"


@pytest.mark.parametrize(
    ("unit", "cut"),
    [("word", str.split), ("char", lambda text: ["<space>" if c == " " else c for c in text])],
)
def test_a_model_of_one_s_own(recipe, unit, cut):
    path = arpa(recipe, cut, 3)
    assert run(recipe, "lm decode score report bundle", f"lm.model={path}", "decode.sets=[dev, test]") == 0
    assert document(recipe / "exp/lm/main/lm.json")["model"]["unit"] == unit
    fusion = document(recipe / "exp/main/fusion/fusion.json")
    assert len(fusion["lm_weight"]) == 2
    hyps = texts(recipe)
    path.unlink()  # the bundle has a copy
    assert from_bundle(recipe) == hyps


def test_a_binary_of_kenlm(recipe):
    model = f"lm.model={FIXTURES / 'letters.binary'}"
    assert run(recipe, "lm decode bundle", model, "decode.sets=[dev, test]") == 0
    assert len(document(recipe / "exp/main/fusion/fusion.json")["lm_weight"]) == 2
    assert from_bundle(recipe) == texts(recipe)


def test_a_model_of_other_letters_is_refused_before_decoding(recipe, capsys):
    from xlt.lm.arpa import write_arpa
    from xlt.lm.estimate import estimate

    write_arpa(estimate([list("мама мыла раму")], 2), recipe / "other.arpa")
    assert run(recipe, "lm", f"lm.model={recipe / 'other.arpa'}") == 2
    told(capsys.readouterr().err, where="lm.model")
    assert not (recipe / "exp/lm/main").exists()


def test_weights_for_another_number_of_models_are_refused(recipe, capsys):
    assert run(recipe, "lm decode", "decode.method=beam", "decode.lm_weight=[0.5, 0.5]") == 2
    told(capsys.readouterr().err, "expected 1", where="decode.lm_weight=[0.5, 0.5]")


def test_a_dev_set_of_one_utterance_and_empty_texts(recipe):
    """Texts of signs alone are empty once they are normalised; what is tuned on them is not."""
    for name in ("dev", "test", "train"):
        table = read_table(recipe / "data" / name / "text")
        first, *others = table
        write_table(recipe / "data" / name / "text", {**table, first: "", **dict.fromkeys(others[:1], "")})
    for path in (recipe / "dump/whisper_base/dev").glob("*"):
        if path.name in ("feats.scp", "utt2num_frames"):
            path.write_text(path.read_text().splitlines(keepends=True)[2])
    for path in (recipe / "data/dev").glob("*"):
        path.write_text(path.read_text().splitlines(keepends=True)[2])
    assert run(recipe, "lm decode score") == 0
    assert document(recipe / "exp/main/fusion/fusion.json")["utterances"] == 1
    assert document(recipe / "exp/main/score.json")["data"]["test"]["empty_references"]


def test_pieces(recipe):
    bpe = ["tokens.type=bpe", "tokens.size=16", "tag=bpe"]
    train = ["train.max_epochs=25", "train.lr=0.01", "train.batch_s=4", "train.num_masks=0"]
    assert run(recipe, "tokens lm train decode score", *bpe, *train, "decode.sets=[dev, test]") == 0
    score = document(recipe / "exp/bpe/score.json")
    assert score["lm"]["unit"] == "char"
    change = score["greedy"]["test"]["cer"]
    assert change["after"]["value"] <= change["before"]["value"]
