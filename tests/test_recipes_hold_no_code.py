"""A recipe holds data, never logic."""

import re
import subprocess
from pathlib import Path

import pytest

from xlt.core.config import load
from xlt.core.registry import READERS
from xlt.core.schema import schema
from xlt.core.yaml_source import read_yaml
from xlt.text import languages

ROOT = Path(__file__).resolve().parent.parent
EGS = ROOT / "egs"
TEMPLATE = EGS / "TEMPLATE"
RECIPES = sorted(p.parent for p in EGS.glob("*/recipe.yaml"))
LANGUAGES = [r for r in RECIPES if r != TEMPLATE]
ALLOWED = re.compile(
    r"run\.sh|recipe\.yaml|README\.md|RESULTS\.md|results/(pretraining/)?[^/]+\.(json|svg|png)|results/examples/[^/]+\.json|experiments/[^/]+\.yaml"
)
TUXPAINT = {"ron", "cat", "bel", "ell", "spa", "fra", "rus", "bul", "dan"}
PROMPTS = {"set": "test_phone", "reader": "asterisk"}


def name(recipe):
    return recipe.name


def test_the_recipes_are_there():
    assert {"TEMPLATE", *TUXPAINT} <= {r.name for r in RECIPES}
    folders = {p.name for p in EGS.iterdir() if p.is_dir() and not p.name.startswith(".")}
    assert folders - {"common", "report"} == {r.name for r in RECIPES}


@pytest.mark.parametrize("recipe", RECIPES, ids=name)
def test_run_sh_is_the_same_few_lines_everywhere(recipe):
    script = recipe / "run.sh"
    assert script.read_bytes() == (TEMPLATE / "run.sh").read_bytes()
    assert script.stat().st_mode & 0o111 == 0o111
    assert len(script.read_text("utf-8").splitlines()) < 10


@pytest.mark.parametrize("recipe", RECIPES, ids=name)
def test_nothing_else_is_committed_in_a_recipe(recipe):
    listed = subprocess.run(["git", "-C", str(recipe), "ls-files"], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = listed.stdout.splitlines()
    assert {"run.sh", "recipe.yaml", "README.md"} <= set(files)
    assert [f for f in files if not ALLOWED.fullmatch(f)] == []


@pytest.mark.parametrize("recipe", RECIPES, ids=name)
def test_settings_load_and_are_few(recipe):
    load(recipe)  # refuses unknown keys and wrong types
    own = read_yaml(recipe / "recipe.yaml")
    assert set(own) <= set(schema()) and len(own) <= 12


@pytest.mark.parametrize("recipe", LANGUAGES, ids=name)
def test_folder_is_named_by_the_language(recipe):
    cfg = load(recipe)
    assert languages.get(cfg.lang).code == cfg.lang
    several = "pretrain" if cfg.pretrains else "multi"
    assert recipe.name.split("_")[0] == (several if cfg.lang == languages.MULTIPLE else cfg.lang[:3])
    assert cfg.pretrains or cfg.data.reader in READERS.names()


@pytest.mark.parametrize("recipe", [r for r in LANGUAGES if r.name in TUXPAINT], ids=name)
def test_tux_paint_recipes_differ_in_the_language_only(recipe):
    own = {key: value for key, (value, _) in read_yaml(recipe / "recipe.yaml").items()}
    assert own.pop("lang")[:3] == recipe.name
    prompts = own.pop("data.further", None)  # a further test set, for the languages that Debian has one of
    assert prompts == ([PROMPTS] if recipe.name in ("fra", "rus", "spa") else None)
    assert own == {
        "data.reader": "tuxpaint",
        "data.train_minutes": 10,
        "preset": "whisper_ed",
        "features.upstream": "whisper_base",
    }


def test_template_tunes_whisper():
    cfg = load(TEMPLATE)
    assert (cfg.lang, cfg.preset, cfg.features.upstream) == (None, "whisper_ed", "whisper_base")
