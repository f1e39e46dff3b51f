"""Languages that other servers speak; these are applications in this process."""

import asyncio
import json

import httpx2
import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from tests.errors import raises
from tests.serve.conftest import ask, make_pool, refused
from tests.serve.made import write
from xlt.core.errors import ConfigError, DataError
from xlt.serve.access import Access
from xlt.serve.app import make_app
from xlt.serve.problems import Problem
from xlt.serve.routes import Route, Routes, read_routes, refuse_own

TOKEN, OTHER = "0123456789abcdef", "fedcba9876543210"


class Wires(httpx2.AsyncBaseTransport):
    """To applications by their port; ``asked``: what was sent."""

    def __init__(self, apps=None):
        self.apps, self.asked = apps or {}, []

    async def handle_async_request(self, request):
        self.asked.append(request)
        if request.url.port not in self.apps:
            raise httpx2.ConnectError("nobody listens")
        there = httpx2.ASGITransport(self.apps[request.url.port], raise_app_exceptions=False)
        return await there.handle_async_request(request)


@pytest.fixture(scope="module")
def pools(tmp_path_factory):
    """Workers of a bundle that tells languages, and of one that speaks French."""
    made = []
    for name, file, text in (("near", "tells", ""), ("far", "languages", "fra_Latn rus_Cyrl")):
        folder = tmp_path_factory.mktemp(name)
        (folder / file).write_text(text)
        made.append(make_pool(folder))
        made[-1].start()
    yield made
    for pool in made:
        pool.close()


@pytest.fixture
def wires():
    return Wires()


@pytest.fixture
def near(connect, pools, wires):
    """A client of a server that sends French to port 8001, where one listens."""
    client, far = connect(over=pools[0]), connect(over=pools[1])
    route = Route("fra_Latn", "http://localhost:8001")
    client.server.routes = Routes({"fra_Latn": route}, 5.0, transport=wires)
    wires.apps[8001], client.far = make_app(far.server), far.server
    return client


def routed(client, wires, **more):
    client.server.routes = Routes(
        {"fra_Latn": Route("fra_Latn", "http://localhost:8001", **more)}, 5.0, transport=wires
    )


def test_another_server_answers_as_it_does(near, wires, sound):
    assert ask(near, sound, language="fr").json() == {"text": "n 3 n 5"}
    found = ask(near, sound, language="fra", response_format="verbose_json", prompt="Lyon")
    assert (found.json()["language"], found.json()["text"]) == ("fra_Latn", "n 3 Lyon Lyon n 5 Lyon")
    srt = ask(near, sound, model="xlt-fra_Latn", language="", response_format="srt")
    assert srt.text.startswith("1\n00:00:00,000 --> 00:00:01,000\nn 3\n") and "srt" not in srt.headers
    assert srt.headers["content-type"].startswith("text/plain")
    words = {"response_format": "verbose_json", "timestamp_granularities[]": ["word"]}
    assert ask(near, sound, language="fr", **words).json()["words"][0]["word"] == "n"
    assert len(wires.asked) == 4 and ask(near, sound, language="ro").status_code == 200
    assert len(wires.asked) == 4  # this server's own language goes nowhere


def test_it_is_listed(near):
    whole = near.get("/v1/models").json()["data"][0]
    assert whole["languages"] == ["ron_Latn", "ell_Grek", "fra_Latn"]
    assert near.get("/v1/models/xlt-fra_Latn").json()["languages"] == ["fra_Latn"]


def test_pieces_in_its_language_go_there(near, wires, tmp_path):
    """Two tenths are French; times count from the beginning of the recording."""
    path = write(tmp_path / "a.wav", 3, 2, 4, 2)
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": ["word"]}
    found = ask(near, path, language="auto", response_format="verbose_json").json()
    assert [(one["start"], one["text"], one["language"]) for one in found["segments"]] == [
        (0, "n 3", "ron_Latn"),
        (1, "n 2", "fra_Latn"),
        (2, "", None),
        (3, "n 2", "fra_Latn"),
    ]
    assert found["language"] == "fra_Latn" and len(wires.asked) == 2
    assert list((tmp_path / "uploads").iterdir()) == []
    refused(
        ask(near, path, language="auto", **fields),
        400,
        "ell_Grek",
        param="timestamp_granularities",
        code="invalid_value",
    )


def test_words_of_pieces_keep_their_times(near, wires, tmp_path):
    from starlette.datastructures import Headers

    from xlt.serve.forward import Forwarder

    async def piece():
        async with Forwarder(near.server.routes, Headers()) as other:
            return await other.piece("fra_Latn", write(tmp_path / "a.wav", 2), 7.5, True)

    (found,) = asyncio.run(piece())  # its score is the mean of three characters, in four digits, times three
    assert (found["start_s"], found["end_s"], found["text"], found["score"]) == (7.5, 8.5, "n 2", -0.9999)
    word = {"text": "n", "start_s": 7.5, "end_s": 8.5, "confidence": 0.5}
    assert found["words"] == [word, {**word, "text": "2"}]


def test_tokens_are_sent_on_only_if_the_table_says_so(near, wires, sound):
    near.far.access = Access([TOKEN], [], True)
    near.server.access = Access([TOKEN], [], True)
    near.headers["authorization"] = f"Bearer {TOKEN}"
    told = refused(ask(near, sound, language="fr"), 502, "401", param="language", code="elsewhere")
    assert "authorization" not in wires.asked[-1].headers and "Bearer" not in told
    routed(near, wires, forward=True)
    assert ask(near, sound, language="fr").status_code == 200
    near.far.access = Access([OTHER], [], True)
    refused(ask(near, sound, language="fr"), 401, "Bearer", code="invalid_api_key")
    routed(near, wires, token=OTHER)
    assert ask(near, sound, language="fr").status_code == 200
    assert OTHER not in repr(near.server.routes)


