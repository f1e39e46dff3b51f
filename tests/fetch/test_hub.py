import http.server
import threading

import pytest

from xlt.fetch import hub


@pytest.fixture
def server():
    """A server on this machine that has /there, and nothing else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200 if self.path == "/there" else 404)
            self.end_headers()

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_reachable(server):
    assert hub.unreachable(f"{server}/there") is None
    assert hub.unreachable(f"{server}/elsewhere") == "Not Found"
    assert "refused" in hub.unreachable("http://127.0.0.1:1/").lower()


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_is_respected(server, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    assert hub.unreachable(f"{server}/there") == f"{variable} is set"


def test_a_server_that_does_not_answer_is_given_up(monkeypatch):
    import socket

    monkeypatch.setattr(hub, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert hub.unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}/") is not None


def test_cached_snapshots(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert hub.cached("a/b", "w") is None
    for commit, files in (("1", ["config.json"]), ("2", ["config.json", "w"]), ("3", ["config.json", "v"])):
        folder = tmp_path / "models--a--b" / "snapshots" / commit
        folder.mkdir(parents=True)
        for file in files:
            (folder / file).touch()
    assert hub.cached("a/b", "w").name == "2"
    (tmp_path / "models--a--b/refs").mkdir()
    (tmp_path / "models--a--b/refs/main").write_text("3\n")
    assert hub.cached("a/b", "w", "v").name == "3"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert hub.url("a/b", "config.json") == "https://mirror.example/a/b/resolve/main/config.json"
