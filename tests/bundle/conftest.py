"""Bundles of one language, and of two."""

import pytest

from tests.bundle.many import single
from xlt.bundle import join


@pytest.fixture
def singles(tmp_path):
    return [single(tmp_path / lang, lang) for lang in ("eng_Latn", "ron_Latn", "rus_Cyrl")]


@pytest.fixture
def joined(singles, tmp_path):
    """Of English and Romanian."""
    join.join(singles[:2], tmp_path / "many")
    return tmp_path / "many"
