"""Stage 6 says how many of Whisper's tokens a word costs."""

import pytest

from tests.lazy import Lazy

setup = Lazy("xlt.models.whisper.job")

pytestmark = pytest.mark.trains


class Bytes:
    """A vocabulary that spells each text in its bytes."""

    def tokens_per_word(self, texts):
        texts = list(texts)
        return sum(len(text.encode()) for text in texts) / sum(len(text.split()) for text in texts)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["ana", "are mere"], "  3.7 of Whisper's tokens a word\n"),  # 11 bytes, 3 words
        (
            ["ანა"],
            "  9.0 of Whisper's tokens a word, as Whisper spells this script in bytes (Spanish: 1.6):"
            " decoding takes longer\n",
        ),
    ],
)
def test_a_script_that_is_spelled_in_bytes_is_told(texts, said, capsys):
    setup._say_spelling(Bytes(), texts)
    assert capsys.readouterr().out == said
