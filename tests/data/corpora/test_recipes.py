"""The reader recipes: small recipes of made-up languages, joined."""

import json
import shutil

import pytest

from tests.data.corpus import PHRASES, stamp, tone
from tests.errors import raises, told
from xlt.cli import main
from xlt.core.errors import DataError
from xlt.core.stage import renew
from xlt.data.normalisers import normalise_utterance, normaliser_of
from xlt.formats.tables import read_table, write_table

FRENCH = [
    "un ours",
    "un chat",
    "un grand chien",
    "trois pommes rouges",
    "une maison",
    "un vieux train",
    "la pleine lune",
    "deux fleurs",
    "un arbre",
    "la mer noire",
    "une grenouille",
    "un éléphant",
]


def run(folder, *words, stage="data"):
    return main([stage, "--recipe", str(folder), *words])


@pytest.fixture
def egs(tmp_path, monkeypatch):
    """fra (clips of 1 s) and ron (of 2 s) in one corpus of parallel stamps, and multi, which joins them;
    nothing is made.
    """
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    stamps = tmp_path / "stamps"
    for number, (romanian, french) in enumerate(zip(PHRASES, FRENCH, strict=True)):
        name = f"animals/s{number:02}"
        stamp(stamps, name, {"ro": romanian.capitalize() + ".", "fr": french})
        tone(stamps / f"{name}_desc_fr.ogg", hz=200.0 + 20 * number, dur_s=1.0)
        tone(stamps / f"{name}_desc_ro.ogg", hz=900.0 + 20 * number, dur_s=2.0)
    root = tmp_path / "egs"
    for name, lang in (("fra", "fra_Latn"), ("ron", "ron_Latn")):
        recipe(root / name, f"lang: {lang}", f"data: {{reader: tuxpaint, dir: {stamps}, train_minutes: 0.1}}")
    recipe(
        root / "multi",
        "lang: mul_Zyyy",
        "data: {reader: recipes, sources: [../fra, ../ron], train_minutes: 0.1}",
    )
    return root


def recipe(folder, *lines):
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text("\n".join([*lines, "nj: 1"]) + "\n", encoding="utf-8")
    return folder


def kaldi(root, name, lang, ids, hz):
    """A recipe over a Kaldi corpus with train, dev and test of one clip each."""
    for part, utt in zip(("train", "dev", "test"), ids, strict=True):
        folder = root / f"corpus_{name}" / part
        tone(folder / "a.wav", hz=hz)
        write_table(folder / "wav.scp", {utt: str(folder / "a.wav")})
        write_table(folder / "text", {utt: f"text {utt[-1]} {name}"})
        write_table(folder / "utt2spk", {utt: utt.split("-")[0]})
        hz += 100
    return recipe(root / name, f"lang: {lang}", f"data: {{reader: kaldi, dir: ../corpus_{name}}}")


def table(egs, name, part):
    return read_table(egs / name / "data" / part)


def test_one_command_makes_the_sources_and_joins_them(egs, capsys):
    assert run(egs / "multi") == 0
    out = capsys.readouterr().out
    assert "data: source ../fra, fra_Latn" in out and "tuxpaint-stamps-default, ron_Latn" in out
    for name in ("train", "dev", "test", "train_0.1min"):
        for part in ("text", "utt2spk", "utt2dur", "utt2lang", "utt2audio", "utt2group"):
            both = table(egs, "fra", f"{name}/{part}") | table(egs, "ron", f"{name}/{part}")
            assert table(egs, "multi", f"{name}/{part}") == both, (
                name,
                part,
            )  # the budget, too, is each source's own
        assert (egs / "multi/data" / name / "spk2utt").read_text().count("\n") == 2
    # 0.1 minutes are six French clips of 1 s, and three Romanian ones of 2 s
    count = list(table(egs, "multi", "train_0.1min/utt2lang").values())
    assert (count.count("fra_Latn"), count.count("ron_Latn")) == (6, 3)
    assert "train_0.1min: 9 utterances, 0.20 minutes (fra_Latn 0.10, ron_Latn 0.10)" in out


