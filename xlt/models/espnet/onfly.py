"""Training on speech that is encoded as it goes: ESPnet's frontend, its statistics, the layer weights it
learned.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.config import Config
from xlt.core.log import Progress
from xlt.core.registry import FRONTENDS
from xlt.formats.tables import read_scp
from xlt.formats.weights import read_weights
from xlt.models.espnet import tuning
from xlt.models.espnet.frontends import Frontend, statistics
from xlt.upstreams import upstream_class

STATISTICS_S = 600  # the layers' means and covariances come from at most so much training speech


def frontend_options(cfg: Config, info: dict, stats_file: Path) -> dict:
    """ESPnet's ``frontend`` and ``frontend_conf``; ``info``: the set's feats.json."""
    conf = _frozen_conf(cfg, info) | {"stats_file": str(stats_file)}
    if tuning.tunes(cfg):
        return tuning.frontend_options(cfg, conf)
    return {"frontend": upstream_class(cfg.features.upstream).frontend, "frontend_conf": conf}


def _frozen_conf(cfg: Config, info: dict) -> dict:
    return {
        "upstream": cfg.features.upstream,
        "path": cfg.features.path,
        "cache": cfg.data.cache,
        "identity": info["upstream"],
        "layers": info["layers"],
        "norm": info.get("mix_norm", "none"),
        "dtype": info["dtype"],
        "batch_s": cfg.features.batch_s,
    }


def build(cfg: Config, info: dict) -> Frontend:
    """The frozen upstream's frontend without statistics: it can count frames and take statistics, also for
    one that tunes.
    """
    return FRONTENDS.get(upstream_class(cfg.features.upstream).frontend)(**_frozen_conf(cfg, info))


def take_statistics(
    frontend: Frontend, cfg: Config, wav_scp: Path, samples: dict[str, int], out: Path
) -> None:
    """Write ``out`` from utterances drawn by ``cfg.seed``; samples: {id: N} of those that training uses."""
    wavs, chosen, left = read_scp(wav_scp, cfg.recipe), {}, STATISTICS_S * SAMPLE_RATE
    for utt in np.random.default_rng(cfg.seed).permutation(sorted(samples)).tolist():
        if left > 0:
            chosen[utt] = samples[utt]
            left -= samples[utt]
    device = "cpu" if cfg.train.ngpu == 0 or not torch.cuda.is_available() else "cuda"
    frontend.to(device)
    seconds = sum(chosen.values()) / SAMPLE_RATE
    with Progress("statistics of the layers", round(seconds), "s of speech") as progress:
        before, after, total = 0, 0, {}
        for count, so_far in statistics(
            frontend, lambda utt: read_wav(wavs[utt]), chosen, cfg.train.batch_s, device
        ):
            after, total = after + count, so_far
            progress.add(round(after / SAMPLE_RATE) - round(before / SAMPLE_RATE))
            before = after
    partial = out.with_name(f".{out.name}")
    with partial.open("wb") as file:
        np.savez(file, **total)
    partial.replace(out)


def learned_mix(model: Path, norm: str) -> dict:
    """Layers and their weights in the averaged model of a training with ``features.layers=mix``."""
    weights = torch.softmax(
        read_weights(model, "train again with --stage 6 --force")["frontend.featurizer.weights"], 0
    )
    return {
        "layers": list(range(len(weights))),
        "weights": [round(float(w), 5) for w in weights],
        "norm": norm,
    }
