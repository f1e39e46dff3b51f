"""The Hugging Face hub: its cache without importing anything, and whether it answers, in two seconds at the
most.
"""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from pathlib import Path

TIMEOUT_S = 2.0


def cache_dir() -> Path:
    """Where huggingface_hub keeps its snapshots."""
    home = os.environ.get(
        "HF_HOME", os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    )
    return Path(os.environ.get("HF_HUB_CACHE", os.path.join(home, "hub"))).expanduser()


def cached(repo: str, *alternatives: str) -> Path | None:
    """The cached snapshot of ``repo`` that has ``config.json`` and one of the files ``alternatives``, or
    None.
    """
    folder = cache_dir() / f"models--{repo.replace('/', '--')}"
    try:
        main = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        main = ""
    snapshots = sorted((folder / "snapshots").glob("*"), key=lambda p: (p.name != main, p.name))
    for snapshot in snapshots:
        if (snapshot / "config.json").exists() and any((snapshot / name).exists() for name in alternatives):
            return snapshot
    return None


def url(repo: str, file: str) -> str:
    return f"{os.environ.get('HF_ENDPOINT', 'https://huggingface.co').rstrip('/')}/{repo}/resolve/main/{file}"


def unreachable(address: str) -> str | None:
    """Why ``address`` cannot be had, or None if it answers; never takes longer than TIMEOUT_S.

    A name look-up cannot be given a time limit, so the request runs in a thread that is left behind.
    """
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").lower() in ("1", "true", "yes", "on"):
            return f"{variable} is set"
    answer: list[str | None] = []

    def ask() -> None:
        request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "xlt"})
        try:
            urllib.request.urlopen(request, timeout=TIMEOUT_S).close()
            answer.append(None)
        except (OSError, ValueError) as err:
            answer.append(str(getattr(err, "reason", err)) or type(err).__name__)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    return answer[0] if answer else f"no answer in {TIMEOUT_S:g} s"


def download(repo: str, files: list[str]) -> Path:
    """Fetch ``files`` (those that exist) of ``repo`` into the hub's cache; OSError if that fails."""
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(repo, allow_patterns=files))
    except (HfHubHTTPError, httpx.HTTPError, ValueError) as err:
        raise OSError(str(err).splitlines()[0]) from None
