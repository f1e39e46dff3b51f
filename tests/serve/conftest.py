"""Servers in this process, over workers with a bundle that is made (:mod:`tests.serve.made`)."""

import time

import pytest
from starlette.testclient import TestClient

from tests.serve.made import write
from xlt.serve import Limits
from xlt.serve.access import Access
from xlt.serve.app import make_app
from xlt.serve.corrections import Corrections
from xlt.serve.pool import Pool
from xlt.serve.server import Server

OPENER = "tests.serve.made:open_bundle"


class Client(TestClient):
    """Starlette's, which calls each server of WebSockets testserver."""

    def websocket_connect(self, url, **more):
        return super().websocket_connect(f"ws://localhost{url}", **more)


def make_pool(folder, workers=1, queue=4, stall_s=30.0):
    folder.mkdir(exist_ok=True)
    return Pool(folder, workers, queue, stall_s, OPENER, preload=False)


def until(true, seconds=60.0):
    """Wait for what other threads and processes do; it must happen, however slow the machine is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Two workers."""
    made = make_pool(tmp_path_factory.mktemp("bundle"), workers=2)
    made.start()
    yield made
    made.close()


@pytest.fixture
def connect(pool, tmp_path):
    """Function that gives a client of a server over ``pool``; ``client.server`` is the server."""

    def make(tokens=(), sites=(), home=True, over=None, log_texts=False, corrections=None, **limits):
        folder = tmp_path / "uploads"
        folder.mkdir(exist_ok=True)
        server = Server(over or pool, Limits(**limits), Access(tokens, sites, home), folder, log_texts)
        if corrections:
            server.corrections = Corrections(corrections, server.languages, server.limits.corrections_mb)
        client = Client(make_app(server), "http://localhost", raise_server_exceptions=False)
        client.server = server
        return client

    return make


@pytest.fixture
def sound(tmp_path):
    """A second as loud as 3 tenths, a silent one, and one as loud as 5."""
    return write(tmp_path / "sound.wav", 3, 0, 5)


def ask(client, path, name="my recording.wav", **fields):
    """Have a file transcribed, in Romanian if nothing else is said."""
    data = {"model": "whisper-1", "language": "ro", **fields}
    with open(path, "rb") as file:
        return client.post("/v1/audio/transcriptions", files={"file": (name, file)}, data=data)


def refused(response, status, *facts, param=None, code=None):
    """The message of an answer that is OpenAI's JSON of an error, with ``facts``."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"], error["code"]) == (param, code)
    assert [fact for fact in facts if fact not in error["message"]] == []
    return error["message"]