def test_tags_and_raw_texts_are_joined(egs):
    for lang, ids in (("lit_Latn", ["a-x", "b-y", "c-z"]), ("est_Latn", ["d-u", "e-v", "f-w"])):
        kaldi(egs, lang[:3], lang, ids, hz=400.0 if lang < "f" else 900.0)
        for part, utt in zip(("train", "dev", "test"), ids, strict=True):
            write_table(
                egs / f"corpus_{lang[:3]}" / part / f"utt2{'accent' if lang < 'f' else 'noise'}",
                {utt: f"very {utt}"},
            )
    recipe(egs / "tagged", "lang: mul_Zyyy", "data: {reader: recipes, sources: [../lit, ../est]}")
    assert run(egs / "tagged") == 0
    assert table(egs, "tagged", "all/utt2accent") == {utt: f"very {utt}" for utt in ("d-u", "e-v", "f-w")}
    assert table(egs, "tagged", "test/utt2noise") == {"c-z": "very c-z"}
    assert table(egs, "tagged", "dev/text_raw") == {"b-y": "text y lit", "e-v": "text v est"}
    assert set(table(egs, "tagged", "dev/utt2format").values()) == {"16000 1 wav"}


def test_clips_stay_where_they_are(egs):
    assert run(egs / "multi") == 0
    for utt, wav in table(egs, "multi", "test/wav.scp").items():
        assert wav == f"../{utt[9:12]}/data/all/wav/{utt}.wav" and (egs / "multi" / wav).is_file()
    assert not (egs / "multi/data/all/wav").exists()


def test_the_split_is_one_over_all_languages(egs):
    assert run(egs / "multi") == 0
    found = {}
    for name in ("train", "dev", "test"):
        found[name] = {utt.split("-")[1] for utt in table(egs, "multi", f"{name}/text")}
    assert (
        not found["train"] & found["test"]
        and not found["train"] & found["dev"]
        and not found["dev"] & found["test"]
    )


def test_the_report_sums_and_says_what_each_language_has(egs):
    assert run(egs / "multi") == 0
    parts = [json.loads((egs / name / "data/all/report.json").read_text()) for name in ("fra", "ron")]
    report = json.loads((egs / "multi/data/all/report.json").read_text())
    assert (report["kept"], report["seen"], report["lang"]) == (24, 24, "mul_Zyyy")
    assert report["normaliser"] == "generic-v1+ron-v1" and report["corpus"] == "tuxpaint-stamps-default"
    assert report["minutes"]["all"] == pytest.approx(0.6, abs=0.005)  # twelve clips of 1 s, twelve of 2 s
    assert report["utterances"]["test"] == sum(part["utterances"]["test"] for part in parts)
    assert report["languages"]["ron_Latn"]["recipe"] == "../ron"
    assert report["languages"]["ron_Latn"]["normaliser"] == "ron-v1"
    assert {k: report["languages"]["fra_Latn"][k] for k in ("kept", "minutes")} == {
        k: parts[0][k] for k in ("kept", "minutes")
    }


def test_a_second_run_is_up_to_date_and_a_changed_source_is_joined_again(egs, capsys):
    assert run(egs / "multi") == 0
    capsys.readouterr()
    assert run(egs / "multi") == 0
    assert "making" not in capsys.readouterr().out
    assert run(egs / "multi", "--force") == 0  # of this recipe, not of others
    assert capsys.readouterr().out.count("making") == 5
    yaml = egs / "ron/recipe.yaml"
    yaml.write_text(
        yaml.read_text().replace("train_minutes: 0.1", "max_chars_per_s: 6")
    )  # of 12 texts 11 are short enough
    assert run(egs / "multi") == 0
    out = capsys.readouterr().out
    assert (
        "making data/all again (data.max_chars_per_s: 25.0 → 6.0)" in out
        and "all again (../ron/data/all changed)" in out
    )
    assert set(table(egs, "multi", "all/text")) == set(table(egs, "fra", "all/text")) | set(
        table(egs, "ron", "all/text")
    )
    assert len(table(egs, "ron", "all/text")) < 12


