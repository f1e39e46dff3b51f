"""A recipe of Romanian with a few texts, for sources of language models."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fetch.test_deb import make_deb
from xlt.core.config import load
from xlt.core.context import Context
from xlt.fetch import packages
from xlt.formats.tables import write_table

ALPHABET = set("aăâbcdefghiîjklmnopqrsștțuvwxyz '-")
AFF = "SET UTF-8\nSFX S Y 1\nSFX S 0 ў .\n"


class Recipe:
    """``recipe(*settings)`` gives its context."""

    def __init__(self, folder: Path):
        self.dir = folder
        (folder / "recipe.yaml").write_text("lang: ron_Latn\n", encoding="utf-8")
        for name, text in (("train", "un cal"), ("dev", "o casă veche"), ("test", "un urs alb")):
            (folder / "data" / name).mkdir(parents=True)
            write_table(folder / "data" / name / "text", {f"{name}-1": text})

    def __call__(self, *settings: str) -> Context:
        return Context(self.dir, load(self.dir, list(settings)))

    def write(self, name: str, content: str | bytes) -> Path:
        data = content.encode() if isinstance(content, str) else content
        (self.dir / name).write_bytes(data)
        return self.dir / name


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(tmp_path)


@pytest.fixture
def debian(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """``debian(package, {path: content})``: what apt has; without, it has nothing."""
    folder = tmp_path_factory.mktemp("debian")
    monkeypatch.setenv("XLT_CACHE", str(folder / "cache"))
    there: dict[str, Path] = {}

    def download(package: str, version: str | None, place: Path) -> Path:
        if package not in there:
            raise packages._failed(package, "E: Could not resolve the mirror")
        return there[package]

    monkeypatch.setattr("xlt.lm.hunspell.apt_download", download)

    def have(package: str, files: dict[str, str]) -> None:
        content = {name: text.encode() for name, text in files.items()}
        there[package] = make_deb(folder / f"{package}_1.0_all.deb", content)

    return have
