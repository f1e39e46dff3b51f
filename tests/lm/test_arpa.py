"""ARPA files: our own, KenLM's reading of them, and faults."""

import gzip

import numpy as np
import pytest

from tests.errors import raises
from tests.lm.test_estimate import POEM, TEXT, steps
from tests.lm.test_ngram import equal
from xlt.core.errors import DataError
from xlt.lm import arpa
from xlt.lm.arpa import read_arpa, write_arpa
from xlt.lm.estimate import estimate

# by `lmplz -o 3 --discount_fallback` (kenlm 0.3.0) from one line "rain falls"
LMPLZ = """\\data\\
ngram 1=5
ngram 2=3
ngram 3=2

\\1-grams:
-0.90309\t<unk>\t0
0\t<s>\t-0.30103
-0.5351132\t</s>\t0
-0.5351132\train\t-0.30103
-0.5351132\tfalls\t-0.30103

\\2-grams:
-0.18987952\tfalls </s>\t0
-0.18987952\t<s> rain\t-0.30103
-0.18987952\train falls\t-0.30103

\\3-grams:
-0.08464413\train falls </s>
-0.08464413\t<s> rain falls

\\end\\
"""


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
@pytest.mark.parametrize(
    "model",
    [
        estimate(POEM, 6),
        estimate([text.split() for text in TEXT], 3),
        estimate(POEM, 4, [0.5, 20, 3, 1], "power_law"),
        estimate(["\u00a0\u2028\u3000ș", "ß "], 2),
    ],
)
def test_a_written_model_comes_back(model, name, tmp_path):
    write_arpa(model, tmp_path / name)
    again = read_arpa(tmp_path / name)
    assert again._logp == pytest.approx(model._logp, rel=1e-7)
    assert equal(again, model) or model.fallback_orders


def test_long_files_are_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(arpa, "_CHUNK", 7)
    model = estimate(POEM * 2 + ["a b"], 5)
    write_arpa(model, tmp_path / "lm.arpa")
    again = read_arpa(tmp_path / "lm.arpa")
    assert again.counts == model.counts
    assert [again.logp(text) for text in POEM] == [model.logp(text) for text in POEM]


