"""Whisper's vocabulary: ids as openai/whisper-base's configuration and CTranslate2's list have them."""

import json

import pytest

from tests.errors import raises
from tests.lazy import Lazy
from tests.tiny import TINY_LANGUAGES, make_tiny_whisper_tokenizer
from xlt.core.errors import UpstreamError
from xlt.fetch.files import cache_root
from xlt.models.whisper.vocabulary import Vocabulary

transformers = Lazy("transformers")

REAL = cache_root(None) / "whisper_base" / "ctranslate2"
needs_real = pytest.mark.skipif(
    not (REAL / "tokenizer.json").exists(), reason="whisper-base is not in the cache"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_whisper_tokenizer(folder)
    return Vocabulary.load(folder)


@pytest.fixture(scope="module")
def real():
    return Vocabulary.load(REAL)


@needs_real
def test_real_ids(real):
    # openai/whisper-base's generation_config.json
    assert (real.end, real.start, real.transcribe, real.no_times) == (50257, 50258, 50359, 50363)
    assert real.languages["en"] == 50259 and real.languages["ro"] == 50284 and len(real.languages) == 99
    assert real.prompt("ro") == [50258, 50284, 50359, 50363]
    assert real.prompt("") == [50258, real.spare, 50359, 50363]
    assert real.spare not in real.languages.values()


@needs_real
def test_real_symbols_are_those_that_faster_whisper_suppresses(real):
    published = json.loads((REAL / "config.json").read_text())["suppress_ids"]
    assert real.symbols == [number for number in published if number < real.end]


@needs_real
def test_scripts_that_are_spelled_badly_cost_more(real):
    latin, georgian = real.tokens_per_word(["bună ziua tuturor"]), real.tokens_per_word(["ქართული ენა"])
    assert latin < 4 < georgian
    assert real.tokens_per_word([]) == 0 and real.tokens_per_word(["the time", "the"]) == 1


@needs_real
def test_every_token_spells_itself(real):
    """A token's text gives that token, as in the published list; the file beside it lost a merge."""
    published = (REAL / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    assert published[264] == "Ġthe" and real.encode("the time") == [264, 565]
    texts = {number: real.tokenizer.decode([number]) for number in range(256, real.end - 1)}
    whole = {number: text for number, text in texts.items() if "\ufffd" not in text}
    split = {
        text
        for number, text in whole.items()
        if real.tokenizer.encode(text, add_special_tokens=False).ids != [number]
    }
    assert len(whole) > 45000 and split == {"'S", "'T", "'M", "'RE", "'D"}  # GPT-2's pattern divides these


@pytest.mark.slow
def test_transformers_writes_the_same_ids(tiny, tmp_path):
    make_tiny_whisper_tokenizer(tmp_path)
    other = transformers.WhisperTokenizer(tokenizer_file=str(tmp_path / "tokenizer.json"))
    for text in ["unu doi trei", "мама", "ș!", "x  y"]:
        assert tiny.encode(text) == other.encode(f" {text}", add_special_tokens=False)


def test_text_comes_back(tiny):
    for text in ["unu doi", "țâță și-o", "один", "ქართული", "日本", "a  b", "", "😀"]:
        assert tiny.unchanged(text) and tiny.decode(tiny.encode(text)) == text
    for text in [" unu", "unu\n", "unu <|ro|>", "a\ufffdb"]:
        assert not tiny.unchanged(text)


def test_special_tokens_and_half_characters_are_no_text(tiny):
    ids = tiny.encode("mâ")
    assert tiny.decode([*tiny.prompt("ro"), *ids, tiny.end]) == "mâ"
    assert tiny.decode(tiny.encode("șж")[:-1]) == "ș"  # ж is two bytes, of which one was taken away
    assert max(ids) < tiny.first_special <= min(tiny.prompt("ro"))
    assert set(tiny.languages) == set(TINY_LANGUAGES)


def test_bad_folders_are_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    with raises(UpstreamError, "features.path", where=str(path)):
        Vocabulary.load(tmp_path)
    path.write_text('{"version": "1.0", "mo')
    with raises(UpstreamError, "features.path", where=str(path)):
        Vocabulary.load(tmp_path)
    for name in ("<|startoflm|>", "<|ro|>"):
        make_tiny_whisper_tokenizer(tmp_path)
        tokenizer = json.loads(path.read_text())
        languages = {f"<|{code}|>" for code in TINY_LANGUAGES}
        lost = languages if name in languages else {name}
        tokenizer["added_tokens"] = [t for t in tokenizer["added_tokens"] if t["content"] not in lost]
        path.write_text(json.dumps(tokenizer))
        with raises(UpstreamError, name, where=str(path)):
            Vocabulary.load(tmp_path)
