"""The Hugging Face hub: its cache without importing anything, and whether it answers, in two seconds at the
most.
"""

from __future__ import annotations

import contextlib
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from xlt.core.errors import DataError

TIMEOUT_S = 2.0
_WHY = (
    "a bundle is opened without a network; stage 3 of a recipe with the same features.upstream fetches the"
    " weights, and bundle.with_upstream=true puts them into the bundle"
)
_offline: ContextVar[bool] = ContextVar("offline", default=False)


@contextlib.contextmanager
def offline(on: bool = True) -> Iterator[None]:
    """Fetch nothing for as long as this lasts, from the hub or from package registries, if ``on``."""
    token = _offline.set(on or _offline.get())
    try:
        yield
    finally:
        _offline.reset(token)


def refuse_fetching(what: str) -> None:
    """DataError if nothing may be fetched now."""
    if _offline.get():
        raise DataError(f"{what}: not fetched: {_WHY}")


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
    if _offline.get():
        return _WHY
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
    refuse_fetching(repo)
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(repo, allow_patterns=files))
    except (HfHubHTTPError, httpx2.HTTPError, ValueError) as err:
        raise OSError(str(err).splitlines()[0]) from None
