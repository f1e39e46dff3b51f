"""Small corpora and commands for the tests of stage 1; the real corpus is found in the cache or fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.corpus import PHRASES, stamp
from xlt.cli import main
from xlt.core.config import load


@pytest.fixture
def stamps(tmp_path: Path) -> Path:
    """A corpus like Tux Paint's: twelve Romanian clips, each with its own text and tone, in ``animals/``."""
    root = tmp_path / "stamps"
    for number, phrase in enumerate(PHRASES):
        stamp(root, f"animals/s{number:02}", {"ro": phrase.capitalize() + "."}, {"ro": 200.0 + 20 * number})
    return root


class Recipe:
    """A recipe in a folder; calling it runs a stage through the command line and returns the exit status."""

    def __init__(self, folder: Path):
        self.dir = folder
        folder.mkdir()
        (folder / "recipe.yaml").write_text(
            "lang: ron_Latn\ndata: {reader: tuxpaint}\nnj: 1\n", encoding="utf-8"
        )

    def __call__(self, *settings: str) -> int:
        return main(["data", "--recipe", str(self.dir), *settings])

    def cfg(self, *settings: str):
        return load(self.dir, list(settings))


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A Romanian recipe with an empty cache of its own."""
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    return Recipe(tmp_path / "recipe")


@pytest.fixture(scope="session")
def real_stamps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the unpacked real corpus, in the cache of whoever runs the tests."""
    from xlt.data.corpora.tuxpaint import source

    return source(Recipe(tmp_path_factory.mktemp("real") / "recipe").cfg())
