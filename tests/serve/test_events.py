"""Transcripts while they are made, as OpenAI's client reads them with ``stream=True``."""

import asyncio
import json

import pytest

from tests.lazy import Lazy
from tests.serve.conftest import ask, make_pool, refused, until
from tests.serve.made import write
from xlt.serve.routes import Route, Routes

openai = Lazy("openai")


def events(answer):
    """Of an answer, all of which are data."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.split("\n\n") if line and line[0] != ":"]
    assert all(line.startswith("data: ") for line in lines)
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_openais_client_reads_piece_after_piece(connect, sound):
    client = openai.OpenAI(api_key="x", base_url="http://localhost/v1", http_client=connect(), max_retries=0)
    with open(sound, "rb") as file:
        found = list(client.audio.transcriptions.create(file=file, model="xlt", language="ro", stream=True))
    assert [one.type for one in found] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert [one.delta for one in found[:2]] == ["n 3", " n 5"] and found[2].text == "n 3 n 5"


def test_the_whole_is_counted_and_nothing_is_left(connect, sound, tmp_path):
    client = connect()
    found = events(ask(client, sound, stream="true", response_format="text"))
    assert found[-1] == {"type": "transcript.text.done", "text": "n 3 n 5"}
    assert client.server.uploads == 0 and list((tmp_path / "uploads").iterdir()) == []
    assert client.server.metrics.audio_s == 3


def test_silence_has_no_delta(connect, tmp_path):
    (only,) = events(ask(connect(), write(tmp_path / "a.wav", 0, 0), stream="true"))
    assert only == {"type": "transcript.text.done", "text": ""}


def test_an_error_before_the_first_piece_keeps_its_status(connect, tmp_path):
    client = connect()
    (tmp_path / "a").write_bytes(b"hello, I am no sound " * 99)
    refused(ask(client, tmp_path / "a", stream="true"), 400, param="file", code="invalid_value")
    refused(
        ask(client, tmp_path / "a", stream="true", language="xx"),
        400,
        param="language",
        code="unknown_language",
    )
    wrong = ask(client, tmp_path / "a", stream="true", response_format="srt")
    refused(wrong, 400, "json", param="response_format", code="invalid_value")
    client.server.routes = Routes({"fra_Latn": Route("fra_Latn", "http://localhost:1")})
    refused(
        ask(client, tmp_path / "a", stream="true", language="fr"), 400, param="stream", code="invalid_value"
    )
    assert client.server.uploads == 0 and list((tmp_path / "uploads").iterdir()) == []


def test_a_later_error_is_an_event(connect, tmp_path):
    """The second second is a defect."""
    client = connect()
    first, last = events(ask(client, write(tmp_path / "a.wav", 3, 7), stream="true"))
    assert first == {"type": "transcript.text.delta", "delta": "n 3"}
    assert last["error"]["code"] == "defect" and client.server.uploads == 0


def test_a_worker_that_dies_repeats_nothing(connect, tmp_path):
    """It ends once when it hears nine tenths; the next one begins anew."""
    pool = make_pool(tmp_path / "bundle")
    pool.start()
    try:
        client = connect(over=pool)
        found = events(ask(client, write(tmp_path / "a.wav", 2, 9, 4), stream="true"))
    finally:
        pool.close()
    assert [one["delta"] for one in found[:-1]] == ["n 2", " n 9", " n 4"]
    assert found[-1]["text"] == "n 2 n 9 n 4" and pool.restarts == 1


def test_a_client_that_goes_stops_the_work(connect, pool, tmp_path):
    """It disconnects after the first event, while the worker has a hundred slow seconds left."""
    client, path = connect(), write(tmp_path / "a.wav", 3, *[6] * 100)
    body = client.build_request(
        "POST",
        "/v1/audio/transcriptions",
        files={"file": ("a.wav", path.read_bytes())},
        data={"language": "ro", "stream": "true"},
    )
    content, sent = body.read(), []

    async def talk():
        given = asyncio.Queue()
        given.put_nowait({"type": "http.request", "body": content, "more_body": False})

        async def send(message):
            sent.append(message)
            if message.get("body"):
                given.put_nowait({"type": "http.disconnect"})

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/v1/audio/transcriptions",
            "raw_path": b"/v1/audio/transcriptions",
            "query_string": b"",
            "scheme": "http",
            "headers": [(k.lower().encode(), v.encode()) for k, v in body.headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
            "state": {},
        }
        await client.app(scope, given.get, send)

    asyncio.run(talk())
    assert b"n 3" in b"".join(message.get("body", b"") for message in sent)
    assert client.server.uploads == 0
    until(lambda: pool.busy == 0)


@pytest.mark.parametrize("language", ["auto"])
def test_languages_come_with_the_end(connect, tmp_path, language):
    folder = tmp_path / "telling"
    folder.mkdir()
    (folder / "tells").touch()
    pool = make_pool(folder)
    pool.start()
    try:
        found = events(
            ask(connect(over=pool), write(tmp_path / "a.wav", 3, 5, 5), stream="true", language=language)
        )
    finally:
        pool.close()
    assert found[-1]["language"] == "ell_Grek" and len(found[-1]["languages"]) == 2
