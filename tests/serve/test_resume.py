"""Streams of a model that streams, of packets that say their place, and of connections that are lost."""

import json
import os
import signal
import struct

import pytest
from starlette.websockets import WebSocketDisconnect

from tests.serve.conftest import until
from tests.serve.test_stream import closes, end, finals, say, spoken
from xlt.serve.stream import Stream

GREEK = "/?lang=ell_Grek"  # as of tests.serve.made: a letter for each half second


def numbered(place, data):
    return struct.pack("<Q", place) + data


def ask(socket, message):
    if isinstance(message, bytes):
        socket.send_bytes(message)
    else:
        socket.send_json(message)
    return socket.receive_json()


def until_partial(socket, expected):
    """A worker has time between two messages, sooner or later."""
    found = {}

    def is_there():
        found.update(ask(socket, b""))
        return found["partial"] == expected

    until(is_there)
    return found


def test_partial_results_chunk_by_chunk(connect):
    with connect().websocket_connect(GREEK) as socket:
        answers = say(socket, spoken(3, 3, 3)[: 2 * 34000], step=3200)
        found = until_partial(socket, "cccc")
        assert found == {"partial": "cccc", "stable": "ccc"}
        seen = [one["partial"] for one in answers]
        assert all(b.startswith(a) for a, b in zip(seen[:-1], seen[1:], strict=True))
        (final,) = finals(say(socket, spoken(0)))
        assert final["text"] == "n 3" and ask(socket, b"") == {"partial": "", "stable": ""}
        say(socket, spoken(5, 5)[: 2 * 18000])
        until_partial(socket, "ee")
        assert end(socket)["text"] == "n 5"


def test_words_of_the_client_are_in_partial_results(connect):
    with connect().websocket_connect(GREEK) as socket:
        socket.send_json({"config": {"phrase_list": ["Πάτρα"]}})
        say(socket, spoken(3, 3)[: 2 * 18000])
        until_partial(socket, "cc Πάτρα")


def test_a_worker_that_dies_has_its_piece_heard_by_another(connect, pool):
    with connect().websocket_connect(GREEK) as socket:
        say(socket, spoken(3, 3)[: 2 * 18000])
        until_partial(socket, "cc")
        restarts = pool.restarts
        for pid in pool.pids:
            os.kill(pid, signal.SIGKILL)
        until(lambda: pool.restarts >= restarts + 2)
        say(socket, spoken(3, 3)[: 2 * 18000])
        until_partial(socket, "cccc")
        assert end(socket)["text"] == "n 3"


def test_packets_that_say_their_place(connect):
    with connect().websocket_connect("/?lang=ro") as socket:
        socket.send_json({"config": {"numbered": True, "words": False}})
        data = spoken(3, 0)
        half = len(data) // 4  # in samples, each of two bytes
        for place in (0, 0, 8000, 24000, 16000):
            answer = ask(socket, numbered(place, data[2 * place : 2 * place + 2 * 8000]))
        assert half == 16000 and answer == {"text": "n 3"}
        ask(socket, numbered(33000, spoken(5)))
        lost = ask(socket, numbered(49000, spoken(5, 0, 0)))
        assert lost["lost"] == [[2.0, 2.062]] and lost["text"] == "n 5"


@pytest.mark.parametrize(
    ("message", "fact"), [(b"\0\0", "8 bytes"), (numbered(10**9, b"\0\0"), "1000000000")]
)
def test_places_that_are_none(connect, message, fact):
    with connect().websocket_connect("/?lang=ro") as socket:
        socket.send_json({"config": {"numbered": True}})
        socket.send_bytes(message)
        closes(socket, 1003, fact)


def begun(socket, **config):
    """A stream that may be resumed; its token."""
    offer = ask(socket, {"config": {"resume": True, "words": False, **config}})["resume"]
    assert offer["keep_s"] == 30
    return offer["token"]


