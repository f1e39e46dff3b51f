"""Every recipe of Tux Paint on a dozen real clips: what knows its language, and some of them through all ten
stages, with log-mels and with a tiny random wav2vec2.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.tiny import make_tiny_wav2vec2
from xlt.bundle.transcribe import Transcriber
from xlt.cli import main
from xlt.core.config import ROOT, load
from xlt.core.context import STAGES
from xlt.data.corpora.tuxpaint import source, stamp_clips
from xlt.formats.tables import read_table
from xlt.text.languages import get
from xlt.tokens.tokenizer import Tokenizer


def of_stamps(recipe: Path) -> bool:
    """Whether all speech of a recipe is Tux Paint's; others: test_public_corpora.py."""
    data = load(recipe).data
    if data.reader == "recipes":
        return all(of_stamps(recipe.parent / Path(source).name) for source in data.sources)
    return data.reader == "tuxpaint"


RECIPES = sorted(p.parent.name for p in (ROOT / "egs").glob("*/recipe.yaml") if of_stamps(p.parent))
# Recipes hold no code and differ in the language alone (tests/test_recipes_hold_no_code.py), which stages 1,
# 2 and 4 know. Behind them: Latin, Greek and Cyrillic letters, and several languages at once.
ALL_STAGES = [
    ("ron", "fbank"),
    ("ron", "tiny"),
    ("ell", "tiny"),
    ("rus", "fbank"),
    ("multi", "fbank"),
    ("multi", "tiny"),
]
ALL = [stage.name for stage in STAGES]
CLIPS = 14


@pytest.fixture(scope="session")
def stamps():
    """The real corpus, from the cache or from Debian's registry."""
    return source(load(ROOT / "egs" / "ron"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return make_tiny_wav2vec2(tmp_path_factory.mktemp("models") / "tiny_wav2vec2")


def a_dozen(stamps: Path, lang: str, out: Path) -> Path:
    """A small corpus in the layout of the package: some animals and tools, which every language has."""
    clips = stamp_clips(stamps)[get(lang).iso1]
    told = [s for s in sorted(clips) if (stamps / f"{s}.txt").exists()]
    chosen = [s for s in told if s.startswith(("animals/mammals", "household/tools", "clothes"))][:CLIPS]
    for stamp in chosen:
        target = out / f"{stamp}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(stamps / f"{stamp}.txt", target)
        shutil.copyfile(clips[stamp], out / clips[stamp].relative_to(stamps))
    return out


def run(recipe: Path, settings: list[str], stages: Iterable[str] = ALL) -> None:
    for stage in stages:
        assert main([stage, "--recipe", str(recipe), *settings]) == 0, stage


def copied(name: str, stamps: Path, root: Path) -> tuple[Path, list[str]]:
    """The recipe below ``root``/egs, with those whose speech it joins, and what makes it quick."""
    corpus = None
    for of in [name, *(Path(other).name for other in load(ROOT / "egs" / name).data.sources or [])]:
        (root / "egs" / of).mkdir(parents=True)
        shutil.copyfile(ROOT / "egs" / of / "recipe.yaml", root / "egs" / of / "recipe.yaml")
        if load(root / "egs" / of).data.reader != "recipes":
            corpus = a_dozen(stamps, load(root / "egs" / of).lang, root / "stamps")
    quick = [
        "train.max_epochs=1",
        "train.min_updates=0",
        "nj=1",
        "score.bootstrap=50",
        "features.mix_updates=20",
        "check.min_held_out=1",
    ]
    return root / "egs" / name, [f"data.dir={corpus}", *quick]


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_data_check_and_tokens(name, stamps, tmp_path):
    recipe, settings = copied(name, stamps, tmp_path)
    run(recipe, settings, ["data", "check", "tokens"])
    assert json.loads((recipe / "data/check/report.json").read_text())["errors"] == 0
    texts = {name: read_table(recipe / "data" / name / "text") for name in ("train", "dev", "test")}
    assert all(texts.values()) and sum(map(len, texts.values())) >= 12
    (tokens,) = (recipe / "data/tokens").glob("*/tokens.txt")  # of the minutes that the recipe takes
    tokenizer = Tokenizer(tokens.parent)
    assert all(tokenizer.decode(tokenizer.encode(text)) == text for text in texts["train"].values())


@pytest.mark.trains
@pytest.mark.parametrize("name, upstream", ALL_STAGES)
def test_all_stages(name, upstream, stamps, tiny, tmp_path, capsys, monkeypatch):
    recipe, settings = copied(name, stamps, tmp_path)
    settings += ["preset=fast"]
    settings += (
        ["features.upstream=fbank"]
        if upstream == "fbank"
        else ["features.upstream=hf_wav2vec2_custom", f"features.path={tiny}"]
    )
    run(recipe, settings)
    exp = recipe / "exp" / "main"
    score = json.loads((exp / "score.json").read_text())
    for held_out in ("dev", "test"):
        refs, hyps = (
            read_table(recipe / "data" / held_out / "text"),
            read_table(exp / f"decode_{held_out}" / "text"),
        )
        assert refs.keys() == hyps.keys() and len(refs) >= 1
        assert score["sets"][held_out]["cer"]["n_ref"] == sum(map(len, refs.values()))
    assert load(recipe).lang in (recipe / "RESULTS.md").read_text()
    capsys.readouterr()

    run(recipe, settings)
    out = capsys.readouterr().out
    assert "making" not in out and out.count("is up to date") >= 9

    # a bundle hears what the recipe heard: same text, from the file that stage 1 wrote and with the recipe
    # gone
    utt, wav = next(iter(read_table(recipe / "data" / "test" / "wav.scp").items()))
    hyp, greedy = (read_table(exp / "decode_test" / name)[utt] for name in ("text", "greedy"))
    sound, bundle = tmp_path / "clip.wav", tmp_path / "bundle"
    shutil.copyfile(recipe / wav, sound)
    shutil.copytree(exp / "bundle", bundle)
    shutil.rmtree(recipe)
    assert main(["transcribe", str(bundle), str(sound)]) == 0
    assert capsys.readouterr().out == f"{sound}\t{hyp if greedy.strip() else ''}\n"
    # where CTC finds blanks alone, as after one epoch, a recording has no text; here it is to have it
    monkeypatch.setattr(Transcriber, "_only_blanks", lambda self, found: False)
    assert main(["transcribe", str(bundle), str(sound)]) == 0
    assert capsys.readouterr().out == f"{sound}\t{hyp}\n"
