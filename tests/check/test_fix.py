"""`xlt check --fix`: a spoiled corpus, its repaired copy, and what is said of each change."""

import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from tests.check import corpus
from xlt.check.mend import mended
from xlt.cli import main
from xlt.formats.tables import read_table, write_table

LATIN = frozenset({"Latn"})


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus.make(tmp_path_factory.mktemp("clean") / "recipe")


@pytest.fixture
def recipe(clean, tmp_path) -> Path:
    shutil.copytree(clean, tmp_path / "recipe")
    return tmp_path / "recipe"


def fixed(recipe: Path, *words: str) -> int:
    return main(["check", "--recipe", str(recipe), "--fix", str(recipe.parent / "copy"), *words])


@pytest.mark.slow
def test_a_spoiled_corpus_is_repaired_in_a_copy_that_passes_and_can_be_read(recipe, capsys):
    train, test = recipe / "data/train", recipe / "data/test"
    texts = read_table(train / "text")
    texts["ana-1"] = unicodedata.normalize("NFD", "câinele") + " aleargă  prin\u00a0grădină"
    texts["ana-2"] = "cаsa ma\u200bre"  # Cyrillic а
    texts["ana-3"] = "\u0301apa <s> rece"
    lines = [f"{utt} {text}" for utt, text in sorted(texts.items())]
    lines[0], lines[1] = lines[1], lines[0]  # unsorted
    lines.insert(4, "")
    lines.insert(9, lines[9])  # bob-2 twice, the same
    raw = ("\ufeff" + "\r\n".join(lines)).encode()  # and the last line is not ended
    (train / "text").write_bytes(raw.replace(b"fane-3 ", b"fane-3 \xe3"))
    (train / "spk2utt").unlink()
    os.truncate(recipe / "data/all/wav/bob-5.wav", 0)
    (test / "utt2audio").write_text(
        (test / "utt2audio").read_text().replace("hash-of-ion-1", "hash-of-cris-4")
    )
    before = {path: path.read_bytes() for path in sorted(recipe.rglob("*")) if path.is_file()}
    assert main(["check", "--recipe", str(recipe)]) == 2
    assert fixed(recipe) == 0
    assert {path: path.read_bytes() for path in before if path.exists() and "check" not in path.parts} == {
        path: raw for path, raw in before.items() if "check" not in path.parts
    }  # nothing is mended in place
    copy = recipe.parent / "copy"
    now = read_table(copy / "train/text")
    assert now["ana-1"] == "câinele aleargă prin grădină"
    assert now["ana-2"] == "casa mare" and now["ana-3"] == "apa rece"
    assert list(now) == sorted(now) and len(now) == 36 - 3
    assert set(texts) - set(now) == {"bob-5", "cris-4", "fane-3"}
    assert read_table(copy / "train/spk2utt")["bob"] == "bob-0 bob-1 bob-2 bob-3 bob-4"
    page = (copy / "fix.md").read_text(encoding="utf-8")
    for said in (
        "33 utterances kept, 3 left out",
        "- bob-5: data/all/wav/bob-5.wav: empty file",
        "- cris-4: test has it, too",
        "is not UTF-8",
        "-ana-2 cаsa ma\u200bre\n+ana-2 casa mare",
        "spk2utt: made again from utt2spk",
        "@@ text:3 invisible characters removed, look-alikes to the word's own script",
        "text: sorted in C order",
        "@@ text:5 empty line",
        "text: Windows line ends",
        "text: byte order mark removed",
        "@@ text:11 a duplicate id",
    ):
        assert said in page, said
    assert "## Left to do" not in page
    again = recipe.parent / "again"
    again.mkdir()
    (again / "recipe.yaml").write_text(
        "lang: ron_Latn\nfeatures: {upstream: fbank}\ndata: {reader: kaldi, dir: ../copy}\n"
    )
    capsys.readouterr()
    assert main(["data", "--recipe", str(again), "nj=1"]) == 0
    assert main(["check", "--recipe", str(again)]) == 0
    out = capsys.readouterr().out
    assert "train 33, dev 4, test 4 utterances: 0 errors, 2 warnings" in out
    assert "dev has 4 utterances" in out and "test has 4 utterances" in out  # these are the two


