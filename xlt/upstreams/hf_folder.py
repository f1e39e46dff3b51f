"""Files of a Hugging Face folder: configuration, extractor and weights, whole or in shards, looked at before
anything is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xlt.core.errors import UpstreamError
from xlt.core.files import sha256
from xlt.formats.tensors import read_header
from xlt.upstreams.hf_config import CONFIG, EXTRACTOR, PROCESSOR, extractor_file, read_json

SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"
INDEX = ".index.json"  # behind the name: the list of shards
WEIGHTS = (SAFE, SAFE + INDEX, PICKLED, PICKLED + INDEX)  # in the order in which transformers looks for them
WANTED = [CONFIG, EXTRACTOR, PROCESSOR, "model*.safetensors", SAFE + INDEX]  # of a repository of the hub
PICKLES = [CONFIG, EXTRACTOR, PROCESSOR, "pytorch_model*.bin", PICKLED + INDEX]  # where it has no safetensors
AGAIN = "download it again"


def needed_files(folder: Path) -> tuple[dict[str, Any], list[Path]]:
    """config.json, and all files that the model in ``folder`` is loaded from, the weights last; UpstreamError
    if one is missing.
    """
    if not folder.is_dir():
        raise UpstreamError(
            f"features.path={folder}: no such directory; expected one with config.json, "
            "preprocessor_config.json and model.safetensors"
        )
    extractor = extractor_file(folder)
    missing = [path.name for path in (folder / CONFIG, extractor) if not path.exists()]
    weights = next((folder / w for w in WEIGHTS if (folder / w).exists()), None)
    if missing or weights is None:
        raise UpstreamError(
            f"features.path={folder}: {', '.join(missing or [SAFE])} is not there; "
            "download the whole model from the hub"
        )
    config = read_json(folder / CONFIG)
    shards = _shards(weights) if weights.name.endswith(INDEX) else [weights]
    index = [weights] if weights.name.endswith(INDEX) else []
    return config, [folder / CONFIG, extractor, *index, *shards]


def hashes(files: list[Path]) -> str | list[str]:
    """SHA-256 of a file of weights, or of each shard."""
    found = [sha256(path) for path in files if path.suffix in (".safetensors", ".bin")]
    return found[0] if len(found) == 1 else found


def _shards(index: Path) -> list[Path]:
    """The files that an index of shards names; UpstreamError if one is not there, or lies elsewhere."""
    named = read_json(index).get("weight_map")
    ending = ".safetensors" if index.name.startswith(SAFE) else ".bin"
    if not isinstance(named, dict) or not named:
        raise UpstreamError(f"{index}: has no weight_map, the list of its shards; {AGAIN}")
    names = list(dict.fromkeys(map(str, named.values())))
    for name in names:
        if Path(name).name != name or not name.endswith(ending):
            raise UpstreamError(
                f"{index}: names {name[:80]!r}, expected the name of a {ending} file beside it; get the model"
                " from a source that you trust"
            )
    for name in names:
        if not (index.parent / name).exists():
            raise UpstreamError(
                f"{index}: names {name}, which is not there: a part of the download is missing; {AGAIN}"
            )
    return [index.parent / name for name in sorted(names)]


def check_layers(files: list[Path], config: dict[str, Any]) -> None:
    """UpstreamError unless the weights among ``files`` are whole and hold the layers of config.json:
    transformers would make up what is missing. Of pickles this is seen when they are loaded.
    """
    layers, weights = config.get("num_hidden_layers"), [f for f in files if f.suffix == ".safetensors"]
    if type(layers) is not int:
        raise UpstreamError(
            f"{files[0].with_name(CONFIG)}: num_hidden_layers: found {str(layers)[:80]!r}, expected a"
            f" number; {AGAIN}"
        )
    names = [name for path in weights for name in read_header(path, AGAIN, UpstreamError).tensors]
    last = f"encoder.layers.{layers - 1}.final_layer_norm.weight"
    if weights and not any(n.endswith(last) for n in names):
        raise UpstreamError(
            f"{weights[0]}: has no tensor {last}, which config.json asks for; the files do not belong"
            f" together: {AGAIN}"
        )