def test_its_errors_are_passed_on(near, wires, sound, tmp_path):
    (tmp_path / "a").write_bytes(b"hello, I am no sound " * 99)
    told = refused(
        ask(near, tmp_path / "a", language="fr"), 400, "fra_Latn", param="file", code="invalid_value"
    )
    assert "not readable as audio" in told and told.startswith("language: ")

    async def busy(scope, receive, send):
        await Problem(503, "queue: full", "busy", None, {"Retry-After": "7"}).response()(scope, receive, send)

    wires.apps[8001] = busy
    answer = ask(near, sound, language="fr")
    refused(answer, 503, "queue: full", code="busy")
    assert answer.headers["retry-after"] == "7"


async def slow(scope, receive, send):
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("app", "status"),
    [
        (None, 502),
        (PlainTextResponse("oops", 500), 502),
        (PlainTextResponse("moved", 404), 404),
        (RedirectResponse("http://localhost:9/"), 502),
        (HTMLResponse("<script>alert(1)</script>"), 502),  # it would run on this server's page
        (slow, 504),
    ],
)
def test_what_is_no_answer(near, wires, sound, app, status):
    if app is None:
        wires.apps.clear()
    else:
        wires.apps[8001] = app
    timeout_s = 0.2 if app is slow else 30.0
    near.server.routes = Routes(near.server.routes.table, timeout_s, transport=wires)
    answer = ask(near, sound, language="fr")
    assert answer.status_code == status and len(wires.asked) == 1
    assert answer.json()["error"]["message"].startswith("language: the server for fra_Latn")
    assert "8001" not in answer.text and "<" not in answer.text


def test_pieces_whose_server_fails_fail_the_whole(near, wires, tmp_path):
    path = write(tmp_path / "a.wav", 3, 2)
    endless = '{"segments": [{"text": "a", "start": 0, "end": %s}]}'
    odd = [endless % "NaN", endless % f"1{'0' * 400}", "[" * 100_000]
    for body in ('{"text": ""}', "[]", json.dumps({"segments": [{"text": "a"}]}), *odd):
        wires.apps[8001] = PlainTextResponse(body, media_type="application/json")
        refused(ask(near, path, language="auto"), 502, param="language", code="elsewhere")


def test_servers_that_send_to_each_other_are_told(near, wires, sound):
    """Each takes the other for the one that speaks Danish."""
    there, back = ({"dan_Latn": Route("dan_Latn", f"http://localhost:{port}")} for port in (8001, 8000))
    near.server.routes = Routes(there, 5.0, transport=wires)
    near.far.routes = Routes(back, 5.0, transport=wires)
    wires.apps[8000] = make_app(near.server)
    refused(ask(near, sound, language="da"), 508, "--routes", param="language", code="loop")
    assert [request.url.port for request in wires.asked] == [8001, 8000]
    near.headers = httpx2.Headers([(b"x-xlt-via", b"\xe9")])  # is no name, but no reason to fail either
    refused(ask(near, sound, language="da"), 508, param="language", code="loop")
    del wires.asked[2:]
    near.headers["x-xlt-via"] = "a, b, c, d"
    refused(ask(near, sound, language="da"), 508, param="language", code="loop")
    assert len(wires.asked) == 2


def test_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RUS_TOKEN", TOKEN)
    table = tmp_path / "routes"
    table.write_text(
        "# who speaks what\n\nfra_Latn http://127.0.0.1:8001/v1/ # next room\n"
        "ell https://asr.example.org/xlt forward\nrus_Cyrl http://other.example.org $RUS_TOKEN\n"
    )
    found = read_routes(table)
    assert list(found.values()) == [
        Route("fra_Latn", "http://127.0.0.1:8001"),
        Route("ell", "https://asr.example.org/xlt", forward=True),
        Route("rus_Cyrl", "http://other.example.org", TOKEN),
    ]
    assert "warning: " + f"{table}:5" in capsys.readouterr().out  # a token over http
    refuse_own(table, found, ["ron_Latn"])
    with raises(ConfigError, "rus_Cyrl", where=f"--routes {table}"):
        refuse_own(table, found, ["ron_Latn", "rus_Cyrl"])


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("fra_Latn", DataError),
        ("fra_Latn http://a b c", DataError),
        ("fra/Latn http://a", DataError),
        ("fra_Latn ftp://a", DataError),
        ("fra_Latn /etc/passwd", DataError),
        ("fra_Latn http://", DataError),
        ("fra_Latn http://a:99999999", DataError),
        ("fra_Latn http://me:secret@a", DataError),
        ("fra_Latn http://a?x=1", DataError),
        (f"fra_Latn https://a {TOKEN}", DataError),
        ("fra_Latn https://a $NOT_SET_ANYWHERE", ConfigError),
        ("ok http://a", DataError),
    ],
)
def test_a_table_that_is_none(tmp_path, line, kind):
    table = tmp_path / "routes"
    table.write_text(f"ok http://localhost:1\n{line}\n")
    with raises(kind, where="routes:2") as caught:
        read_routes(table)
    assert TOKEN not in str(caught.value)
    table.write_text("# nothing\n")
    with raises(DataError, where="routes"):
        read_routes(table)
