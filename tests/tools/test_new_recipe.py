import pytest

from xlt.config import load


@pytest.fixture
def corpus(tmp_path):
    """Function that makes empty files below a corpus folder with awkward characters in its name."""

    def make(*files):
        folder = tmp_path / "it's a corpus: #1"
        for file in files:
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        folder.mkdir(exist_ok=True)
        return folder

    return make


@pytest.mark.parametrize(("files", "reader"), [
    (["wav.scp", "text", "utt2spk"], "kaldi"),
    (["train/wav.scp", "train/text", "dev/wav.scp", "dev/text", "test/wav.scp", "test/text"], "kaldi"),
    (["usr/share/tuxpaint/stamps/animals/fish_desc_ro.ogg"], "tuxpaint"),
    (["a.wav", "b.wav"], None),
])
def test_recipe_is_filled_in(checkout, corpus, files, reader):
    folder = corpus(*files)
    done = checkout.run("tools/new_recipe.sh", "swh_Latn", str(folder))
    assert done.returncode == 0, done.stderr
    recipe = checkout.root / "egs" / "swh"
    cfg = load(recipe)
    assert (cfg.lang, cfg.data.reader, cfg.data.dir) == ("swh_Latn", reader, str(folder))
    assert ("fill in data.reader" in done.stdout) is (reader is None)
    assert done.stdout.splitlines()[-1] == "next: egs/swh/run.sh"
    assert sorted(p.name for p in recipe.iterdir()) == ["README.md", "recipe.yaml", "run.sh"]
    assert (recipe / "run.sh").read_bytes() == (checkout.root / "egs" / "TEMPLATE" / "run.sh").read_bytes()
    assert "swh_Latn" in (recipe / "README.md").read_text() and "CODE" not in (recipe / "README.md").read_text()
    assert "Fill in" not in (recipe / "recipe.yaml").read_text()


def test_corpus_inside_the_checkout_is_named_relative_to_the_recipe(checkout):
    (checkout.root / "corpora" / "swh").mkdir(parents=True)
    (checkout.root / "corpora" / "swh" / "wav.scp").touch()
    (checkout.root / "corpora" / "swh" / "text").touch()
    assert checkout.run("../tools/new_recipe.sh", "swh_Latn", "swh", cwd=checkout.root / "corpora").returncode == 0
    assert load(checkout.root / "egs" / "swh").data.dir == "../../corpora/swh"


def test_without_a_corpus_it_says_what_to_fill_in(checkout):
    done = checkout.run("tools/new_recipe.sh", "srp_Cyrl")
    assert done.returncode == 0 and "fill in data.dir" in done.stdout
    assert load(checkout.root / "egs" / "srp").lang == "srp_Cyrl"


@pytest.mark.parametrize("words", [[], ["swh"], ["sw_Latn"], ["swh_latn"], ["swh-Latn"], ["../x_Latn"],
                                   ["swh_Latn", "/nowhere"], ["swh_Latn", "a", "b"]], ids=" ".join)
def test_wrong_words_make_nothing(checkout, words):
    done = checkout.run("tools/new_recipe.sh", *words)
    assert done.returncode == 2 and done.stderr.startswith("new_recipe: ") and len(done.stderr.splitlines()) == 1
    assert sorted(p.name for p in (checkout.root / "egs").iterdir()) == ["TEMPLATE", "common"]


def test_recipe_that_exists_is_not_overwritten(checkout):
    checkout.run("tools/new_recipe.sh", "swh_Latn")
    (checkout.root / "egs" / "swh" / "recipe.yaml").write_text("lang: swh_Latn\n")
    done = checkout.run("tools/new_recipe.sh", "swh_Latn")
    assert done.returncode == 2 and "egs/swh is there already" in done.stderr
    assert (checkout.root / "egs" / "swh" / "recipe.yaml").read_text() == "lang: swh_Latn\n"
