"""The server as OpenAI's own client sees it, in this process; tests/serve/test_whole.py goes over a port."""

import pytest

from tests.lazy import Lazy
from tests.serve.conftest import make_pool, until
from tests.serve.made import write
from xlt.serve.jobs import Job

openai = Lazy("openai")
TOKEN = "0123456789abcdef"


@pytest.fixture
def client(connect):
    """OpenAI's."""
    return openai.OpenAI(
        api_key=TOKEN, base_url="http://localhost/v1", http_client=connect(tokens=[TOKEN]), max_retries=0
    )


def test_json_is_the_default(client, sound):
    with open(sound, "rb") as file:
        found = client.audio.transcriptions.create(file=file, model="whisper-1", language="ro")
    assert found.text == "n 3 n 5"


def test_verbose_json_with_times_of_words(client, sound):
    found = client.audio.transcriptions.create(
        file=sound,
        model="xlt",
        language="ro",
        prompt="Cluj",
        temperature=0,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert type(found).__name__ == "TranscriptionVerbose"
    assert found.duration == 3 and found.text == "n 3 Cluj Cluj n 5 Cluj"
    assert [(word.word, word.start, word.end) for word in found.words[:2]] == [("n", 0, 1), ("3", 0, 1)]
    first = found.segments[0]
    assert (first.id, first.start, first.end, first.text) == (0, 0, 1, "n 3 Cluj")
    assert first.no_speech_prob == 0 and first.compression_ratio > 0 > first.avg_logprob


@pytest.mark.parametrize(
    ("form", "begins"), [("text", "n 3 n 5\n"), ("srt", "1\n00:00:00,000"), ("vtt", "WEBVTT\n\n00:")]
)
def test_other_forms_are_texts(client, sound, form, begins):
    found = client.audio.transcriptions.create(
        file=sound, model="whisper-1", language="ro", response_format=form
    )
    assert isinstance(found, str) and found.startswith(begins)


def test_models(client):
    assert [one.id for one in client.models.list()] == ["xlt", "xlt-ron_Latn", "xlt-ell_Grek"]
    assert client.models.retrieve("xlt-ell_Grek").owned_by == "xlt"


def test_errors_have_their_classes(client, connect, sound):
    ask = client.audio.transcriptions.create
    with pytest.raises(openai.BadRequestError) as bad:
        ask(file=sound, model="whisper-1", language="xx")
    assert (bad.value.param, bad.value.code) == ("language", "unknown_language")
    assert "ron_Latn (Romanian)" in bad.value.message
    with pytest.raises(openai.NotFoundError):
        ask(file=sound, model="gpt-4o-transcribe", language="ro")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()
    own = openai.OpenAI(
        api_key="x", base_url="http://localhost/v1", http_client=connect(rate=1), max_retries=0
    )
    own.audio.transcriptions.create(file=sound, model="xlt", language="ro")
    with pytest.raises(openai.RateLimitError):
        own.audio.transcriptions.create(file=sound, model="xlt", language="ro")


def test_it_comes_back_when_the_queue_is_full(connect, tmp_path, sound):
    """After the seconds that Retry-After says, by itself."""
    pool = make_pool(tmp_path / "bundle", queue=1)
    pool.start()
    try:
        path = str(write(tmp_path / "slow.wav", 6, 6, 6))
        jobs = [
            Job({"do": "file", "path": path, "lang": "ron_Latn", "hotwords": [], "longest_s": 60.0})
            for _ in range(2)
        ]
        pool.submit(jobs[0])
        until(lambda: pool.busy == 1)
        pool.submit(jobs[1])
        own = openai.OpenAI(
            api_key="x", base_url="http://localhost/v1", http_client=connect(over=pool), max_retries=9
        )
        found = own.audio.transcriptions.create(file=sound, model="xlt", language="ro")
        assert found.text == "n 3 n 5"
    finally:
        pool.close()
