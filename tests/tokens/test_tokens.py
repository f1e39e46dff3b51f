import pytest

from tests.errors import told
from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.core.errors import ConfigError, DataError
from xlt.tokens import prove_round_trip
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer

# letters that sentencepiece's default NFKC would rewrite: ligature ﬁ, superscript ², half-width ｱ, Kelvin
# sign
NFKC_TRAPS = ["ﬁn ăsta", "m² ｱ", "K și k", "क्षि हिन्दी"]


def test_char_tokens_have_espnet_order_and_ids(tmp_path):
    train_tokenizer(["ba a", "b"], "char", 0, tmp_path, "text")
    tokenizer = Tokenizer(tmp_path)
    assert tokenizer.tokens == ["<blank>", "<unk>", "<space>", "a", "b", "<sos/eos>"]
    assert tokenizer.encode("b ax") == [4, 2, 3, 1]
    assert tokenizer.decode([0, 4, 2, 3, 5]) == "b a"
    assert tokenizer.symbols() == {" ", "a", "b"}


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_texts_come_back_unchanged_without_nfkc(tmp_path, kind):
    texts = [*NFKC_TRAPS, *(f"{a}{b} {b}{a}" for a in "abcd" for b in "abcd")]
    train_tokenizer(texts, kind, 48, tmp_path, "text")
    tokenizer = Tokenizer(tmp_path)
    assert [tokenizer.decode(tokenizer.encode(t)) for t in texts] == texts
    assert tokenizer.tokens[:2] == ["<blank>", "<unk>"] and tokenizer.tokens[-1] == "<sos/eos>"


def test_a_text_that_does_not_come_back_is_an_error_with_its_line(tmp_path):
    train_tokenizer(["ab", "ba"], "char", 0, tmp_path, "text")
    with pytest.raises(DataError, match=r"text:2: u2: .*'axb' becomes 'a<unk>b'"):
        prove_round_trip(Tokenizer(tmp_path), {"u1": "ab", "u2": "axb"}, "text")


def test_impossible_bpe_size_names_the_remedy(tmp_path):
    words = r"tokens.size=5000: .*text, which has 2 different characters: .*too high.*tokens.type=char"
    with pytest.raises(ConfigError, match=words):
        train_tokenizer(["ab", "ba"], "bpe", 5000, tmp_path, "text")


def test_stage_reports_characters_that_training_never_saw(tmp_path, capsys):
    recipe = make_toy_recipe(tmp_path)
    path = recipe / "data" / "test" / "text"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + " zz", *lines[1:]]) + "\n")
    assert main(["tokens", "--recipe", str(recipe)]) == 0
    out = capsys.readouterr().out
    assert (
        "test: 2 of" in out
        and "cannot be recognised" in out
        and out.rstrip().splitlines()[-1].endswith(": z")
    )
    assert main(["tokens", "--recipe", str(recipe)]) == 0
    assert "up to date" in capsys.readouterr().out


def test_stage_without_data_names_the_stage_that_makes_it(tmp_path, capsys):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n")
    assert main(["tokens", "--recipe", str(tmp_path)]) == 2
    told(capsys.readouterr().err, "stage 1 (data)", where="data/train/text")


def test_phone_tokens_are_words_of_the_text(tmp_path):
    facts = train_tokenizer(["t͡ʃ a", "a aː"], "phone", 0, tmp_path, "text")
    tokenizer = Tokenizer(tmp_path)
    assert tokenizer.tokens == ["<blank>", "<unk>", "a", "aː", "t͡ʃ", "<sos/eos>"] and facts["count"] == 6
    assert tokenizer.encode("t͡ʃ aː ʒ") == [4, 3, 1]
    assert tokenizer.decode([0, 4, 3, 5]) == "t͡ʃ aː"
    assert tokenizer.symbols() == {"a", "aː", "t͡ʃ"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("tokens.json", None, "neither tokens.json nor xlt.json beside it says what the tokens are"),
        ("tokens.json", "{}", "tokens.json: damaged"),
        ("tokens.json", '{"type": "letters"}', "tokens.json: "),
        ("xlt.json", '{"tokens": 3}', "xlt.json: "),
    ],
)
def test_what_the_tokens_are_must_be_written_down(tmp_path, name, text, words):
    train_tokenizer(["ab"], "char", 0, tmp_path, "text")
    (tmp_path / "tokens.json").unlink()
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words):
        Tokenizer(tmp_path)


def test_stage_reports_phones_that_training_never_saw(tmp_path, capsys):
    recipe = make_toy_recipe(tmp_path)
    path = recipe / "data" / "test" / "text"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + " zi", *lines[1:]]) + "\n")
    assert main(["tokens", "--recipe", str(recipe), "tokens.type=phone"]) == 0
    out = capsys.readouterr().out
    assert "ron_Latn: phones by espeak ro" in out
    assert (
        "test: 1 of" in out
        and "phones are not among the tokens" in out
        and "(PER is at least" in out
        and ": z\n" in out
    )
