"""Bundles of transducers, made without training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import yaml

from tests.export.bundles import TONES
from xlt.bundle.manifest import read_manifest, write_manifest

EMFORMER = {"layers": 2, "heads": 2, "feed_forward": 32, "segment_s": 0.32, "left_s": 0.64, "right_s": 0.08}
CONTEXTUAL = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 2}
CONTEXTUAL |= {"block_size": 16, "hop_size": 4, "look_ahead": 4, "cnn_module_kernel": 3}


def transducer_bundle(out: Path, encoder: str = "emformer", beam_size: int | None = None) -> Path:
    """Random networks over log-mels, in 32 bits, with the tokens of TONES: ``encoder``, CTC, and a transducer
    that writes something.
    """
    import torch

    from xlt.models.espnet.task import XltTask, load_arguments, quiet

    shutil.copytree(TONES, out)
    config = yaml.safe_load((out / "config.yaml").read_text())
    stem = config["preencoder_conf"] | (
        {"projection": 16} if encoder == "emformer" else {"stack": 1, "projection": 0}
    )
    conf = EMFORMER | {"frame_rate": 50.0} if encoder == "emformer" else CONTEXTUAL
    config |= {"encoder": encoder, "encoder_conf": conf, "preencoder_conf": stem, "decoder": "transducer"}
    config |= {"decoder_conf": {"hidden_size": 12}, "joint_net_conf": {"joint_space_size": 12}}
    config |= {"model": "xlt_transducer", "model_conf": {**config["model_conf"], "ctc_weight": 0.3}}
    (out / "config.yaml").write_text(yaml.safe_dump(config))
    with quiet(), torch.random.fork_rng():
        torch.manual_seed(3)
        net = XltTask.build_model(load_arguments(out))
    state = net.state_dict()
    for part, factor in {"out": 8.0, "enc": 3.0, "dec": 4.0}.items():
        state[f"joint_network.lin_{part}.weight"] *= factor
    state["joint_network.lin_out.bias"] += torch.tensor([3.0, -99, -3, 0, 0, 0, 0, -99])
    state["ctc.ctc_lo.weight"] *= 5.0
    torch.save(state, out / "model.pth")
    info = json.loads((out / "xlt.json").read_text())
    info["features"]["storage"] = "f32"
    (out / "xlt.json").write_text(json.dumps(info))
    manifest = read_manifest(out)
    manifest["decode"] |= {
        "method": "transducer",
        "beam_size": beam_size,
        "lm_weight": 0.0,
        "length_bonus": 0.0,
    }
    write_manifest(out, {key: manifest[key] for key in ("xlt", "lang", "tag", "decode")})
    return out