def test_a_lost_connection_is_resumed(connect):
    """What was heard need not be sent again, and what was said meanwhile is told."""
    client = connect()
    with client.websocket_connect("/?lang=ro") as socket:
        token = begun(socket)
        say(socket, spoken(3, 0, 4, 0))
        say(socket, spoken(5)[: 2 * 8000])
    until(lambda: len(client.server.kept) == 1)
    with client.websocket_connect("/") as socket:
        found = ask(socket, {"config": {"token": token, "results": 1}})["resume"]
        assert found == {"token": token, "samples": 4.5 * 16000, "missed": [{"text": "n 4"}]}
        assert finals(say(socket, spoken(5, 0))) == [{"text": "n 5"}]
        assert end(socket) == {"text": ""}
    assert len(client.server.kept) == 0 and client.server.talking == {}


def test_a_connection_that_the_server_thinks_alive_gives_way(connect):
    client = connect()
    with client.websocket_connect("/?lang=ro") as old:
        token = begun(old)
        say(old, spoken(3)[:16000])
        with client.websocket_connect("/") as socket:
            found = ask(socket, {"config": {"token": token}})["resume"]
            assert found["samples"] == 8000
            with pytest.raises(WebSocketDisconnect) as closed:
                old.receive_json()
            assert closed.value.code == 1008
            assert finals(say(socket, spoken(3, 0)))[0] == {"text": "n 3"}
            end(socket)


def test_what_comes_late_on_the_old_connection_is_not_heard(connect, monkeypatch):
    """It is sent again on the new one: packets that say no place would be heard twice."""

    async def unheard_of(self):  # the client does not know yet that it is closed
        self._taken = True

    monkeypatch.setattr(Stream, "_give_way", unheard_of)
    client = connect()
    with client.websocket_connect("/") as socket:
        with client.websocket_connect("/?lang=ro") as old:
            token = begun(old)
            say(old, spoken(3)[:16000])
            assert ask(socket, {"config": {"token": token}})["resume"]["samples"] == 8000
            old.send_bytes(spoken(3)[:16000])
        assert client.server.talking[token].own.place == 8000
        end(socket)


def test_the_last_text_is_kept_where_the_line_breaks_before_it(connect, monkeypatch):
    client, send = connect(), Stream._send

    async def broken(self, message):
        if "text" in message:
            raise WebSocketDisconnect(1006)
        await send(self, message)

    with monkeypatch.context() as patched, client.websocket_connect("/?lang=ro") as socket:
        token = begun(socket)
        say(socket, spoken(3))
        patched.setattr(Stream, "_send", broken)
        socket.send_json({"eof": 1})
        until(lambda: len(client.server.kept) == 1)
    with client.websocket_connect("/") as socket:
        found = ask(socket, {"config": {"token": token}})["resume"]
        assert found["missed"] == [{"text": "n 3"}]
        assert end(socket) == {"text": ""}


def test_what_cannot_be_resumed(connect):
    client = connect(keep_s=0.05)
    with client.websocket_connect("/?lang=ro") as socket:
        offer = ask(socket, {"config": {"resume": True}})["resume"]
        say(socket, spoken(3)[:16000])
    until(lambda: len(client.server.kept) == 0 and not client.server.talking)
    for token, status, fact in ((offer["token"], 1008, "0.05"), (3, 1003, "token")):
        with client.websocket_connect("/?lang=ro") as socket:
            socket.send_json({"config": {"token": token}})
            closes(socket, status, fact)
    with client.websocket_connect("/?lang=ro") as socket:
        socket.send_json({"config": {"token": offer["token"], "words": True}})
        closes(socket, 1003, "words")
    with client.websocket_connect("/?lang=ro") as socket:
        say(socket, spoken(3)[:16000])
        socket.send_json({"config": {"token": offer["token"]}})
        closes(socket, 1003, "before")


def test_a_stream_that_was_ended_or_refused_is_not_kept(connect):
    client = connect()
    with client.websocket_connect("/?lang=ro") as socket:
        begun(socket)
        end(socket)
    with client.websocket_connect("/?lang=ro") as socket:
        begun(socket)
        socket.send_text(json.dumps([]))
        closes(socket, 1003, "JSON")
    assert len(client.server.kept) == 0 and client.server.talking == {}