def test_a_dry_run_writes_nothing(egs, capsys):
    before = sorted(egs.rglob("*"))
    assert run(egs / "multi", "--dry_run") == 0
    assert sorted(egs.rglob("*")) == before
    assert capsys.readouterr().out.count("would make data/all") == 3


def test_the_check_finds_no_fault_in_it(egs, capsys):
    assert run(egs / "multi", "data.train_minutes=null") == 0
    assert run(egs / "multi", "data.train_minutes=null", stage="check") == 0
    out = capsys.readouterr().out
    assert "0 errors" in out and "not normalised" not in out


def test_each_language_has_its_normaliser(egs, monkeypatch):
    from xlt.core.config import load

    monkeypatch.chdir(egs / "multi")
    cfg = load(egs / "multi")
    assert normaliser_of(cfg) == "generic-v1+ron-v1"
    of = normalise_utterance(cfg, {"a": "ron_Latn", "b": "fra_Latn", "c": "spa_Latn"}, "data/test/utt2lang")
    assert (of("a", "Ş!"), of("b", "Ş!")) == ("ș", "ş")  # a cedilla is a misspelt comma in Romanian alone
    for utt in ("c", "d"):
        with raises(DataError, f"'{utt}'", where="data/test/utt2lang"):
            of(utt, "x")


def test_the_same_word_in_two_languages_is_no_shared_text(egs, capsys):
    kaldi(egs, "spa", "spa_Latn", ("s-a", "s-b", "s-c"), 300.0)
    kaldi(egs, "cat", "cat_Latn", ("c-a", "c-b", "c-c"), 1300.0)
    for corpus, part in (("spa", "train"), ("cat", "test")):
        path = egs / f"corpus_{corpus}" / part / "text"
        path.write_text(path.read_text()[:4] + "la casa\n")
    run(egs / "multi", f"data.sources=[{egs}/spa, {egs}/cat]", "data.train_minutes=null")
    assert (
        run(egs / "multi", f"data.sources=[{egs}/spa, {egs}/cat]", "data.train_minutes=null", stage="check")
        == 0
    )
    assert (
        "la casa" in table(egs, "multi", "train/text").values()
        and "la casa" in table(egs, "multi", "test/text").values()
    )
    assert "in another set" not in capsys.readouterr().out


def test_a_source_that_joins_is_where_the_user_stands(egs, monkeypatch):
    monkeypatch.setenv("XLT_CWD", str(egs.parent))
    assert run(egs / "multi", "data.sources=[egs/fra]", "data.train_minutes=null") == 0
    assert set(table(egs, "multi", "all/utt2lang").values()) == {"fra_Latn"}


def test_where_the_corpus_is_holds_for_the_sources(egs, capsys):
    moved = egs.parent / "moved"
    (egs.parent / "stamps").rename(moved)
    assert run(egs / "multi") == 2
    assert "data.sources: ../fra: data.dir:" in capsys.readouterr().err
    assert run(egs / "multi", f"data.dir={moved}") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data.sources=null"], "data.sources: found None, expected directories of recipes"),
        (["data.sources=[]"], "data.sources: found []"),
        (["data.sources=[3]"], "data.sources: found [3]"),
        (["data.sources=[../gone]"], "gone: no recipe there (no recipe.yaml)"),
        (["lang=ron_Latn"], "lang: found ron_Latn, expected mul_Zyyy"),
        (["data.normaliser=ron-v1"], "data.normaliser: not for data.reader=recipes"),
        (["data.max_dur_s=9"], "data.max_dur_s: not for data.reader=recipes"),
        (["data.reader=kaldi"], "data.sources: only data.reader=recipes joins recipes"),
    ],
)
def test_impossible_settings(egs, capsys, monkeypatch, words, said):
    monkeypatch.setenv("XLT_CWD", str(egs / "multi"))
    assert run(egs / "multi", *words) == 2
    assert said in capsys.readouterr().err
    assert not (egs / "fra/data").exists()  # before any work


