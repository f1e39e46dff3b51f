"""The language left to the server: each piece goes to the head of its own."""

import pytest

from tests.errors import raises
from tests.serve.conftest import ask, make_pool, refused
from tests.serve.made import write
from tests.serve.test_stream import end, finals, say, spoken
from xlt.serve.problems import Problem
from xlt.serve.wishes import language, models

BOTH = ("ron_Latn", "ell_Grek")


@pytest.fixture(scope="module")
def telling(tmp_path_factory):
    """A worker whose bundle tells languages: three tenths are Romanian, five Greek, four none."""
    folder = tmp_path_factory.mktemp("telling")
    (folder / "tells").touch()
    pool = make_pool(folder)
    pool.start()
    yield pool
    pool.close()


@pytest.fixture
def client(connect, telling):
    return connect(over=telling)


@pytest.fixture
def mixed(tmp_path):
    """Romanian, Greek twice, silence, and a language that nobody knows."""
    return write(tmp_path / "mixed.wav", 3, 5, 5, 0, 4)


@pytest.mark.parametrize(
    "fields", [{"language": "auto"}, {"language": ""}, {"language": "", "model": "xlt-auto"}]
)
def test_each_piece_says_its_language(client, mixed, fields):
    answer = ask(client, mixed, response_format="verbose_json", **fields)
    found = answer.json()
    assert (found["language"], found["text"]) == ("ell_Grek", "n 3 n 5 n 5")
    told = [(one["start"], one["text"], one["language"]) for one in found["segments"]]
    assert told == [
        (0, "n 3", "ron_Latn"),
        (1, "n 5", "ell_Grek"),
        (2, "n 5", "ell_Grek"),
        (4, "", None),  # silence is no segment, strange speech is one without text
    ]
    assert [one["language_confidence"] for one in found["segments"]] == [0.9, 0.9, 0.9, 0.4]
    assert found["languages"] == [
        {"language": "ell_Grek", "seconds": 2.0, "confidence": 0.9},
        {"language": "ron_Latn", "seconds": 1.0, "confidence": 0.9},
        {"language": None, "seconds": 1.0, "confidence": 0.4},
    ]
    assert answer.headers["x-languages"] == "ell_Grek=2, ron_Latn=1, und=1"


def test_speech_in_none_of_the_languages_is_told_in_every_form(client, tmp_path):
    path = write(tmp_path / "a.wav", 4)
    none = {"language": None, "seconds": 1.0, "confidence": 0.4}
    found = ask(client, path, language="auto").json()
    assert found == {"text": "", "language": "und", "languages": [none]}
    answer = ask(client, path, language="auto", response_format="srt")
    assert (answer.status_code, answer.text, answer.headers["x-languages"]) == (200, "", "und=1")
    silent = ask(client, write(tmp_path / "b.wav", 0), language="auto")
    assert silent.json() == {"text": "", "language": "und", "languages": []}
    assert silent.headers["x-languages"] == ""


def test_a_language_that_is_named_is_not_told(client, mixed):
    answer = ask(client, mixed, language="ro", response_format="verbose_json")
    assert answer.json()["text"] == "n 3 n 5 n 5 n 4" and "x-languages" not in answer.headers
    assert "languages" not in answer.json() and "language" not in answer.json()["segments"][0]


def test_what_needs_a_language_is_refused(client, mixed):
    words = ask(client, mixed, language="auto", prompt="Sibiu")
    refused(words, 400, "auto", param="prompt", code="invalid_value")
    times = ask(client, mixed, language="auto", response_format="ctm")  # Greek has no CTC head
    refused(times, 400, "ell_Grek", param="timestamp_granularities", code="invalid_value")


def test_a_list_of_models_says_that_it_can(client, connect):
    found = client.get("/v1/models").json()["data"]
    assert [(one["id"], one["auto"]) for one in found] == [
        ("xlt", True),
        ("xlt-auto", True),
        ("xlt-ron_Latn", False),
        ("xlt-ell_Grek", False),
    ]
    assert client.get("/v1/models/xlt-auto").json()["languages"] == list(BOTH)
    assert connect().get("/v1/models").json()["data"][0]["auto"] is False
    assert connect().get("/v1/models/xlt-auto").status_code == 404


def test_which_language_is_meant():
    assert models(BOTH, tells=True) == ["xlt", "xlt-auto", "xlt-ron_Latn", "xlt-ell_Grek"]
    assert language("auto", None, BOTH, True) == language(None, "whisper-1", BOTH, True) == "auto"
    assert language("el", "xlt-auto", BOTH, True) == "ell_Grek"
    assert language("auto", "xlt-ell_Grek", BOTH, True) == "ell_Grek"  # the model is only that
    with raises(Problem, "ron_Latn", where="language"):
        language("de", "xlt-auto", BOTH, True)
    with raises(Problem, "xlt-ron_Latn", where="model"):
        language(None, "xlt-auto", BOTH)


def test_a_stream_tells_the_language_of_each_result(client):
    with client.websocket_connect("/?lang=auto") as socket:
        (first, second) = finals(say(socket, spoken(3, 0, 5, 0)))
        none = finals([*say(socket, spoken(4)), end(socket)])[-1]
    assert (first["text"], second["text"], none["text"]) == ("n 3", "n 5", "")
    told = [one["languages"][0] for one in (first, second, none)]
    assert [one["language"] for one in told] == ["ron_Latn", "ell_Grek", None]
    assert [one["confidence"] for one in told] == [0.9, 0.9, 0.4]
    assert told[1]["start"] == pytest.approx(1.85, abs=0.07)
