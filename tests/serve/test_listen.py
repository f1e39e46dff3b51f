"""The server as a process: clients that are slow or go away, and its end."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests.errors import told
from tests.serve.conftest import until
from tests.serve.made import write
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.serve import listen

HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


@contextlib.contextmanager
def serving(words, **env):
    """Start a server and stop it; ``process.url`` is where it listens, ``process.lines`` what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )
    process.lines = []
    try:
        for line in process.stdout:
            process.lines.append(line)
            if found := re.match(r"(http://127\.0\.0\.1:\d+) serves", line):
                process.url = found[1]
                break
        else:
            pytest.fail(process.stderr.read())
        yield process
    finally:
        process.kill()
        process.communicate()


def get(process, path):
    with urllib.request.urlopen(process.url + path, timeout=60) as answer:
        return answer.read().decode()


def metric(process, name):
    return float(re.search(rf"^{name} (.+)$", get(process, "/metrics"), re.M)[1])


def connected(process):
    host, port = process.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def post(path):
    """A whole request with the file ``path``."""
    body = HEAD + path.read_bytes() + b"\r\n--x--\r\n"
    return (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )


def answered(client):
    """The status and the body of an answer; 0 if there was none."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while block := client.recv(1 << 16):
            data += block
    found = re.match(rb"HTTP/1.1 (\d+)", data)
    return (int(found[1]) if found else 0), data.partition(b"\r\n\r\n")[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("bundle")
    (made / "languages").write_text("ron_Latn")
    return made


@pytest.fixture(scope="module")
def process(folder):
    words = ["tests.serve.run", folder, "--port", 0, "--workers", 1, "--upload_s", 3, "--upload_mb", 4]
    with serving(words) as made:
        yield made


def test_a_client_that_sends_slowly_is_refused(process):
    with connected(process) as client:
        client.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + HEAD
        )
        status, body = answered(client)
    assert status == 408 and json.loads(body)["error"]["code"] == "timeout"


def test_a_refused_client_can_read_why_when_it_has_sent_everything(process):
    request = urllib.request.Request(process.url + "/v1/audio/transcriptions", bytes(6_000_000))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 413 and json.load(refused.value)["error"]["code"] == "too_large"


def test_a_client_that_goes_while_it_sends_leaves_nothing(process):
    with connected(process) as client:
        client.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + HEAD + bytes(50_000)
        )
    until(lambda: 'status="499"' in get(process, "/metrics"))


def test_work_for_a_client_that_goes_is_stopped(process, tmp_path):
    """Two minutes would take 24 s; the worker stays."""
    request = post(write(tmp_path / "long.flac", *[6] * 120))
    restarts = metric(process, "xlt_worker_restarts_total")
    with connected(process) as client:
        client.sendall(request)
        until(lambda: metric(process, "xlt_jobs_running") == 1)
    until(lambda: metric(process, "xlt_jobs_running") == 0)
    assert metric(process, "xlt_worker_restarts_total") == restarts


def test_what_is_no_http(process):
    with connected(process) as client:
        client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert answered(client)[0] == 400
    with connected(process) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000)
        assert answered(client)[0] in (0, 400)
    assert json.loads(get(process, "/healthz"))["status"] == "ok"


def test_a_port_that_is_taken_is_said_before_the_bundle_is_loaded(process, capsys, tmp_path):
    port = process.url.rpartition(":")[2]
    assert main(["serve", str(tmp_path / "no_such_bundle"), "--port", port]) == 2
    told(capsys.readouterr().err, "--port 0", where=f"--port {port}")


def test_a_graceful_stop_finishes_what_was_taken(folder, tmp_path):
    """Three requests, one at work, two in the queue."""
    with serving(["tests.serve.run", folder, "--port", 0, "--workers", 1]) as process:
        request = post(write(tmp_path / "slow.wav", 6, 6))
        clients = [connected(process) for _ in range(3)]
        for client in clients:
            client.sendall(request)
        until(lambda: metric(process, "xlt_jobs_running") + metric(process, "xlt_jobs_waiting") == 3)
        process.send_signal(signal.SIGTERM)
        answers = [answered(client) for client in clients]
        out, err = process.communicate(timeout=60)
    assert [(status, json.loads(body)["text"]) for status, body in answers] == [(200, "n 6 n 6")] * 3
    assert (process.returncode, err) == (0, "") and out.endswith("stopped\n")


def test_a_signal_before_uvicorn_listens_to_signals_stops_it_too():
    running = listen.uvicorn.Server(listen.uvicorn.Config(app=None))
    with listen._told_to_stop(running):
        signal.raise_signal(signal.SIGTERM)
        assert running.should_exit
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_nothing_is_left_when_the_server_is_killed(folder):
    with serving(["tests.serve.run", folder, "--port", 0, "--workers", 2]) as process:
        until(lambda: json.loads(get(process, "/healthz"))["workers"] == 2)
        mine = [pid for pid in children() if parents(pid).count(process.pid)]
        assert len(mine) >= 2
        process.kill()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in mine))


def children():
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def parents(pid):
    """All of a process, as far as they live."""
    found = []
    with contextlib.suppress(OSError):
        while pid > 1:
            with open(f"/proc/{pid}/stat") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
            found.append(pid)
    return found


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["--workers", "0"], "--workers 0"),
        (["--queue", "0"], "--queue 0"),
        (["--port", "70000"], "--port 70000"),
        (["--upload_mb", "-1"], "--upload_mb -1"),
        (["--stall_s", "nan"], "--stall_s nan"),
        (["--streams", "0"], "--streams 0"),
        (["--host", "999.1.1.1", "--port", "0"], "--host 999.1.1.1"),
        (["--tokens", "no_such_file"], "--tokens"),
    ],
)
def test_wrong_options(words, where, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "bundle", *words]) == 2
    told(capsys.readouterr().err, where=where)


def test_a_bundle_that_is_none(capsys, tmp_path):
    assert main(["serve", str(tmp_path), "--port", "0"]) == 2
    told(capsys.readouterr().err, where="bundle.json")


def test_without_its_packages_the_command_says_what_to_install(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "xlt.serve.listen", raising=False)
    monkeypatch.delattr("xlt.serve.listen", raising=False)
    assert main(["serve", str(tmp_path)]) == 2
    told(capsys.readouterr().err, "tools/install.sh serve")
