from pathlib import Path

import pytest

from tests.data.corpus import PHRASES, tone, voice
from tests.errors import raises, told
from xlt.core.config import load
from xlt.core.errors import ConfigError, DataError
from xlt.data.corpora.join import read
from xlt.formats.tables import read_table, write_table


def kaldi(root: Path, speaker: str, start: int, sets=("train", "dev", "test")) -> Path:
    """A Kaldi folder with a few clips of one speaker in each set; ``start`` chooses the phrases."""
    for number, name in enumerate(sets):
        folder = root / (name or "")
        utts = [f"{speaker}-{name or 'all'}{k}" for k in range(2)]
        for k, utt in enumerate(utts):
            tone(folder / f"{utt}.wav", hz=200.0 + 30 * (start + 2 * number + k))
        write_table(folder / "wav.scp", {utt: f"{utt}.wav" for utt in utts})
        write_table(folder / "text", {utt: PHRASES[start + 2 * number + k] for k, utt in enumerate(utts)})
        write_table(folder / "utt2spk", dict.fromkeys(utts, speaker))
    return root


def parts(*places: Path) -> str:
    listed = ", ".join(f"{{reader: kaldi, dir: {place}}}" for place in places)
    return f"data.parts=[{listed}]"


def test_two_corpora_as_one(recipe, tmp_path):
    """Ids, texts and splits stay; the tag corpus tells them apart in every set."""
    one, two = kaldi(tmp_path / "a", "ana", 0), kaldi(tmp_path / "b", "ion", 6)
    assert recipe("data.reader=join", parts(one, two)) == 0
    for name in ("train", "dev", "test"):
        folder = recipe.dir / "data" / name
        assert read_table(folder / "utt2corpus") == {
            f"ana-{name}0": "kaldi",
            f"ana-{name}1": "kaldi",
            f"ion-{name}0": "kaldi2",
            f"ion-{name}1": "kaldi2",
        }
        assert read_table(folder / "text")[f"ion-{name}1"] == read_table(two / name / "text")[f"ion-{name}1"]


def test_a_part_says_what_its_corpus_does_not(recipe, tmp_path):
    """Its own tags come first, those of the whole recipe last; all sets have them."""
    one, two = kaldi(tmp_path / "a", "ana", 0), kaldi(tmp_path / "b", "ion", 6)
    write_table(one / "test/utt2accent", {"ana-test0": "Cluj"})
    listed = (
        f"data.parts=[{{reader: kaldi, dir: {one}, tags: {{accent: Iași}}}}, {{reader: kaldi, dir: {two}}}]"
    )
    assert recipe("data.reader=join", listed, "data.tags={accent: elsewhere, year: 2026}") == 0
    data = recipe.dir / "data"
    assert read_table(data / "train/utt2accent") == {
        "ana-train0": "Iași",
        "ana-train1": "Iași",
        "ion-train0": "elsewhere",
        "ion-train1": "elsewhere",
    }
    assert read_table(data / "test/utt2accent")["ana-test0"] == "Cluj"
    assert set(read_table(data / "dev/utt2year").values()) == {"2026"}
    assert set(read_table(data / "dev/utt2corpus").values()) == {"kaldi", "kaldi2"}


@pytest.mark.parametrize("given", ["{lang: x}", "{Accent: x}", "{accent: }", "{accent: [x]}", "{1: x}"])
def test_what_is_no_tag(given, recipe, tmp_path, capsys):
    assert recipe(f"data.dir={tmp_path}", "data.reader=kaldi", f"data.tags={given}") == 2
    told(capsys.readouterr().err, "accent: Mexico", where="data.tags")
    one = kaldi(tmp_path / "a", "ana", 0)
    assert recipe("data.reader=join", f"data.parts=[{{reader: kaldi, dir: {one}, tags: {given}}}]") == 2
    assert "data.parts, part 1: tags: found " in capsys.readouterr().err


