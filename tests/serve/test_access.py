"""Tokens, names of the server, pages of other sites, and how often somebody may ask."""

import base64

import pytest
from starlette.datastructures import Headers

from tests.errors import raises
from xlt.core.errors import ConfigError
from xlt.serve.access import TOKENS, Access, Rates, read_tokens
from xlt.serve.problems import Problem

TOKEN = "0123456789abcdef"


def in_protocol(token):
    return f"xlt, xlt.bearer.{base64.urlsafe_b64encode(token.encode()).decode().rstrip('=')}"


def test_pages_send_the_token_of_a_websocket_as_a_protocol():
    access = Access([TOKEN, "0123456789/+=abcd"], [], True)
    for token in (TOKEN, "0123456789/+=abcd"):
        key = access.client(Headers({"authorization": f"Bearer {token}"}), "a")
        assert access.client(Headers({"sec-websocket-protocol": in_protocol(token)}), "a") == key
    for name in (in_protocol("other"), "xlt", "xlt.bearer.%%%", "xlt.bearer._w", f"bearer.{TOKEN}"):
        with pytest.raises(Problem):
            access.client(Headers({"sec-websocket-protocol": name}), "a")


def test_tokens_of_a_file_and_of_the_environment(tmp_path, monkeypatch, capsys):
    path = tmp_path / "tokens"
    path.write_text(f"# of Ana\n{TOKEN}\n\n")
    path.chmod(0o600)
    monkeypatch.setenv(TOKENS, f"{TOKEN[::-1]} ")
    assert sorted(read_tokens(path)) == sorted([TOKEN, TOKEN[::-1]])
    assert read_tokens(None) == [TOKEN[::-1]] and capsys.readouterr().out == ""
    path.chmod(0o644)
    read_tokens(path)
    assert "chmod 600" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["short", "with space in the token", "ätherisch-0123456789"])
def test_bad_tokens_are_named_by_their_line_and_not_shown(tmp_path, line, monkeypatch):
    monkeypatch.delenv(TOKENS, raising=False)
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n{line}\n", "utf-8")
    path.chmod(0o600)
    with raises(ConfigError, len(line), where="tokens:2") as caught:
        read_tokens(path)
    assert line not in str(caught.value)


def test_a_file_without_tokens_would_lock_everybody_out(tmp_path, monkeypatch):
    monkeypatch.delenv(TOKENS, raising=False)
    path = tmp_path / "tokens"
    path.write_text("# none yet\n")
    with raises(ConfigError, where=str(path)):
        read_tokens(path)


@pytest.mark.parametrize(
    "sent",
    [None, "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \xff"],
)
def test_without_a_token_nobody_gets_in(sent):
    access = Access(["f" * 16, TOKEN], [], home=False)
    headers = Headers({} if sent is None else {"authorization": sent})
    with raises(Problem, where="Authorization") as caught:
        access.client(headers, "10.0.0.1")
    assert caught.value.status == 401 and caught.value.headers == {"WWW-Authenticate": "Bearer"}


def test_a_token_is_who_asks_and_without_tokens_the_address_is():
    access = Access(["f" * 16, TOKEN], [], home=False)
    keys = {access.client(Headers({"authorization": f"bearer {one}"}), "a") for one in (TOKEN, "f" * 16)}
    assert len(keys) == 2 and TOKEN not in keys
    assert Access([], [], home=False).client(Headers(), "10.0.0.1") == "10.0.0.1"


@pytest.mark.parametrize(
    ("host", "origin", "good"),
    [
        ("localhost:8000", None, True),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("[::1]:8000", None, True),
        ("asr.example.org", "https://asr.example.org", True),
        ("localhost:8000", "https://evil.example", False),  # a page that somebody looks at
        ("localhost:8000", "null", False),
        ("evil.example:8000", "http://evil.example:8000", False),  # its name points to 127.0.0.1
        ("", None, False),
        ("localhost:8000", "http://[", False),
    ],
)
def test_pages_of_other_sites(host, origin, good):
    access = Access([], ["ASR.example.org"], home=True)
    headers = Headers({"host": host} | ({} if origin is None else {"origin": origin}))
    if good:
        access.check_site(headers)
    else:
        with raises(Problem, "--site") as caught:
            access.check_site(headers)
        assert caught.value.status == 403


def test_a_server_for_others_without_names_answers_to_any():
    Access([], [], home=False).check_site(
        Headers({"host": "10.1.2.3:8000", "origin": "http://10.1.2.3:8000"})
    )


def test_rates():
    """Three a minute: three at once, then one each 20 s."""
    now = 100.0
    rates = Rates(3, lambda: now)
    for _ in range(3):
        rates.take("ana")
    rates.take("bob")
    with raises(Problem) as caught:
        rates.take("ana")
    assert caught.value.status == 429 and caught.value.headers["Retry-After"] == "20"
    now += 19
    with raises(Problem) as caught:
        rates.take("ana")
    assert caught.value.headers["Retry-After"] == "1"
    now += 1.001
    rates.take("ana")
    Rates(0).take("ana")


def test_rates_of_many_clients_take_no_more_memory():
    rates = Rates(1, lambda: 0.0)
    for number in range(12_000):
        rates.take(str(number))
    assert len(rates._left) == 10_000