def test_gzipped_files_are_the_same_each_time(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_arpa(estimate(POEM, 3), tmp_path / name)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize(("texts", "order"), [([text.split() for text in TEXT], 3), (POEM, 6), (["aa"], 5)])
def test_kenlm_reads_what_we_write(texts, order, tmp_path):
    import kenlm

    model = estimate(texts, order)
    write_arpa(model, tmp_path / "lm.arpa")
    config = kenlm.Config()
    config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
    other = kenlm.Model(str(tmp_path / "lm.arpa"), config)
    for text in [*texts, texts[0][::-1], ["?", *texts[-1][1:], "?"], []]:
        line = " ".join("<space>" if symbol == " " else symbol for symbol in text)
        assert model.logp(text) / np.log(10) == pytest.approx(other.score(line), abs=1e-5)


def test_lmplz_files_are_read(tmp_path):
    path = tmp_path / "lm.arpa"
    path.write_text(LMPLZ)
    model = read_arpa(path)
    assert model.symbols == ("<s>", "</s>", "<unk>", "rain", "falls")
    assert steps(model, ["rain", "falls"]) == pytest.approx([-0.18987952, -0.08464413, -0.08464413])
    # "falls" behind <s> by hand, with the weight of <s>, "rain" behind it alone
    assert steps(model, ["falls", "rain"])[:2] == pytest.approx([-0.30103 - 0.5351132, -0.30103 - 0.5351132])


def test_single_spaces_missing_weights_and_capital_unk(tmp_path):
    """As SRILM and older tools write them."""
    path = tmp_path / "lm.arpa"
    text = LMPLZ.replace("\t0\n", "\n").replace("\t", " ").replace("<unk>", "<UNK>")
    path.write_bytes(b"\n" + text.replace("\n", "\r\n").encode())
    (tmp_path / "other.arpa").write_text(LMPLZ)
    assert equal(read_arpa(path), read_arpa(tmp_path / "other.arpa"))


def test_models_without_a_suffix_are_read_as_kenlm_reads_them(tmp_path):
    """Pruned files may keep "a b c" and lack "b c"."""
    import kenlm

    path = tmp_path / "lm.arpa"
    path.write_text(
        "\\data\\\nngram 1=6\nngram 2=4\nngram 3=1\n\n"
        "\\1-grams:\n-1.5\t<unk>\n-99\t<s>\t-0.3\n-1.1\t</s>\n-0.7\ta\t-0.25\n-0.8\tb\t-0.5\n-0.9\tc\t-0.125\n\n"
        "\\2-grams:\n-0.2\ta b\t-0.0625\n-0.4\tc a\n-0.3\tb b\n-0.6\tc </s>\n\n"
        "\\3-grams:\n-0.1\ta b c\n\n\\end\\\n"
    )
    config = kenlm.Config()
    config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
    ours, other = read_arpa(path), kenlm.Model(str(path), config)
    for line in ("a b c a b c a", "b c a", "a b b c", "c c c", "a b", "x a b c </s> c a b c"):
        assert ours.logp(line.split()) / np.log(10) == pytest.approx(other.score(line), abs=1e-5)


def edited(old: str, new: str) -> bytes:
    assert old in LMPLZ
    return LMPLZ.replace(old, new, 1).encode()


@pytest.mark.parametrize(
    ("raw", "line", "facts"),
    [
        (b"", 0, ()),
        (b"rain falls\n", 1, ("rain falls",)),
        (b"\n\n\\data\n", 3, ()),
        (edited("ngram 2=3", "ngram 2=x"), 3, ()),
        (edited("ngram 2=3", "ngram 3=3"), 3, ()),
        (edited("ngram 2=3", "ngram 2=4"), 3, (4, 3, 2)),
        (edited("ngram 1=5", "ngram 1=6"), 2, (6, 5)),
        (edited("ngram 3=2", "ngram 3=900000000000000"), 4, ()),
        (edited("\\2-grams:", "\\3-grams:"), 13, ()),
        (edited("\\end\\", ""), 22, ()),
        (LMPLZ[:120].encode(), 10, ()),
        (edited("-0.90309", "-0,90309"), 7, ("-0,90309",)),
        (edited("-0.90309", "nan"), 7, ()),
        (edited("-0.90309", "0.90309"), 7, ()),
        (edited("<s> rain\t-0.30103", "<s> rain\tinf"), 15, ()),
        (edited("<s> rain\t-0.30103", "<s> rain\tx"), 15, ()),
        (edited("<s> rain\t", "<s> rain falls\t"), 15, ()),
        (edited("<s> rain\t", "<s> snow\t"), 15, ("snow",)),
        (edited("<s> rain\t", "rain falls\t"), 16, ()),
        (edited("\train\t", "\tfalls\t"), 11, ("falls",)),
        (edited("rain falls </s>", "falls rain </s>"), 19, (3, 2)),
        (edited("\train\t", "\tr\xefn\t").replace("\xef".encode(), b"\xef"), 10, ("UTF-8",)),
        (edited("<unk>", "snow"), 6, ("<unk>",)),
        (edited("\t<s>\t", "\tsnow\t").replace(b"<s> ", b"snow "), 6, ("<s>",)),
    ],
)
def test_faults_are_named_with_their_line(raw, line, facts, tmp_path):
    (tmp_path / "lm.arpa").write_bytes(raw)
    with raises(DataError, *facts, where=f"lm.arpa:{line}"):
        read_arpa(tmp_path / "lm.arpa")


@pytest.mark.parametrize("damage", [lambda raw: raw[:-20], lambda raw: raw[:60] + b"\0\0\0" + raw[63:]])
def test_damaged_gzip(damage, tmp_path):
    path = tmp_path / "lm.arpa.gz"
    path.write_bytes(damage(gzip.compress(LMPLZ.encode())))
    with raises(DataError):
        read_arpa(path)


def test_files_that_cannot_be_opened(tmp_path):
    for path in (tmp_path / "none.arpa", tmp_path):
        with raises(DataError, where=path.name):
            read_arpa(path)


def test_symbols_with_white_space_are_refused(tmp_path):
    with raises(DataError, where="lm.arpa"):
        write_arpa(estimate([["a b", "c"]], 2), tmp_path / "lm.arpa")


def test_two_tokens_that_mean_unk(tmp_path):
    (tmp_path / "lm.arpa").write_bytes(edited("\train\t", "\t<UNK>\t"))
    with raises(DataError, "<unk>", where="lm.arpa:10"):
        read_arpa(tmp_path / "lm.arpa")
