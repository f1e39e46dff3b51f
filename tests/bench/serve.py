"""A load test of ``xlt serve`` on this machine: how fast, how steady, what it survives.

    python -m tests.bench.serve BUNDLE --sounds FOLDER [--workers N] [--requests 32] [--lang LANG]

Starts the server, and then: 1, 4 and 16 clients at once; clients while a worker is killed again and again;
malformed uploads; clients that go away; memory before and after. Each answer is compared with the first one
for its recording. With 32 requests and clips of 2 s this is a minute of processor time.

``--soak_minutes M`` adds M minutes of eight clients, with memory each minute; an hour can be had in pieces:
``--json FILE`` collects the figures of each call.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.serve.test_listen import children, metric, parents, serving
from xlt.audio.files import audio_header

ENDINGS = {".wav", ".flac", ".ogg", ".mp3"}
BAD = {
    "empty": b"",
    "text": b"no sound at all " * 1000,
    "header alone": b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0",
    "PDF": b"%PDF-1.7" + bytes(10_000),
    "noise": random.Random(0).randbytes(100_000),
    "half of an m4a": b"\0\0\0\x18ftypM4A \0\0\0\0" + random.Random(1).randbytes(10_000),
    "half of a webm": b"\x1a\x45\xdf\xa3" + random.Random(2).randbytes(10_000),
    "too large": bytes(3_000_000),
}


class Client:
    """``texts``: the first answer for each recording."""

    def __init__(self, url: str, lang: str | None):
        self.url, self.lang, self.texts = url, lang, {}
        self.refused = 0
        self._lock = threading.Lock()

    def post(self, data: bytes) -> tuple[int, dict, dict]:
        """Status, headers and JSON of the answer to one upload."""
        edge = uuid.uuid4().hex
        fields = {"model": "xlt", **({"language": self.lang} if self.lang else {})}
        body = b"".join(
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        )
        body += f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'.encode()
        body += data + f"\r\n--{edge}--\r\n".encode()
        request = urllib.request.Request(
            f"{self.url}/v1/audio/transcriptions",
            body,
            {"Content-Type": f"multipart/form-data; boundary={edge}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return answer.status, dict(answer.headers), json.load(answer)
        except urllib.error.HTTPError as err:
            return err.code, dict(err.headers), json.load(err)

    def transcribe(self, path: Path) -> float:
        """Seconds until the text was there, come back as often as the server asked; it must be the same each
        time."""
        start = time.monotonic()
        while True:
            status, headers, found = self.post(path.read_bytes())
            if status != 503:
                break
            self.refused += 1
            time.sleep(float(headers["retry-after"]))
        if status != 200:
            raise SystemExit(f"{path}: {status} {found}")
        with self._lock:
            if self.texts.setdefault(path, found["text"]) != found["text"]:
                raise SystemExit(f"{path}: {found['text']!r}, before {self.texts[path]!r}")
        return time.monotonic() - start


def load(client: Client, sounds: list[Path], clients: int, requests: int) -> dict[str, float]:
    """``requests`` by ``clients`` at once."""
    todo = [sounds[number % len(sounds)] for number in range(requests)]
    client.refused, start = 0, time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        seconds = list(pool.map(client.transcribe, todo))
    took_s = time.monotonic() - start
    heard_s = sum(audio_header(path).duration_s for path in todo)
    percent = statistics.quantiles(seconds, n=100, method="inclusive")
    return {
        "clients": clients,
        "requests": requests,
        "requests a second": requests / took_s,
        "seconds of speech a second": heard_s / took_s,
        "p50 (s)": percent[49],
        "p95 (s)": percent[94],
        "p99 (s)": percent[98],
        "answers 503": client.refused,
    }


def tree(process: subprocess.Popen) -> list[int]:
    """The server's process and all below it."""
    return [process.pid, *(pid for pid in children() if process.pid in parents(pid))]


def memory_mb(process: subprocess.Popen) -> float:
    """Of the whole tree; what processes share counts once (PSS)."""
    total = 0
    for pid in tree(process):
        try:
            rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return total / 1024


def kill_workers(process: subprocess.Popen, stop: threading.Event, every_s: float) -> int:
    """Kill one of the workers from time to time until ``stop``; how many."""
    killed = 0
    while not stop.wait(every_s):
        workers = [pid for pid in tree(process) if len(parents(pid)) > 1 and process.pid == parents(pid)[1]]
        if workers:
            os.kill(random.choice(workers), signal.SIGKILL)
            killed += 1
    return killed


def vanish(client: Client, data: bytes) -> None:
    """Begin an upload, and go."""
    host, port = client.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as gone:
        gone.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + data
        )


def measure(args: argparse.Namespace, process: subprocess.Popen, sounds: list[Path]) -> dict:
    """All figures."""
    client = Client(process.url, args.lang)
    for path in sounds:  # everything is loaded and known once
        client.transcribe(path)
    found: dict = {
        "bundle": args.bundle.name,
        "workers": args.workers,
        "load of the machine": os.getloadavg()[0],
        "memory before (MB)": memory_mb(process),
    }
    found["load"] = [load(client, sounds, clients, args.requests) for clients in (1, 4, 16)]
    stop, killed = threading.Event(), []
    killer = threading.Thread(target=lambda: killed.append(kill_workers(process, stop, args.kill_s)))
    killer.start()
    found["while workers are killed"] = load(client, sounds, 4, args.requests)
    stop.set()
    killer.join()
    found["killed"], found["replaced"] = killed[0], metric(process, "xlt_worker_restarts_total")
    found["malformed"] = {name: client.post(data)[0] for name, data in BAD.items()}
    for _ in range(50):
        vanish(client, sounds[0].read_bytes())
    client.transcribe(sounds[0])
    found["memory after (MB)"] = memory_mb(process)
    found["soak"] = []
    for minute in range(args.soak_minutes):
        end, count = time.monotonic() + 60, 0
        while time.monotonic() < end:
            load(client, sounds, 8, 8)
            count += 8
        found["soak"].append(
            {
                "minute": minute + 1,
                "requests": count,
                "memory (MB)": memory_mb(process),
                "load": os.getloadavg()[0],
            }
        )
        print(found["soak"][-1], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument(
        "--sounds", type=Path, required=True, help="folder of short recordings; eight are used"
    )
    parser.add_argument("--lang")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--requests", type=int, default=32, help="of each part")
    parser.add_argument("--kill_s", type=float, default=1.0, help="between two kills")
    parser.add_argument("--soak_minutes", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file to which the figures are added, one JSON a line")
    args = parser.parse_args()
    sounds = sorted(path for path in args.sounds.rglob("*") if path.suffix in ENDINGS)[:8]
    if not sounds:
        sys.exit(f"{args.sounds}: no sound files; give a folder that has some")
    words = ["xlt.cli", "serve", args.bundle.resolve(), "--port", 0, "--workers", args.workers]
    start = time.monotonic()
    with serving([*words, "--upload_mb", 2]) as process:
        ready_s = time.monotonic() - start
        found = {"seconds to the first answer": ready_s, **measure(args, process, sounds)}
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        found["exit status"] = process.returncode
    for name, value in found.items():
        for row in value if isinstance(value, list) else [value]:
            print(f"{name}: {json.dumps(row)}")
    if args.json:
        with args.json.open("a") as file:
            file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
