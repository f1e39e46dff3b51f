"""Recipes of public corpora, which are not here: run on corpora of tones in the same layout, where their
README puts them.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.recipes.layouts import SETS, WORDS, common_voice, fleurs, sentences, tone
from xlt.cli import main
from xlt.core.config import ROOT, load
from xlt.core.context import STAGES
from xlt.formats.tables import read_table
from xlt.text.languages import get
from xlt.text.normalise import normalise

PUBLIC = sorted(
    p.parent.name
    for p in (ROOT / "egs").glob("*/recipe.yaml")
    if load(p.parent).data.reader in ("commonvoice", "fleurs", "join") and not p.parent.name.endswith("_join")
)
MAKE = {"commonvoice": lambda place, iso: common_voice(place, iso, place.name), "fleurs": fleurs}
FAST = ["features.upstream=fbank", "train.max_epochs=1", "train.min_updates=0", "nj=1", "score.bootstrap=20"]


def at_hand(iso: str, root: Path) -> tuple[Path, list[str]]:
    """The recipe below ``root``/egs, its corpora where its settings say; the readers that it has."""
    recipe = root / "egs" / iso
    recipe.mkdir(parents=True)
    shutil.copy(ROOT / "egs" / iso / "recipe.yaml", recipe)
    data = load(recipe).data
    parts = data.parts or [{"reader": data.reader, "dir": data.dir}]
    for part in parts:
        MAKE[part["reader"]](Path(root / "egs" / iso / part["dir"]).resolve(), iso)
    return recipe, [part["reader"] for part in parts]


def run(recipe: Path, *stages: str) -> None:
    for stage in stages:
        assert main([stage, "--recipe", str(recipe), *FAST]) == 0, stage


def test_they_are_all_here():
    assert set(WORDS) == set(PUBLIC)


@pytest.mark.slow
@pytest.mark.parametrize("iso", PUBLIC)
def test_data_and_check(iso, tmp_path):
    recipe, readers = at_hand(iso, tmp_path)
    run(recipe, "data", "check")
    lang = get(load(recipe).lang)
    for name, count in SETS.items():
        texts = read_table(recipe / "data" / name / "text")
        assert len(texts) == count * len(readers)
        assert set(read_table(recipe / "data" / name / "utt2lang").values()) == {lang.code}
        assert set(texts.values()) <= {normalise(s, lang.normaliser) for s in sentences(iso)}
    report = json.loads((recipe / "data" / "check" / "report.json").read_text())
    assert report["errors"] == 0
    assert (ROOT / "egs" / iso / "README.md").read_text("utf-8").count("../../") == 0


def test_swahili_knows_its_two_corpora(tmp_path):
    recipe, _ = at_hand("swh", tmp_path)
    run(recipe, "data")
    tags = read_table(recipe / "data" / "test" / "utt2corpus")
    assert sorted(tags.values()) == ["commonvoice"] * SETS["test"] + ["fleurs"] * SETS["test"]


def test_english_knows_accents(tmp_path):
    recipe, _ = at_hand("eng", tmp_path)
    run(recipe, "data")
    assert set(read_table(recipe / "data" / "test" / "utt2accent").values()) == {
        "Scottish English",
        "India and South Asia (India, Pakistan, Sri Lanka)",
    }


def test_english_has_telephone_prompts_as_a_further_set(tmp_path):
    """As egs/eng/README.md says it, with prompts at hand instead of Debian's."""
    recipe, _ = at_hand("eng", tmp_path)
    prompts = tmp_path / "prompts"
    (prompts / "en_US_f_Allison").mkdir(parents=True)
    (prompts / "core-sounds-en.txt").write_text("goodbye: Goodbye.\nhello: Hello!\n", encoding="utf-8")
    for number, key in enumerate(("goodbye", "hello")):
        tone(prompts / f"en_US_f_Allison/{key}.wav", 40 + number, 8000)
    of = [f"data.further=[{{set: test_phone, reader: asterisk, dir: {prompts}}}]"]
    of += ["decode.sets=[dev,test,test_phone]", "check.min_held_out=1"]
    for stage in ("data", "check"):
        assert main([stage, "--recipe", str(recipe), *FAST, *of]) == 0
    folder = recipe / "data" / "test_phone"
    assert sorted(read_table(folder / "text").values()) == ["goodbye", "hello"]
    assert set(read_table(folder / "utt2accent").values()) == {"US"}


def test_chinese_has_no_spaces(tmp_path):
    recipe, _ = at_hand("cmn", tmp_path)
    run(recipe, "data", "tokens")
    assert not any(" " in text for text in read_table(recipe / "data" / "all" / "text").values())
    tokens = (recipe / "data" / "tokens" / "char" / "tokens.txt").read_text("utf-8").split()
    assert "房" in tokens and "<space>" not in tokens


@pytest.mark.trains
@pytest.mark.parametrize("iso", ["cmn", "swh"])
def test_all_stages(iso, tmp_path):
    recipe, readers = at_hand(iso, tmp_path)
    run(recipe, *(stage.name for stage in STAGES))
    score = json.loads((recipe / "exp" / "main" / "score.json").read_text())
    refs = read_table(recipe / "data" / "test" / "text")
    assert score["sets"]["test"]["cer"]["n_ref"] == sum(map(len, refs.values()))
    assert len(refs) == SETS["test"] * len(readers)
    assert get(load(recipe).lang).name in (recipe / "RESULTS.md").read_text("utf-8")


def test_without_the_corpus_it_says_where_it_belongs(tmp_path, capsys):
    (tmp_path / "egs" / "tur").mkdir(parents=True)
    shutil.copy(ROOT / "egs" / "tur" / "recipe.yaml", tmp_path / "egs" / "tur")
    assert main(["data", "--recipe", str(tmp_path / "egs" / "tur")]) == 2
    assert "data.dir: ../../corpora/commonvoice/tr: no such folder" in capsys.readouterr().err


def test_thousands_of_characters_are_tokens_and_come_back(tmp_path):
    """A list of 4000 characters, each in one text, as Chinese has it; what is written is what was read."""
    from xlt.tokens.tokenizer import Tokenizer, train_tokenizer

    texts = ["".join(chr(0x4E00 + 5 * k + i) for i in range(5)) for k in range(800)]
    facts = train_tokenizer(texts, "char", 0, tmp_path, "texts")
    tokenizer = Tokenizer(tmp_path)
    assert facts["count"] == 4003 and [tokenizer.decode(tokenizer.encode(text)) for text in texts] == texts