def sources(egs, *names):
    return f"data.sources=[{', '.join(str(egs / name) for name in names)}]"


def test_two_recipes_of_one_language(egs, capsys):
    shutil.copytree(egs / "fra", egs / "fra2")
    assert run(egs / "multi", sources(egs, "fra", "fra2")) == 2
    assert "../fra and ../fra2 are both fra_Latn" in capsys.readouterr().err


def test_a_source_that_joins_others(egs, capsys):
    recipe(egs / "more", "lang: mul_Zyyy", "data: {reader: recipes, sources: [../fra]}")
    assert run(egs / "multi", sources(egs, "more")) == 2
    assert "joins other recipes itself" in capsys.readouterr().err


def test_a_source_without_a_language(egs, capsys):
    recipe(egs / "new", "data: {reader: tuxpaint}")
    assert run(egs / "multi", sources(egs, "fra", "new")) == 2
    assert "data.sources: ../new: lang: found None" in capsys.readouterr().err


def test_the_same_utterance_id_in_two_sources(egs, capsys):
    kaldi(egs, "spa", "spa_Latn", ("s-a", "s-b", "s-c"), 300.0)
    kaldi(egs, "cat", "cat_Latn", ("t-a", "s-c", "s-b"), 1300.0)  # test in one, dev in the other
    assert run(egs / "multi", sources(egs, "spa", "cat"), "data.train_minutes=null") == 0
    said = capsys.readouterr().out
    assert (
        "2 utterance ids are in several sources, first 's-b': each id gets its language as a prefix, such as"
        " spa_Latn_s" in said
    )
    assert table(egs, "multi", "dev/text") == {"cat_Latn_s-c": "text c cat", "spa_Latn_s-b": "text b spa"}
    assert table(egs, "multi", "all/utt2spk") == {
        f"{lang}_{utt}": f"{lang}_{utt[0]}"
        for lang, utts in (("cat_Latn", ("s-b", "s-c", "t-a")), ("spa_Latn", ("s-a", "s-b", "s-c")))
        for utt in utts
    }
    assert all(content == utt for utt, content in table(egs, "multi", "all/utt2content").items())
    assert (
        main(["check", "--recipe", str(egs / "multi"), sources(egs, "spa", "cat"), "data.train_minutes=null"])
        == 0
    )


def test_the_same_utterance_id_in_what_is_mixed_in(egs):
    kaldi(egs, "spa", "spa_Latn", ("s-a", "s-b", "s-c"), 300.0)
    kaldi(egs, "cat", "cat_Latn", ("t-a", "s-c", "s-b"), 1300.0)
    kaldi(egs, "por", "por_Latn", ("u-a", "u-b", "u-c"), 2300.0)
    assert run(egs / "cat", "train.mix={spa: 0.1, por: 0.1}") == 0
    assert table(egs, "cat", "test_spa/utt2spk") == {"spa_Latn_s-c": "spa_Latn_s"}
    assert table(egs, "cat", "train_spa/text") == {"spa_Latn_s-a": "text a spa"}
    assert table(egs, "cat", "train_por/text") == {"u-a": "text a por"} and table(egs, "cat", "dev/text") == {
        "s-c": "text c cat"
    }


def test_another_accent_of_the_language_is_mixed_in(egs, capsys):
    """Where it has the recipe's own test speech, stage 2 says so."""
    kaldi(egs, "spa", "spa_Latn", ("s-a", "s-b", "s-c"), 300.0)
    kaldi(egs, "mex", "spa_Latn", ("m-a", "m-b", "m-c"), 1300.0)
    assert run(egs / "mex", "train.mix={spa: 0.5}") == 0
    assert table(egs, "mex", "train_spa/text") == {"s-a": "text a spa"}
    assert table(egs, "mex", "test_spa/utt2lang") == {"s-c": "spa_Latn"}
    kaldi(egs, "same", "spa_Latn", ("t-a", "t-b", "t-c"), 200.0)  # its dev and test sound as spa's train, dev
    assert run(egs / "same", "train.mix={spa: 0.5}") == 0
    capsys.readouterr()
    assert run(egs / "same", "train.mix={spa: 0.5}", "check.min_held_out=1", stage="check") != 0
    assert "'t-b' has the recording of 's-a', a training utterance of ../spa" in capsys.readouterr().err


