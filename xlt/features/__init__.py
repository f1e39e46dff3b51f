"""Stage 3: features of an upstream, once → dump/<upstream>/<set>/feats.scp."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from xlt.config import Config
    from xlt.features.upstreams.base import Source
    from xlt.stage import Context


def run(ctx: Context) -> None:
    """Run the stage; see :mod:`xlt.features.store`."""
    from xlt.features import store

    store.run(ctx)


def find_source(cfg: Config) -> Source:
    """The upstream's weights under this configuration; UpstreamError if they are not to be had."""
    from xlt.data.fetch import cache_root
    from xlt.features.extract import prepare

    return prepare(cfg.features, cache_root(cfg.data.cache)).source


def load_trained(features: dict, packed: Path | None) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    """An encoder of waves (N,), 16 kHz, into the features (T, D) that a model was trained on.

    ``features``: as in ``xlt.json``; ``packed``: the bundle's own copy of the weights, None to find them as stage 3
    does. UpstreamError if what is found is not the upstream of the training.
    """
    from xlt.config import FeaturesConfig
    from xlt.data.fetch import cache_root
    from xlt.errors import UpstreamError
    from xlt.features.extract import encode_waves, load, prepare

    settings = {key.removeprefix("features."): value for key, value in features["settings"].items()}
    settings |= {"dtype": features["dtype"], "layers": features["layers"],
                 "path": str(packed) if packed else settings["path"]}
    setup = prepare(FeaturesConfig(**settings), cache_root(None))
    if setup.source.identity != features["upstream"]:
        raise UpstreamError(f"the model was trained on {features['upstream']}, but the upstream found is "
                            f"{setup.source.identity}; give the weights of the training, e.g. a bundle that holds them")
    upstream = load(setup)
    return lambda waves: encode_waves(upstream, waves, setup.layers, setup.batch_s)
