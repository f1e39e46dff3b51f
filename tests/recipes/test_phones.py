"""A phone experiment through all stages: letters of tones, log-mels, PER, a bundle that writes phones."""

import json
import shutil

import pytest

from tests.chance import hears
from tests.errors import told
from tests.tones import make_corpus
from xlt.cli import main
from xlt.core.context import STAGES
from xlt.formats.tables import read_table

pytestmark = pytest.mark.trains
SETTINGS = ["tokens.type=phone", "tag=ph"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    root = tmp_path_factory.mktemp("phones")
    corpus = make_corpus(root / "corpus")
    recipe = root / "egs" / "ron"
    recipe.mkdir(parents=True)
    (recipe / "recipe.yaml").write_text(
        f"lang: ron_Latn\ndata: {{reader: kaldi, dir: {corpus}}}\nfeatures: {{upstream: fbank}}\n"
        "train: {max_epochs: 30, min_updates: 0, lr: 0.01, batch_s: 6, num_masks: 0, projection: 32, "
        "encoder_conf: {hidden_size: 32}}\nscore: {bootstrap: 50}\nnj: 1\n"
    )
    for stage in STAGES:
        assert main([stage.name, "--recipe", str(recipe), *SETTINGS]) == 0, stage.name
    return recipe


def test_texts_are_phones_and_the_list_holds_them(recipe):
    folder = recipe / "data" / "tokens" / "phone"
    for name in ("train", "dev", "test"):
        letters, phones = read_table(recipe / "data" / name / "text"), read_table(folder / f"{name}.text")
        assert letters.keys() == phones.keys()
    # Romanian writes a, e, i, o as it says them, but for glides
    assert {"a", "e", "i", "o"} <= set((folder / "tokens.txt").read_text().split())
    facts = json.loads((folder / "tokens.json").read_text())
    assert facts["type"] == "phone" and facts["g2p"]["ron_Latn"]["g2p"] == "espeak ro"


def test_hypotheses_and_scores_are_of_phones(recipe):
    refs = read_table(recipe / "data" / "tokens" / "phone" / "test.text")
    hyps = read_table(recipe / "exp" / "ph" / "decode_test" / "text")
    score = json.loads((recipe / "exp" / "ph" / "score.json").read_text())
    assert (
        score["sets"]["test"].keys() == {"per", "fer", "ser"}
        and score["sets"]["test"]["fer"]["value"] <= score["sets"]["test"]["per"]["value"]
    )
    assert score["sets"]["test"]["per"]["n_ref"] == sum(len(ref.split()) for ref in refs.values())
    assert hears({u: t.split() for u, t in refs.items()}, {u: t.split() for u, t in hyps.items()})
    assert "PER" in score["signature"]["test"]["per"] and "+espeak:ro" in score["signature"]["test"]["per"]
    trn = (recipe / "exp" / "ph" / "score" / "test.phone.ref.trn").read_text().splitlines()
    assert trn[0] == f"{refs['spk-test000']} (spk-test000)"


def test_results_show_per_and_no_cer(recipe):
    page = (recipe / "RESULTS.md").read_text()
    assert "PER %" in page and "CER %" not in page and "phones" in page


def test_bundle_writes_phones(recipe, tmp_path, capsys):
    bundle = tmp_path / "bundle"
    shutil.copytree(recipe / "exp" / "ph" / "bundle", bundle)
    utt, wav = next(iter(read_table(recipe / "data" / "test" / "wav.scp").items()))
    path = wav if wav.startswith("/") else str(recipe / wav)
    assert main(["transcribe", str(bundle), path]) == 0
    assert capsys.readouterr().out == f"{path}\t{read_table(recipe / 'exp/ph/decode_test/text')[utt]}\n"


@pytest.mark.parametrize("stage", ["decode", "score"])
def test_phones_asked_of_a_character_setting_and_the_other_way_round_are_refused(recipe, stage, capsys):
    assert main([stage, "--recipe", str(recipe), "tag=ph"]) == 2
    assert (
        "tokens.type=char: exp/ph was trained on phone tokens; give tokens.type=phone"
        in capsys.readouterr().err
    )


def test_words_by_a_lexicon(recipe, tmp_path, capsys):
    """The same model writes words: the phones of the texts' words, and of others in a list."""
    (tmp_path / "words.txt").write_text("casa\nbanan\n")
    words = [*SETTINGS, "lm.spell=true", f"lm.words={tmp_path / 'words.txt'}"]
    copy = tmp_path / "egs" / "ron"
    shutil.copytree(recipe, copy)  # the scores and results of the other tests stay
    for stage in ("lm", "train", "decode", "score", "report", "bundle"):
        assert main([stage, "--recipe", str(copy), *words]) == 0, stage
    assert "epoch" not in capsys.readouterr().out  # the model stays
    refs, exp = read_table(copy / "data" / "test" / "text"), copy / "exp" / "ph"
    hyps = read_table(exp / "decode_test" / "text")
    assert hears(
        {u: t.replace(" ", "") for u, t in refs.items()}, {u: t.replace(" ", "") for u, t in hyps.items()}
    )
    score = json.loads((exp / "score.json").read_text())
    assert {"cer", "wer"} <= score["sets"]["test"].keys() and "per" not in score["sets"]["test"]
    assert "greedy" not in score and score["lm"]["fusion"]["method"] == "lexicon"
    assert "WER %" in (copy / "RESULTS.md").read_text()
    utt, wav = next(iter(read_table(copy / "data" / "test" / "wav.scp").items()))
    path = wav if wav.startswith("/") else str(copy / wav)
    assert main(["transcribe", str(exp / "bundle"), path]) == 0
    assert capsys.readouterr().out == f"{path}\t{hyps[utt]}\n"
    names = tmp_path / "names.txt"
    names.write_text("ana\n")
    assert main(["transcribe", str(exp / "bundle"), path, "--words", str(names)]) == 2
    told(capsys.readouterr().err, "lm.words", where="decode.hotwords")


def test_a_list_of_other_tokens_beside_the_model_is_refused(recipe, tmp_path, capsys):
    bundle = tmp_path / "bundle"
    shutil.copytree(recipe / "exp" / "ph" / "bundle", bundle)
    lines = (bundle / "tokens.txt").read_text().splitlines()
    (bundle / "tokens.txt").write_text("\n".join([*lines[:2], "ʒ", *lines[2:]]) + "\n")
    from xlt.core.errors import DataError
    from xlt.core.settings import DecodeConfig
    from xlt.core.stored import from_json
    from xlt.decode.recognise import Recogniser

    with pytest.raises(DataError, match="which are not the .* that the model beside it was trained on"):
        Recogniser(bundle, from_json(DecodeConfig, "decode", {}, "test"))


def test_a_language_without_converter_stops_at_stage_2(recipe, capsys):
    assert main(["check", "--recipe", str(recipe), *SETTINGS, "phones.g2p=tsv"]) == 2
    err = capsys.readouterr().err
    assert "phones.g2p=tsv: no table for ron_Latn; write a table g2p.tsv" in err


def test_speed_copies_have_the_phones_of_their_utterance(recipe, capsys):
    assert main(["tokens", "--recipe", str(recipe), *SETTINGS, "features.speed=[0.9, 1.0]"]) == 0
    texts = read_table(recipe / "data" / "tokens" / "phone" / "train.text")
    assert len(texts) == 120 and texts["sp0.9-spk-train000"] == texts["spk-train000"]
    assert main(["tokens", "--recipe", str(recipe), *SETTINGS]) == 0