def resplit(egs, **places):
    """Romanian with another split than the French of the same stamps: s03 and s07 are test, s08 is dev."""
    assert run(egs / "ron") == 0
    path = egs / "ron/data/all/utt2split"
    write_table(path, read_table(path) | {f"tuxpaint_ron-animals_{k}": place for k, place in places.items()})
    renew(egs / "ron/data/all", "utt2split")  # somebody's own, not seen as a damaged output


def test_what_is_test_speech_in_one_language_is_training_speech_in_none(egs, capsys):
    """As where two languages have the same contents, but other sentences that they take for one."""
    resplit(egs, s03="train", s07="dev", s00="test")
    capsys.readouterr()
    assert run(egs / "multi", "data.train_minutes=null") == 0
    lost = ["tuxpaint_fra-animals_s00", "tuxpaint_ron-animals_s03", "tuxpaint_ron-animals_s07"]
    everything = {f"tuxpaint_{lang}-animals_s{k:02}" for lang in ("fra", "ron") for k in range(12)}
    assert everything - set(table(egs, "multi", "all/text")) == set(lost)
    assert set(table(egs, "multi", "dev/text")) == {
        "tuxpaint_fra-animals_s08",
        "tuxpaint_ron-animals_s08",
    }
    report = json.loads((egs / "multi/data/all/report.json").read_text())
    assert (report["kept"], report["seen"], report["left_out"]) == (21, 24, {"held out elsewhere": lost})
    # twelve clips of 1 s and twelve of 2 s, without one of the former and two of the latter
    assert report["minutes"]["all"] == pytest.approx(31 / 60, abs=0.005)
    assert report["languages"]["ron_Latn"]["kept"] == 10
    said = capsys.readouterr().out
    assert (
        "1 utterances of ../ron (0.0 minutes) are left out of train: other sources hold the same contents"
        " out, e.g. 'tuxpaint_ron-animals_s03' says the same as 'tuxpaint_fra-animals_s03' of ../fra, in"
        " test\n"
    ) in said
    assert run(egs / "multi", "data.train_minutes=null", "check.min_held_out=1", stage="check") == 0


def test_a_source_of_which_another_holds_all_out(egs, capsys):
    resplit(egs, s03="dev", s08="train")
    assert run(egs / "multi", "data.train_minutes=null") == 2
    told(capsys.readouterr().err, "../ron", "dev", "--force", where="data.sources")


def test_a_language_whose_first_utterance_is_longer_than_the_budget(egs, capsys):
    assert run(egs / "multi", "data.train_minutes=0.02") == 2  # 1.2 s: a French clip, but no Romanian one
    assert (
        "no utterance of ron_Latn for train_0.02min: the first one is longer than" in capsys.readouterr().err
    )


def test_a_source_that_is_being_made_elsewhere(egs, capsys):
    from xlt.core.stage import lock

    with lock(egs / "fra/data/all"):
        assert run(egs / "multi") == 2
    assert "data.sources: ../fra: data/all: another process is writing it" in capsys.readouterr().err


def test_mixed_sets_have_all_tables_also_of_data_from_before(egs, capsys):
    assert run(egs / "ron", "train.mix={fra: 0.1}") == 0
    assert table(egs, "ron", "train_fra/text_raw") == table(egs, "fra", "train_0.1min/text_raw")
    (egs / "fra/data/test/utt2format").unlink()  # as an older version left it
    assert run(egs / "ron", "train.mix={fra: 0.1}") == 0
    assert "data: making data/test again (utt2format is missing)" in capsys.readouterr().out
    assert set(table(egs, "ron", "test_fra/utt2format").values()) == {"16000 1 ogg"}
