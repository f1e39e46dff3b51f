"""A language as the first label: it is learned and told, and is in no text, rate or reference."""

import json

import pytest

from tests.chance import hears
from tests.lazy import Lazy
from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table, write_table
from xlt.models.family import open_model
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer

align = Lazy("xlt.decode.align")
recognise = Lazy("xlt.decode.recognise")

TAG = "tokens.language_tag=true"

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A toy recipe of two languages: what begins with a is Romanian, all else Spanish."""
    recipe = tmp_path_factory.mktemp("egs") / "both"
    recipe.mkdir()
    make_toy_recipe(recipe, train=120)
    for name in ("train", "dev", "test"):
        texts = read_table(recipe / "data" / name / "text")
        write_table(
            recipe / "data" / name / "utt2lang",
            {u: "ron_Latn" if t[0] == "a" else "spa_Latn" for u, t in texts.items()},
        )
    path = recipe / "recipe.yaml"
    path.write_text(
        path.read_text() + "data: {reader: recipes, sources: [../ron, ../spa]}\nscore: {bootstrap: 200}\n"
    )
    for name in ("ron", "spa"):
        (recipe.parent / name).mkdir()
        (recipe.parent / name / "recipe.yaml").write_text(f"lang: {name}_Latn\n")
    path.write_text(path.read_text().replace("lang: ron_Latn", "lang: mul_Zyyy"))
    return recipe


def trained(recipe, kind):
    """The experiment with tokens of a kind; made once, since all stages know what they have made."""
    words = [
        TAG,
        f"tag={kind}",
        f"tokens.type={kind}",
        "tokens.size=20",
        "train.max_epochs=15",
        "train.batch_s=4",
        "train.lr=0.01",
        "train.num_masks=0",
    ]
    for stage in ("tokens", "train", "decode", "score", "report"):
        assert main([stage, "--recipe", str(recipe), *words]) == 0
    return recipe / "exp" / kind


def better_than_the_commoner_one(found: dict, right: dict[str, str]) -> bool:
    """Whether more languages are told rightly than by one who always tells the language of most speech."""
    languages = list(right.values())
    return found["value"] > 100 * max(map(languages.count, languages)) / len(languages)


def test_the_language_is_told_with_phones_and_by_beam_search(both, capsys):
    exp = trained(both, "phone")
    assert "language recognised in" in capsys.readouterr().out
    score = json.loads((exp / "score.json").read_text())
    assert better_than_the_commoner_one(
        score["language_accuracy"]["test"], read_table(both / "data/test/utt2lang")
    )
    refs = read_table(both / "data/tokens/phone+languages/test.text")
    hyps = read_table(exp / "decode_test/text")
    assert hears({u: t.split() for u, t in refs.items()}, {u: t.split() for u, t in hyps.items()})
    assert not any("<" in text for text in hyps.values())
    greedy = read_table(trained(both, "char") / "decode_test/lang")
    words = ["--recipe", str(both), TAG, "tag=char", "decode.method=beam", "decode.beam_size=3"]
    assert main(["decode", *words]) == 0
    assert read_table(both / "exp/char/decode_test/lang") == greedy
    assert not any("<" in text for text in read_table(both / "exp/char/decode_test/text").values())


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_the_language_is_told_and_no_text_has_it(both, kind):
    exp = trained(both, kind)
    assert {"<ron_Latn>", "<spa_Latn>"} <= set((exp / "tokens.txt").read_text().split("\n"))
    told, right = read_table(exp / "decode_test/lang"), read_table(both / "data/test/utt2lang")
    score = json.loads((exp / "score.json").read_text())
    found = score["language_accuracy"]["test"]
    assert found["n"] == len(right) == 12
    assert found["value"] == pytest.approx(100 * sum(told[u] == right[u] for u in right) / 12, abs=0.001)
    assert better_than_the_commoner_one(found, right)
    assert {lang: sum(own.values()) for lang, own in found["predicted"].items()} == {
        lang: list(right.values()).count(lang) for lang in set(right.values())
    }
    refs, hyps = read_table(both / "data/test/text"), read_table(exp / "decode_test/text")
    assert not any("<" in text for text in hyps.values()) and hears(refs, hyps)
    last = json.loads((exp / "history.json").read_text())[-1]["cer_ctc"]
    tag, letters = len("<ron_Latn>"), sum(map(len, read_table(both / "data/dev/text").values())) / 12
    assert last < tag / (tag + letters)  # ESPnet's rate of an epoch counts no letter of a language
    page = (both / "RESULTS.md").read_text()
    assert (
        "## Language told by the model" in page
        and f"| {exp.name} | test | 12 | {found['value']:.1f} [" in page
    )


def test_the_fit_of_a_text_does_not_pay_for_its_language(both, monkeypatch):
    monkeypatch.chdir(both)
    exp = trained(both, "char")
    model = open_model(exp)
    recogniser = recognise.Recogniser(exp, from_json(DecodeConfig, "decode", {"method": "greedy"}, "test"))
    reader = FeatureReader(both / "dump/whisper_base/test/feats.scp")
    feats = {utt: reader[utt] for utt in reader}
    texts = {u: recogniser([m])[0].text for u, m in feats.items()}
    wanted = [(u, texts[u], False) for u in feats]
    fits = align._compare(model, list(feats.values()), wanted, [[] for _ in feats], "m")
    assert max(fit.score for fit in fits if texts[fit.utt]) < 1e-3  # its own text is the best


def test_a_target_takes_the_rows_of_letters_and_not_of_languages(both, tmp_path):
    (tmp_path / "target").mkdir()
    make_toy_recipe(tmp_path / "target")
    words = [
        "--recipe",
        str(tmp_path / "target"),
        f"train.init={trained(both, 'char')}",
        "train.init_tokens=match",
        "train.max_epochs=1",
    ]
    assert main(["tokens", *words]) == 0
    assert main(["train", *words]) == 0
    facts = json.loads((tmp_path / "target/exp/main/transfer.json").read_text())
    assert facts["dropped_tokens"] == ["<ron_Latn>", "<spa_Latn>"] and facts["new_tokens"] == []
    assert main(["tokens", *words, TAG, "tag=tagged"]) == 0
    assert main(["train", *words, TAG, "tag=tagged"]) == 0
    facts = json.loads((tmp_path / "target/exp/tagged/transfer.json").read_text())
    assert facts["dropped_tokens"] == ["<spa_Latn>"] and "<ron_Latn>" in facts["copied_tokens"]


def test_a_shared_language_alone_is_no_alphabet_to_match(both, tmp_path, capsys):
    (tmp_path / "target").mkdir()
    recipe = make_toy_recipe(tmp_path / "target")
    for name in ("train", "dev", "test"):
        path = recipe / "data" / name / "text"
        write_table(
            path,
            {
                u: t.translate({ord(c): chr(0x410 + i) for i, c in enumerate("abcdefghijklmnopqrstuvwxyz ș")})
                for u, t in read_table(path).items()
            },
        )
    words = ["--recipe", str(recipe), TAG, f"train.init={trained(both, 'char')}", "train.init_tokens=match"]
    assert main(["tokens", *words]) == 0
    assert main(["train", *words]) == 2
    assert "share no token" in capsys.readouterr().err


def test_tokens_of_languages_are_no_text(tmp_path):
    train_tokenizer(["ab", "b a"], "char", 0, tmp_path, "text", {"spa_Latn", "ron_Latn"})
    tokenizer = Tokenizer(tmp_path)
    assert tokenizer.tokens == [
        "<blank>",
        "<unk>",
        "<ron_Latn>",
        "<spa_Latn>",
        "<space>",
        "a",
        "b",
        "<sos/eos>",
    ]
    assert tokenizer.decode([3, 5, 2, 4, 6]) == "a b" and tokenizer.language([0, 3, 5, 2]) == "spa_Latn"
    assert tokenizer.language([5]) is None and tokenizer.symbols() == {" ", "a", "b"}
