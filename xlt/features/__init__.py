"""Stage 3: features of an upstream, once → dump/<upstream>/<set>/feats.scp; on the fly, lengths only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlt.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from xlt.core.config import Config
    from xlt.core.context import Context
    from xlt.features.backbone import Backbone
    from xlt.features.extract import Setup
    from xlt.formats.model_folder import Trained
    from xlt.upstreams.base import Source


def run(ctx: Context) -> None:
    """Run the stage; see :mod:`xlt.features.store`, and :mod:`xlt.features.onfly` for
    ``features.on_the_fly``.
    """
    import dataclasses

    from xlt.core.registry import FAMILIES
    from xlt.features import pace
    from xlt.formats.model_folder import initial_model, teacher
    from xlt.upstreams.freeze import FACTS, decide

    FAMILIES.get(ctx.cfg.train.family).check(ctx)
    given, freezing = ctx.cfg, decide(ctx, None if ctx.dry_run else pace.seconds)
    ctx = dataclasses.replace(ctx, cfg=freezing.cfg)
    source = initial_model(ctx.cfg)
    teacher(ctx.cfg)  # what it refuses is refused before anything is encoded
    if source is not None:
        _same_layers(source, ctx.cfg)
    _check_pretrained(ctx)
    if ctx.cfg.features.on_the_fly:
        if not given.features.on_the_fly:
            freezing.tell()
        from xlt.features import onfly

        onfly.run(ctx)
        return
    if freezing.facts.get(FACTS, {}).get("timed"):
        freezing.tell()
    from xlt.features import store

    store.run(ctx, source.mix if source else None)


def _check_pretrained(ctx: Context) -> None:
    """ConfigError if an encoder of `xlt pretrain` is of another kind, DataError if it was trained on clips
    that this recipe is tested on.
    """
    from pathlib import Path

    from xlt.core.errors import DataError
    from xlt.formats.pretrained import heard, takes
    from xlt.formats.tables import read_table

    cfg = ctx.cfg
    if cfg.features.path is None:
        return
    if needed := takes(Path(cfg.features.path), cfg.features.upstream):
        raise ConfigError(
            f"features.upstream={cfg.features.upstream}: the encoder in features.path="
            f"{cfg.as_given('features.path')} is another kind; set features.upstream={needed}"
        )
    known = heard(Path(cfg.features.path))
    for name in (name for name in cfg.checked_sets if name != cfg.train_set):
        table = ctx.data / name / "utt2audio"
        rows = read_table(table) if table.exists() else {}
        if shared := [utt for utt, audio in rows.items() if audio in known]:
            raise DataError(
                f"features.path={cfg.as_given('features.path')}: was pre-trained on {len(shared)} clips of"
                f" {name}, first {shared[0]!r}; pre-train it without them: name this recipe in"
                " pretrain.held_out"
            )


def _same_layers(source: Trained, cfg: Config) -> None:
    """ConfigError if the model that training starts from heard other layers, before anything is encoded."""
    from xlt.features.extract import resolve_layers

    theirs, ours = source.info["features"].get("layers"), resolve_layers(cfg.features)
    if theirs != ours:
        raise ConfigError(
            f"train.init: {source.folder} was trained on features.layers={theirs}, this recipe has {ours};"
            f" set features.layers={theirs}"
        )


def find_source(cfg: Config) -> Source:
    """The upstream's weights under this configuration; UpstreamError if they are not to be had."""
    from xlt.features.extract import prepare
    from xlt.fetch.files import cache_root

    return prepare(cfg.features, cache_root(cfg.data.cache)).source


def load_trained(
    features: dict, folder: Path, backbone: Backbone | None = None
) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    """An encoder of waves (N,), 16 kHz, into the features (T, D) that the model in ``folder`` was trained on.

    ``features``: as in ``xlt.json``; ``folder``: exp/<tag> or a bundle, with the layer mix if there is one; a
    bundle's own copy of the weights is used, else they are found as stage 3 does; ``backbone``: the same
    upstream, loaded for several models. What comes out is as exact as what was stored for the training.
    UpstreamError if the upstream that is found is not that of the training. A model that was trained on the
    fly encodes by itself and takes the waves as they are.
    """
    if features.get("on_the_fly"):
        return list
    from xlt.features.backbone import Encoder
    from xlt.fetch.hub import offline
    from xlt.formats.model_folder import in_bundle

    setup = trained_setup(features, folder, backbone.setup if backbone else None)
    with offline(in_bundle(folder)):
        return Encoder(setup, backbone)


def trained_setup(features: dict, folder: Path, shared: Setup | None = None) -> Setup:
    """What :func:`load_trained` encodes with. ``shared``: of the upstream that the model is to share with
    others; UpstreamError if it was trained on another one.
    """
    from xlt.audio.augment import heard_at_once
    from xlt.core.errors import UpstreamError
    from xlt.core.paths import located
    from xlt.features.extract import Setup
    from xlt.fetch.files import cache_root
    from xlt.fetch.hub import offline
    from xlt.formats.model_folder import in_bundle, packed_upstream, recipe_of
    from xlt.upstreams import upstream_class

    settings = _settings(features, folder)
    packed, name, path = packed_upstream(folder), settings["upstream"], settings["path"]
    if packed is not None:
        path = str(packed)
    elif path is not None:
        path = None if in_bundle(folder) else located(path, recipe_of(folder))
    if shared is None:
        with offline(in_bundle(folder)):
            source = upstream_class(name).find(name, path, cache_root(None))
    else:
        source = shared.source
    if source.identity != features["upstream"]:
        raise UpstreamError(
            f"{folder}: the model was trained on {features['upstream']}, but the upstream found is "
            f"{source.identity}; give the weights of the training, e.g. a bundle that holds them"
        )
    if shared is not None and shared.dtype != settings["dtype"]:
        raise UpstreamError(
            f"{folder}: the model was trained on features computed in {settings['dtype']}, but the upstream"
            f" is loaded in {shared.dtype}; keep it as a bundle of its own"
        )
    return Setup(
        source,
        settings["layers"],
        settings["dtype"],
        settings["batch_s"],
        str(folder),
        settings["storage"],
        heard_at_once(features),
    )


def _settings(features: dict, folder: Path) -> dict[str, Any]:
    """What ``xlt.json`` says of how speech is encoded, each value one that the setting of its name can have;
    DataError, or ConfigError for another value.
    """
    from xlt.audio.augment import MASKS
    from xlt.core.errors import DataError
    from xlt.core.schema import check_setting
    from xlt.formats.model_folder import INFO

    try:
        given = features["settings"]
        found = {name: given[f"features.{name}"] for name in ("upstream", "path", "batch_s")}
        found |= {name: features[name] for name in ("layers", "dtype")}
        features["upstream"]
    except (KeyError, TypeError) as err:
        raise DataError(
            f"{folder / INFO}: damaged: features lack {err}; copy the whole folder again, or make it again"
            " with --stage 6 --force"
        ) from None
    found["storage"] = features.get("storage", "f32")
    found |= {name: features[name] for name in MASKS if name in features}
    for name, value in found.items():
        check_setting(f"features.{name}", value, str(folder / INFO))
    layers = found["layers"] if isinstance(found["layers"], list) else [found["layers"]]
    if layers != ["mix"] and not all(n == "last" or isinstance(n, int) for n in layers):
        raise ConfigError(
            f"{folder / INFO}: features.layers: found {str(found['layers'])[:80]!r}, expected mix, last or"
            " numbers; copy the whole folder again"
        )
    return found