def test_ids_without_their_speaker_and_speakers_with_spaces(recipe):
    train = recipe / "data/train"
    who = read_table(train / "utt2spk")
    who |= {utt: "zoe ana" for utt in who if utt.startswith("cris")}
    write_table(train / "utt2spk", who)
    assert fixed(recipe) == 0
    now = read_table(recipe.parent / "copy/train/utt2spk")
    assert now["zoe_ana-cris-0"] == "zoe_ana" and "cris-0" not in now
    assert set(read_table(recipe.parent / "copy/train/wav.scp")) == set(now)
    page = (recipe.parent / "copy/fix.md").read_text(encoding="utf-8")
    assert "all: 6 ids begin with their speaker's now, e.g. cris-0 is zoe_ana-cris-0" in page
    assert "-cris-0 zoe ana\n+cris-0 zoe_ana" in page


def test_what_cannot_be_repaired_is_listed(recipe):
    path = recipe / "data/train/text"
    texts = read_table(path) | {"bob-1": "привет hora", "bob-2": "ora 12", "bob-3": "c\ufffdinele"}
    write_table(path, texts)
    assert fixed(recipe) == 0
    left = (recipe.parent / "copy/fix.md").read_text(encoding="utf-8").partition("## Left to do")[2]
    assert (
        f"{recipe.parent}/copy/train/text:8: 1 words" in left and "are in Cyrillic script: 'привет'" in left
    )
    assert "text:9: digits in 1 words" in left
    assert "bob-3" not in read_table(recipe.parent / "copy/train/text")  # a lost letter is nobody's guess


def test_never_in_place_and_never_over_something(recipe, capsys):
    assert main(["check", "--recipe", str(recipe), "--fix", str(recipe / "data")]) == 2
    assert "exists and is not empty; name a new folder" in capsys.readouterr().err


def test_a_set_of_which_nothing_can_be_kept(recipe, capsys):
    write_table(recipe / "data/dev/wav.scp", {utt: "no.wav" for utt in read_table(recipe / "data/dev/text")})
    assert fixed(recipe) == 2
    assert "data/dev: no utterance could be kept: no.wav: no such file" in capsys.readouterr().err
    assert not (recipe.parent / "copy").exists()


def test_dry_run_writes_nothing(recipe, capsys):
    assert fixed(recipe, "--dry_run") == 0
    assert "would write a repaired copy of data/train, data/dev, data/test" in capsys.readouterr().out
    assert not (recipe.parent / "copy").exists()


@pytest.mark.parametrize(
    ("text", "own", "right", "done"),
    [
        ("un cal", LATIN, "un cal", []),
        ("un\tcal", LATIN, "un cal", ["one plain space between words"]),
        ("Кemal", LATIN, "Kemal", ["look-alikes to the word's own script"]),
        (
            "oικόσιτο",
            frozenset({"Grek"}),
            "οικόσιτο",
            ["look-alikes to the word's own script"],
        ),  # as in Tux Paint's Greek
        ("мiр", frozenset({"Cyrl"}), "мір", ["look-alikes to the word's own script"]),
        ("привет", LATIN, "привет", []),  # a whole word of another script is no look-alike
        ("а", LATIN, "а", []),  # nor is a lone letter: it may be Russian
        ("क\u200dष", frozenset({"Deva"}), "क\u200dष", []),  # a joiner that shapes its word
        ("a\u200db", LATIN, "ab", ["invisible characters removed"]),
        ("\u0301a e\u0301\u0301", LATIN, "a é", ["composed form (NFC)", "marks without a letter removed"]),
        ("λόγοσ του ςτο σ", frozenset({"Grek"}), "λόγος του στο σ", ["final sigma"]),
    ],
)
def test_repairs_of_one_text(text, own, right, done):
    assert mended(text, own, {}) == (right, done)
