"""One second is 50 frames; 26 equal letters need 26 frames and 25 blanks."""

import pytest

from tests.check.faults import faults, rows
from xlt.core.config import load
from xlt.core.context import Context
from xlt.formats.tables import read_table, write_table
from xlt.tokens.tokenizer import train_tokenizer

TEXTS = {"ana-train0": "un urs", "ana-train1": "o" * 26, "ana-train2": "casă l" + "o" * 10}


@pytest.fixture
def texts(recipe):
    write_table(recipe.dir / "data/train/text", TEXTS)
    return recipe


def report(recipe) -> tuple[dict, str]:
    found = [fault for fault in rows(recipe) if fault["rule"] == "too_long_for_ctc"]
    return (found[0] if found else {}), (recipe.dir / "data/check/report.md").read_text("utf-8")


def test_too_few_frames_are_counted_and_listed(texts):
    assert texts("features.upstream=whisper_base") == 0
    fault, page = report(texts)
    assert (fault["severity"], fault["where"]) == ("warning", "train/text:2")
    assert (
        fault["found"]
        == "1 of 3 utterances have fewer frames than CTC needs for their characters (worst: 'ana-train1', "
        "50 frames for 51 steps)"
    )
    assert fault["ids"] == ["ana-train1"]
    assert (
        "tokens.type=bpe" in fault["remedy"]
        and "data.drop" in fault["remedy"]
        and "frame_rate" not in fault["remedy"]
    )
    assert "| train | ana-train1 | 1.00 | 50 | 51 |" in page
    assert "ana-train1 CTC needs 51 frames and has 50" in (texts.dir / "data/check/drop.txt").read_text(
        "utf-8"
    )


def test_drop_txt_keeps_what_is_left_out_already(texts):
    write_table(texts.dir / "data/train/dropped", {"ana-train7": "cut short"})
    assert texts("features.upstream=whisper_base") == 0
    proposed = read_table(texts.dir / "data/check/drop.txt")
    assert set(proposed) == {"ana-train1", "ana-train7"} and proposed["ana-train7"] == "cut short"


def test_log_mels_have_frames_that_are_stacked(texts):
    assert texts("features.upstream=fbank") == 0
    assert report(texts)[0]["remedy"].startswith("set train.frame_rate=100 (saves 1); or ")
    assert texts("features.upstream=fbank", "train.frame_rate=100") == 0
    assert report(texts)[0] == {}


def test_dev_is_looked_at_and_test_is_not(recipe):
    write_table(recipe.dir / "data/test/text", {"ana-test0": "o" * 26})
    assert recipe() == 0 and report(recipe)[0] == {}
    write_table(recipe.dir / "data/dev/text", {"ana-dev0": "o" * 26})
    assert recipe() == 2  # the only one of dev: stage 6 would have nothing to choose a model by
    fault, _ = report(recipe)
    assert (fault["severity"], fault["where"]) == ("error", "dev/text:1")
    assert "data.drop" not in fault["remedy"]


def test_an_encoder_that_shortens_by_itself(recipe):
    # conv2d leaves 11 of 50 frames: "casă" fits, texts of 12 letters do not
    write_table(recipe.dir / "data/train/text", TEXTS | {"ana-train1": "abcdefghijkl"})
    assert recipe("train.encoder=transformer") == 0
    fault, _ = report(recipe)
    assert (fault["values"]["count"], fault["values"]["total"]) == (2, 3)
    assert "let the encoder shorten less than conv2d" in fault["remedy"]
    assert recipe("train.encoder=transformer", "train.encoder_conf={input_layer: linear}") == 0
    assert report(recipe)[0] == {}


def test_an_encoder_of_our_own_that_shortens(recipe):
    write_table(recipe.dir / "data/train/text", TEXTS | {"ana-train1": "abcdefghijklmnopqrstuvwxyz"})
    assert recipe("train.encoder=quartznet") == 0  # its stride of 2 leaves 25 of 50 frames
    fault, _ = report(recipe)
    assert (fault["values"]["worst"], fault["values"]["frames"]) == ("ana-train1", 25)
    assert "stride: 1 in train.encoder_conf" in fault["remedy"]
    assert recipe("train.encoder=quartznet", "train.encoder_conf={stride: 1}") == 0
    assert report(recipe)[0] == {}


def test_the_fastest_copy_counts(recipe):
    write_table(
        recipe.dir / "data/train/text", TEXTS | {"ana-train1": "ab" * 23}
    )  # 46 of 50 frames, of 1.1 times as fast 46
    assert recipe("features.speed=[0.9, 1.1]") == 0 and report(recipe)[0] == {}
    assert recipe("features.speed=[1.0, 1.2]") == 0
    values = report(recipe)[0]["values"]
    assert (values["frames"], values["steps"]) == (42, 46)  # 13333 samples


def test_pieces_are_counted_as_characters_until_they_are_learned(texts, capsys):
    settings = ("tokens.type=bpe", "tokens.size=20")
    assert texts(*settings) == 0
    assert (
        "for their characters, of which pieces will be fewer: stage 4 has not learned them yet,"
        in report(texts)[0]["found"]
    )
    folder = Context(texts.dir, load(texts.dir, list(settings))).tokens
    folder.mkdir(parents=True)
    train_tokenizer(list(read_table(texts.dir / "data/train/text").values()) * 20, "bpe", 20, folder, "text")
    assert texts(*settings) == 0  # the check is made again; pieces such as "oooo" need few frames
    assert report(texts)[0] == {}
    assert "frames per bpe piece;" in report(texts)[1]


def test_phones_are_counted_once_stage_4_has_made_them(texts):
    assert texts("tokens.type=phone") == 0 and report(texts)[0] == {}
    folder = texts.dir / "data/tokens/phone"
    folder.mkdir(parents=True)
    write_table(
        folder / "train.text", {"ana-train0": "u n", "ana-train1": " ".join("o" * 26), "ana-train2": "k a"}
    )
    assert texts("tokens.type=phone") == 0
    assert report(texts)[0]["values"] == {
        "count": 1,
        "total": 3,
        "labels": "phones",
        "worst": "ana-train1",
        "frames": 50,
        "steps": 51,
    }


def test_all_warnings_of_ctc_are_one(texts):
    assert texts() == 0
    assert len(faults(texts, "too_long_for_ctc")) == 1