def test_a_change_in_any_part_is_seen(recipe, tmp_path, capsys):
    one, two = kaldi(tmp_path / "a", "ana", 0), kaldi(tmp_path / "b", "ion", 6)
    recipe("data.reader=join", parts(one, two))
    capsys.readouterr()
    recipe("data.reader=join", parts(one, two))
    assert "making" not in capsys.readouterr().out
    (two / "dev" / "text").write_text("ion-dev0 alt text\nion-dev1 luna\n", encoding="utf-8")
    recipe("data.reader=join", parts(one, two))
    assert "making data/all again (corpus:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("null", "data.parts: found None, expected corpora such as"),
        ("[a, b]", r"data.parts: found \['.*a', '.*b'\], expected corpora"),
        ("[{dir: a}]", "expected corpora such as"),
        ("[{reader: kaldi, dirr: a}]", "data.parts, part 1: data.dirr: unknown key; did you mean data.dir"),
        ("[{reader: kaldi, dir: 3}]", "data.parts, part 1: data.dir: found 3, expected text or null"),
        (
            "[{reader: kaldi, max_dur_s: 3}]",
            "part 1: max_dur_s: 3 is not for a part; set it in data, or leave it out",
        ),
        ("[{reader: join, dir: a}]", "part 1: reader: join is not for a part"),
        ("[{reader: kladi, dir: a}]", "data.parts: kladi: data.reader 'kladi' is not known"),
    ],
)
def test_parts_that_cannot_be(recipe, given, said):
    with pytest.raises(ConfigError, match=said):
        read(recipe.cfg("data.reader=join", f"data.parts={given}"))


def test_an_error_names_its_part(recipe, tmp_path):
    with raises(DataError, "kaldi2", "data.dir", tmp_path / "nowhere", where="data.parts"):
        read(recipe.cfg("data.reader=join", parts(kaldi(tmp_path / "a", "ana", 0), tmp_path / "nowhere")))


def test_the_same_corpus_twice(recipe, tmp_path):
    one = kaldi(tmp_path / "a", "ana", 0)
    with pytest.raises(DataError, match="'ana-train0' is in kaldi and in kaldi2; leave one part out"):
        read(recipe.cfg("data.reader=join", parts(one, one)))


def test_one_with_a_split_and_one_without(recipe, tmp_path):
    one, two = kaldi(tmp_path / "a", "ana", 0), kaldi(tmp_path / "b", "ion", 6, sets=(None,))
    with pytest.raises(DataError, match="kaldi has a train, dev and test set, kaldi2 has not"):
        read(recipe.cfg("data.reader=join", parts(one, two)))


def test_paths_count_from_where_the_user_stands(recipe, tmp_path):
    kaldi(tmp_path / "a", "ana", 0)
    word = "data.parts=[{reader: kaldi, dir: a}]"
    assert len(read(load(recipe.dir, ["data.reader=join", word], tmp_path)).utterances) == 6
    assert load(recipe.dir, [word], tmp_path).data.parts == [{"reader": "kaldi", "dir": str(tmp_path / "a")}]


def test_each_corpus_keeps_its_own_sets(recipe, tmp_path):
    """As egs/rus_join needs it: what egs/rus is tested on, it must not be trained on."""
    alone = {}
    for start, name in enumerate(("ana", "ion")):
        numbers = range(40 * start, 40 * start + 40)
        texts = {f"a{k}": f"propoziția {chr(97 + k // 26)}{chr(97 + k % 26)}" for k in numbers}
        voice(tmp_path / name, texts, first_hz=300.0 + 1000 * start)
        assert recipe("data.reader=festvox", f"data.dir={tmp_path / name}") == 0
        alone |= read_table(recipe.dir / "data/all/utt2split")
    listed = ", ".join(f"{{reader: festvox, dir: {tmp_path / name}}}" for name in ("ana", "ion"))
    assert recipe("data.reader=join", f"data.parts=[{listed}]") == 0
    assert read_table(recipe.dir / "data/all/utt2split") == alone and len(alone) == 80
    assert set(read_table(recipe.dir / "data/all/utt2corpus").values()) == {"festvox", "festvox2"}


def test_what_two_corpora_say_is_where_the_first_has_it(recipe, tmp_path):
    """A model of the first corpus' other languages has not heard its test sentences; so must this one not."""
    for start, name in enumerate(("zoe", "ana")):
        texts = {f"{name[0]}{k}": f"cuvântul {chr(97 + k // 26)}{chr(97 + k % 26)}" for k in range(40)}
        voice(tmp_path / name, texts, first_hz=300.0 + 1000 * start)
    assert recipe("data.reader=festvox", f"data.dir={tmp_path / 'zoe'}") == 0
    alone = read_table(recipe.dir / "data/all/utt2split")
    listed = ", ".join(f"{{reader: festvox, dir: {tmp_path / name}}}" for name in ("zoe", "ana"))
    assert recipe("data.reader=join", f"data.parts=[{listed}]") == 0
    found = read_table(recipe.dir / "data/all/utt2split")
    assert {utt: found[utt] for utt in alone} == alone and set(alone.values()) == {"train", "dev", "test"}
    assert {utt.replace("zoe-z", "ana-a"): place for utt, place in alone.items()} == {
        utt: place for utt, place in found.items() if utt not in alone
    }
