"""What several readers are tested with."""

import pytest

from tests.data.corpus import tone


@pytest.fixture
def folder(tmp_path):
    """clips/a.wav, b.wav and c.wav; no table yet."""
    for number, name in enumerate("abc"):
        tone(tmp_path / f"corpus/clips/{name}.wav", hz=300.0 + 50 * number)
    return tmp_path / "corpus"
