"""A WebSocket that speaks as Vosk's server does."""

import asyncio
import json

import numpy as np
import pytest
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from tests.serve.conftest import ask, refused
from xlt.serve import Limits
from xlt.serve.access import Access
from xlt.serve.conversation import Closed, Conversation
from xlt.serve.pool import Pool
from xlt.serve.remote import PARTIAL_S
from xlt.serve.server import Server

TOKEN = "0123456789abcdef"


def spoken(*tenths, rate=16000):
    """16-bit samples of seconds as loud as said."""
    return (np.repeat(np.array(tenths) / 10, rate) * 32767).astype("<i2").tobytes()


def say(socket, data, step=6400):
    """Send ``data`` as a microphone does; the answers."""
    answers = []
    for start in range(0, len(data), step):
        socket.send_bytes(data[start : start + step])
        answers.append(socket.receive_json())
    return answers


def finals(answers):
    return [one for one in answers if "partial" not in one]


def end(socket):
    socket.send_json({"eof": 1})
    last = socket.receive_json()
    with pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_json()
    assert closed.value.code == 1000
    return last


@pytest.mark.parametrize("rate", [16000, 8000, 44100])
def test_a_conversation(connect, rate):
    """Each message has one answer; a pause ends a piece; times count from the beginning."""
    with connect().websocket_connect("/") as socket:
        socket.send_json({"config": {"sample_rate": rate, "lang": "ro"}})
        answers = say(socket, spoken(3, 0, 5, 5, rate=rate), step=rate // 5 * 2)
        (first,) = finals(answers)
        assert len(answers) == 20 and first["text"] == "n 3"
        word = first["result"][0]
        assert (word["word"], word["conf"]) == ("n", 0.5)
        assert word["start"] == 0 and word["end"] == pytest.approx(1.15, abs=0.07)
        last = end(socket)
    assert last["result"][0]["start"] == pytest.approx(1.85, abs=0.07)


def test_partial_results(connect, pool):
    with connect().websocket_connect("/?lang=ron_Latn") as socket:
        seen = []
        while not seen or not seen[-1]["partial"]:  # a worker has time between two messages, sooner or later
            seen += say(socket, spoken(3)[:6400])
            assert len(seen) < 20 / 0.2, "nothing of the longest piece was seen"
        assert seen[-1] == {"partial": "n 3"} and len(seen) >= PARTIAL_S / 0.2
        assert finals(say(socket, spoken(0)))[0]["text"] == "n 3"
        assert end(socket) == {"text": ""}


def test_a_worker_that_dies_loses_nothing(connect, pool):
    before = pool.restarts
    (pool.folder / "died").unlink(missing_ok=True)
    with connect().websocket_connect("/v1/stream?model=xlt-ron_Latn") as socket:
        (found,) = finals(say(socket, spoken(9)[:9600] + spoken(0)))
        assert found["text"] == "n 9" and pool.restarts > before


def test_hotwords_and_no_words(connect):
    with connect().websocket_connect("/") as socket:
        socket.send_json({"config": {"lang": "el", "phrase_list": ["Πάτρα"], "words": False}})
        assert finals(say(socket, spoken(3, 0))) == [{"text": "n 3 Πάτρα"}]


def test_long_messages_are_cut_inside(connect):
    with connect().websocket_connect("/?lang=ro") as socket:
        (answer,) = say(socket, spoken(3, 0, 5, 0), step=10**6)
    assert answer["text"] == "n 3 n 5"


@pytest.mark.parametrize(
    ("message", "status", "fact"),
    [
        (b"\0" * 3, 1003, "16-bit"),
        ("no json", 1003, "JSON"),
        ("[" * 100_000, 1003, "JSON"),
        ("[]", 1003, "JSON"),
        ({"nothing": 1}, 1003, "eof"),
        ({"config": 1}, 1003, "config"),
        ({"config": {"sample_rat": 1}}, 1003, "sample_rate"),
        ({"config": {"sample_rate": 1}}, 1003, "8000"),
        ({"config": {"sample_rate": "fast"}}, 1003, "8000"),
        ({"config": {"phrase_list": "word"}}, 1003, "list"),
        ({"config": {"max_alternatives": 3}}, 1003, "0"),
        ({"config": {"lang": 3}}, 1003, "word"),
    ],
)
def test_wrong_messages(connect, message, status, fact):
    with connect().websocket_connect("/?lang=ro") as socket:
        if isinstance(message, bytes):
            socket.send_bytes(message)
        else:
            socket.send_text(message if isinstance(message, str) else json.dumps(message))
        closes(socket, status, fact)


def closes(socket, status, *facts):
    error = socket.receive_json()["error"]
    assert [fact for fact in facts if fact not in error["message"]] == []
    with pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_json()
    assert closed.value.code == status


@pytest.mark.parametrize(
    ("query", "config", "fact"),
    [
        ("", {}, "ron_Latn (Romanian)"),
        ("?lang=xx", {}, "ron_Latn (Romanian)"),
        ("?lang=ro", {"phrase_list": ["a@b"]}, "a@b"),
    ],
)
def test_wrong_settings_are_said_with_the_first_samples(connect, query, config, fact):
    with connect().websocket_connect(f"/{query}") as socket:
        socket.send_json({"config": config})
        socket.send_bytes(spoken(3))
        closes(socket, 1008, fact)


def test_settings_come_first(connect):
    with connect().websocket_connect("/?lang=ro") as socket:
        say(socket, spoken(0))
        socket.send_json({"config": {"sample_rate": 8000}})
        closes(socket, 1003, "config")


def test_streams_are_limited(connect):
    client = connect(streams=1, audio_s=2.0)
    with client.websocket_connect("/?lang=ro") as socket:
        with pytest.raises(WebSocketDenialResponse) as busy, client.websocket_connect("/?lang=ro"):
            pass
        refused(busy.value, 503, "streams", code="busy")
        assert "xlt_streams 1\n" in client.get("/metrics").text
        socket.send_bytes(spoken(3, 3, 3))
        assert socket.receive_json()["text"] == ""  # what was said before is not lost: there was nothing
        closes(socket, 1009, "0.0333333 minutes")
    assert client.server.metrics.streams == 0


def test_a_silent_client_is_let_go(connect):
    with connect(idle_s=0.05).websocket_connect("/?lang=ro") as socket:
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert closed.value.code == 1008


def test_a_client_that_vanishes_leaves_nothing(connect, sound):
    client = connect()
    with client.websocket_connect("/?lang=ro") as socket:
        say(socket, spoken(3))
    assert client.server.metrics.streams == 0 and ask(client, sound).status_code == 200


def test_a_server_that_stops_keeps_nobody_waiting(tmp_path):
    """It takes no more, so that its queue stays full."""
    pool = Pool(tmp_path, 1, 4)
    pool.languages = ("ron_Latn",)
    pool.close()
    server = Server(pool, Limits(), Access([], (), True), tmp_path)
    with pytest.raises(Closed) as closed:
        asyncio.run(Conversation(server, "ron", None).hear(spoken(3)))
    assert closed.value.status == 1011 and closed.value.problem.code == "worker_lost"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "invalid_api_key"),
        ({"authorization": f"Bearer {TOKEN}", "origin": "https://evil.example"}, 403, "foreign_origin"),
    ],
)
def test_who_may_not(connect, headers, status, code):
    client = connect(tokens=[TOKEN])
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/", headers=headers):
        pass
    refused(denied.value, status, code=code)
