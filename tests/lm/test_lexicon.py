"""Words with their phones: what stage 5 makes of them, and the prefix tree."""

import json

import pytest

from tests.errors import raises
from xlt import lm
from xlt.core.errors import ConfigError, DataError
from xlt.formats.tables import write_table
from xlt.lm.kind import NGRAM
from xlt.lm.lexicon import LEXICON, Entry, Lexicon, Written, read_entries, write_entries
from xlt.lm.pronounce import alphabet, check
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer

SPELL = ("tokens.type=phone", "lm.spell=true")
ENTRIES = [
    Entry("ca", ("k", "a"), -1.0),
    Entry("cat", ("k", "a", "t"), -2.0),
    Entry("kat", ("k", "a", "t"), -4.0),
    Entry("tac", ("t", "a", "k"), -3.0),
]


def test_words_share_the_beginnings_of_their_phones():
    tree = Lexicon(ENTRIES)
    assert tree.phones == ["a", "k", "t"]
    # level by level: root; k, t; ka, ta; kat, tak
    assert tree.phone.tolist() == [-1, 1, 2, 0, 0, 2, 1]
    assert tree.parent.tolist() == [-1, 0, 0, 1, 2, 3, 4]
    assert tree.first[:5].tolist() == [1, 3, 4, 5, 6] and tree.children.tolist() == [2, 1, 1, 1, 1, 0, 0]
    assert tree.below.tolist() == [-1, -1, -3, -1, -3, -2, -3]
    none = float("-inf")
    assert tree.here.tolist() == [none, none, none, -1, none, -2, -3]
    assert tree.words == ["ca", "cat", "kat", "tac"] and tree.node.tolist() == [3, 5, 5, 6]
    assert [tree.words[i] for i in range(tree.word_first[5], tree.word_first[6])] == ["cat", "kat"]
    assert [tree.phones[p] for p in tree.pronounced(3)] == ["t", "a", "k"]


def test_entries_come_back(tmp_path):
    write_entries(tmp_path / LEXICON, ENTRIES)
    assert read_entries(tmp_path / LEXICON) == ENTRIES


@pytest.mark.parametrize("line", ["cat\tk a t", "\tk a t\t-1", "cat\t\t-1", "cat\tk a t\tnan", "cat\tk\tx"])
def test_a_damaged_lexicon_is_refused_with_its_line(tmp_path, line):
    (tmp_path / LEXICON).write_text(f"ca\tk a\t-1\n{line}\n")
    with raises(DataError, where=f"{LEXICON}:2"):
        read_entries(tmp_path / LEXICON)


@pytest.mark.parametrize("content", [None, ""])
def test_a_lexicon_without_words_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / LEXICON).write_text(content)
    with raises(DataError, where=LEXICON):
        read_entries(tmp_path / LEXICON)


class Letters:
    """A model in which each character costs 1, "t" 3, and the end 0.5; the state is what was said."""

    def __init__(self, tokenizer):
        self.tokens = tokenizer.tokens

    def start(self):
        return ""

    def score(self, state, token):
        char = self.tokens[token]
        return (-3.0 if char == "t" else -1.0), state + char

    def end(self, state):
        return -0.5


def test_a_model_of_characters_is_asked_for_whole_words(tmp_path):
    train_tokenizer(["cat k"], "char", 0, tmp_path, "text")
    tokenizer = Tokenizer(tmp_path)
    asked = Written(Letters(tokenizer), Lexicon(ENTRIES), tokenizer)
    assert asked.word("", 1) == (-6.0, "cat<space>")  # 1 + 1 + 3, and a space
    assert asked.last("", 1) == -5.5 and asked.empty("") == -0.5


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        (("lm.spell=true",), "lm.spell=true"),  # tokens.type=char
        ((*SPELL, "lm.type=none"), "lm.spell=true"),
        ((*SPELL, "lang=tha_Thai"), "lm.spell=true"),
        ((*SPELL, "lang=mul_Zyyy"), "lm.spell=true"),
        ((*SPELL, "lm.unit=token"), "lm.unit=token"),
        ((*SPELL, "decode.method=greedy"), "decode.method=greedy"),
        ((*SPELL, "decode.hotwords=names.txt"), "decode.hotwords"),
        ((*SPELL, "decode.lattices=true"), "decode.lattices=true"),
        (("decode.method=lexicon",), "decode.method=lexicon"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(recipe, settings, where):
    with raises(ConfigError, where=where):
        check(recipe(*settings).cfg)


def test_words_may_have_all_letters_of_the_script(recipe):
    cfg = recipe("lang=ell_Grek").cfg
    found = alphabet(cfg, ["a λόγος"])
    assert {"ς", "ΐ", "'", " ", "a"} <= found and not {"b", "ж", "1"} & found


@pytest.fixture
def phones(recipe):
    """A recipe with the tokens of stage 4; gives its context for settings."""
    folder = recipe().data / "tokens" / "phone"
    folder.mkdir(parents=True)
    train_tokenizer(["u n k a l"], "phone", 0, folder, "text")
    for name, text in (("train", "u n k a l"), ("dev", "o k a s ə v e k e"), ("test", "u n u r s a l b")):
        write_table(folder / f"{name}.text", {f"{name}-1": text})
    recipe.write("words.txt", "casa\t5\ncasă\t5\nkasa\t1\nжук\t1\n")
    return recipe


def lexicon_of(ctx):
    lm.run(ctx)
    return {entry.word: " ".join(entry.phones) for entry in read_entries(lm.folder(ctx) / LEXICON)}


def test_stage_5_writes_words_of_the_list_and_of_the_texts_with_their_phones(phones):
    ctx = phones(*SPELL, "lm.words=words.txt")
    # Romanian is written as it is said; c before a is k
    assert lexicon_of(ctx) == {
        "un": "u n",
        "cal": "k a l",
        "casa": "k a s a",
        "casă": "k a s ə",
        "kasa": "k a s a",
    }
    facts = json.loads((lm.folder(ctx) / lm.FACTS).read_text())
    assert facts["unit"] == "char"
    assert facts["lexicon"] == {"g2p": "espeak ro", "words": 5, "pronunciations": 4, "without_phones": 0}
    (model,) = NGRAM.load(lm.folder(ctx), Tokenizer(ctx.tokens))
    assert isinstance(model, Written)
    words = model.lexicon.words
    p = {word: model.last(model.start(), words.index(word)) for word in ("un", "casa", "kasa")}
    assert p["un"] > p["casa"] > p["kasa"]  # the only text begins with it; five times as frequent


def test_training_texts_can_be_left_out(phones):
    ctx = phones(*SPELL, "lm.words=words.txt", "lm.training_texts=false")
    assert set(lexicon_of(ctx)) == {"casa", "casă", "kasa"}
    assert [part["name"] for part in lm.facts(ctx)["parts"]] == ["words"]
    assert [source["what"] for source in lm.facts(ctx)["sources"]] == ["the list words.txt"]


def test_without_list_and_texts_there_is_nothing_to_learn_from(phones):
    with raises(ConfigError, "lm.words", "lm.text", where="lm.training_texts=false"):
        lm.run(phones(*SPELL, "lm.words=none", "lm.training_texts=false"))


def test_a_language_without_converter_is_refused(phones):
    with raises(ConfigError, "ron_Latn", "phones.table=g2p.tsv", where="phones.g2p=tsv"):
        lm.run(phones(*SPELL, "lm.words=words.txt", "phones.g2p=tsv"))


def test_words_without_phones_are_left_out(phones):
    phones.write("g2p.tsv", "c\tk\na\ta\nl\tl\ns\ts\nă\t\nu\t\nn\t\nk\tk\n")
    ctx = phones(*SPELL, "lm.words=words.txt", "phones.table=g2p.tsv")
    assert set(lexicon_of(ctx)) == {"cal", "casa", "casă", "kasa"}  # un is silent by this table
