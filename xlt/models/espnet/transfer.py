"""A model that starts from another one: its body is taken over, its output layer is new, or takes rows of
shared tokens.

V old and new tokens, H size of a row.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import yaml

from xlt.core.config import Config
from xlt.core.errors import ConfigError, UpstreamError
from xlt.core.log import say
from xlt.core.stage import write_json
from xlt.features.mix import Mix
from xlt.formats.model_folder import Trained, write_info
from xlt.formats.weights import read_weights
from xlt.models.espnet import tuning
from xlt.models.resolved import Resolved, origin_facts
from xlt.tokens import report_unseen
from xlt.tokens.tokenizer import BLANK, SOS_EOS, SPACE, UNK, Tokenizer, is_tag

SPECIAL = (BLANK, UNK, SPACE, SOS_EOS)
_AGAIN = "train it again with --stage 6 --force"
_WEIGHTS = "frontend.featurizer.weights"  # of the layers, where they are learned with the head
_UPDATES = "frontend.updates"  # how far the training has come: a new one begins at 0
# a row of each of these belongs to one token: ESPnet's CTC layer, what its decoders call theirs, and the
# transducer's last layer
_BY_TOKEN = re.compile(
    r"ctc\.ctc_lo\.|decoder\.(embed(\.0)?|output(_layer)?)\.(weight|bias)$|joint_network\.lin_out\."
)


@dataclass
class Report:
    """What became of each parameter, and of each token of the output layer."""

    source: str
    loaded: list[str] = field(default_factory=list)
    random: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    copied_tokens: list[str] = field(default_factory=list)
    new_tokens: list[str] = field(default_factory=list)
    dropped_tokens: list[str] = field(default_factory=list)


def check_features(source: Trained, cfg: Config, info: dict, where: Path) -> None:
    """UpstreamError or ConfigError unless the features at ``where`` (``info``: its feats.json) are what the
    source heard.

    A source that was trained on stored features may start a training that encodes as it goes, but not the
    other way round: what it learned of its upstream has no place in stored features.
    """
    theirs, ours = source.info["features"], tuning.settings(cfg) if tuning.tunes(cfg) else None
    for key in ("freeze", "adapter", "adapter_dim") if theirs.get("tuning") else ():
        if ours is None or theirs["tuning"][key] != ours[key]:
            said = " ".join(f"train.{k}={theirs['tuning'][k]}" for k in ("freeze", "adapter", "adapter_dim"))
            raise ConfigError(
                f"train.init: {source.folder} has trained its upstream ({said}); give the same settings, or"
                " start from a model with a frozen upstream"
            )
    if theirs.get("on_the_fly") and not info.get("on_the_fly"):
        raise ConfigError(
            f"train.init: {source.folder} learned its layer weights during training; set"
            " features.on_the_fly=true, or start from a model of stored features"
        )
    if theirs["upstream"] != info["upstream"]:
        raise UpstreamError(
            f"train.init: {source.folder} was trained on the upstream {theirs['upstream']}, the features in "
            f"{where} come from {info['upstream']}; use the same weights (features.path) for both"
        )
    for key in ("layers", "dim", "frame_rate"):
        if theirs.get(key) != info.get(key):
            raise ConfigError(
                f"train.init: {source.folder} was trained on features with {key} {theirs.get(key)}, {where}"
                f" has {info.get(key)}; set features.layers={theirs.get('layers')}"
            )
    mixes = [(i.get("mix") or {}).get("digest") for i in (theirs, info)]
    if info.get("layers") == "mix" and mixes[0] != mixes[1] and not info.get("on_the_fly"):
        raise ConfigError(
            f"train.init: {source.folder} was trained on another layer mix than {where} has; leave "
            "features.mix_from out, then stage 3 takes the source's mix"
        )


def start(run: Resolved, source: Trained, fresh: torch.nn.Module, out: Path) -> Path:
    """Write ``init.pth``, the parameters to begin with, and ``transfer.json``, what became of each; returns
    the first.

    ``fresh``: the model as ESPnet builds it for this experiment. ConfigError if the networks differ, or if
    rows are to be matched and no token but the special ones is shared.
    """
    cfg, new = run.cfg.train, run.tokenizer.tokens
    old, old_state = source.tokens, _state(source)
    if cfg.init_tokens == "match":
        _need_shared(source, old, new)
    state, report = transplant(
        fresh.state_dict(), old_state, old, new, cfg.init_tokens == "match", run.cfg.as_given("train.init")
    )
    if (
        _WEIGHTS in state and _WEIGHTS not in old_state and source.mix
    ):  # those of stored features: softmax undone
        state[_WEIGHTS] = torch.log(torch.from_numpy(Mix.load(source.mix).weights).clamp(min=1e-6)).to(
            state[_WEIGHTS]
        )
    _say(report, cfg.init_tokens, None if tuning.tunes(run.cfg) else run.cfg.features.upstream)
    write_json(out / "transfer.json", asdict(report))
    torch.save(state, out / "work" / "init.pth")
    return out / "work" / "init.pth"


def _state(source: Trained) -> dict[str, torch.Tensor]:
    path = source.folder / "model.pth"
    return read_weights(path, _AGAIN, where="train.init")


def average_in(run: Resolved, source: Trained, path: Path) -> None:
    """Average the parameters in the file ``path`` with the source's (``train.average_source``)."""
    cfg, new = run.cfg, run.tokenizer.tokens
    state = read_weights(path, _AGAIN)
    matched = new if cfg.train.init_tokens == "match" else None
    torch.save(average(state, _state(source), cfg.train.average_source, source.tokens, matched), path)
    say(
        f"  the final model is averaged with {100 * cfg.train.average_source:g}% of {cfg.train.init}"
        " (train.average_source)"
    )


def transplant(
    fresh: Mapping[str, torch.Tensor],
    source: Mapping[str, torch.Tensor],
    old: list[str],
    new: list[str],
    match: bool,
    name: str,
) -> tuple[dict[str, torch.Tensor], Report]:
    """Parameters of a new model: the source's where both have them, but ``fresh`` ones in the rows (V, H) of
    tokens.

    With ``match`` the rows of tokens that are written alike in ``old`` and ``new`` are copied. A parameter
    that only one of them has is left as it is (an attention decoder where the source had CTC only), one that
    differs in shape raises ConfigError.
    """
    report, state = Report(name), {}
    places = {token: row for row, token in enumerate(old)}
    for key, value in fresh.items():
        state[key] = value.clone()
        theirs = source.get(key) if key != _UPDATES else None
        if theirs is None:
            report.random.append(key)
        elif _BY_TOKEN.match(key):
            if value.shape[1:] != theirs.shape[1:]:
                raise _differs(name, key, theirs, value)
            report.random.append(key)
            for row, token in enumerate(new if match else []):
                if token in places:
                    state[key][row] = theirs[places[token]]
        elif theirs.shape != value.shape:
            raise _differs(name, key, theirs, value)
        else:
            state[key] = theirs.clone()
            report.loaded.append(key)
    if not report.loaded:
        raise ConfigError(
            f"train.init: {name} has no layer in common with this network; use the same train.encoder"
        )
    report.unused = [key for key in source if key not in fresh]
    report.copied_tokens = [t for t in new if match and t in places]
    report.new_tokens = [t for t in new if not match or t not in places]
    report.dropped_tokens = [t for t in old if not match or t not in new]
    return state, report


def average(
    state: Mapping[str, torch.Tensor],
    source: Mapping[str, torch.Tensor],
    share: float,
    old: list[str],
    new: list[str] | None,
) -> dict[str, torch.Tensor]:
    """Trained parameters with a ``share`` of those that they started from, where both have them in one shape.

    A model between the two forgets less (Vander Eeckt and Van hamme 2023, "Weight averaging: a simple yet
    effective method to overcome catastrophic forgetting in automatic speech recognition"). Rows (V, H) are
    averaged by token, ``old`` the source's and ``new`` these; None where they did not start from the
    source's.
    """
    found, places = {}, {token: row for row, token in enumerate(old)}
    for key, value in state.items():
        theirs = source.get(key)
        found[key] = value
        if theirs is None or not value.is_floating_point() or key == _UPDATES:
            continue
        if not _BY_TOKEN.match(key):
            found[key] = torch.lerp(value, theirs.to(value), share) if theirs.shape == value.shape else value
        elif new is not None:
            rows = [(row, places[token]) for row, token in enumerate(new) if token in places]
            own, others = (list(numbers) for numbers in zip(*rows, strict=True))
            found[key] = value.clone()
            found[key][own] = torch.lerp(value[own], theirs[others].to(value), share)
    return found


def _differs(name: str, key: str, theirs: torch.Tensor, ours: torch.Tensor) -> ConfigError:
    return ConfigError(
        f"train.init: {key} has the shape {tuple(theirs.shape)} in {name}, but {tuple(ours.shape)} here; "
        "both need the same preset, train.encoder, encoder_conf, projection, frame_rate and decoder"
    )


def _say(report: Report, how: str, frozen: str | None) -> None:
    """Tell the user in a few lines; ``transfer.json`` has all names."""
    by_rows = [key for key in report.random if report.copied_tokens and _BY_TOKEN.match(key)]
    new = [key for key in report.random if key not in by_rows]
    loaded, rows, random, unused = map(_parts, (report.loaded, by_rows, new, report.unused))
    say(
        f"  initialised from {report.source}: loaded: {loaded}"
        + (f"; by tokens: {rows}" if rows else "")
        + (f"; random: {random}" if random else "")
        + (f"; not used: {unused}" if unused else "")
        + (f"; frozen: {frozen}" if frozen else "")
    )
    tokens = {"copied": report.copied_tokens, "new": report.new_tokens, "dropped": report.dropped_tokens}
    say(
        f"  rows of the output layer (train.init_tokens={how}): "
        + ", ".join(f"{len(t)} {what}" for what, t in tokens.items())
    )
    for what, names in tokens.items():
        if names and how == "match":
            say(f"    {what}: {' '.join(names[:40])}{' …' if len(names) > 40 else ''}")


def _parts(keys: list[str]) -> str:
    """``preencoder (4 tensors), encoder (16)``."""
    count = Counter(key.split(".")[0] for key in keys)
    return ", ".join(f"{part} ({n} tensors)" for part, n in count.items())


def take_over(run: Resolved, source: Trained, out: Path) -> dict:
    """Zero-shot: the source's model as it is, under this recipe's language; returns facts as
    :func:`xlt.models.espnet.fit.fit`.

    With ``train.init_tokens=match`` it can write nothing but the tokens of this recipe, whose alphabet, or
    phones, is then all that is known of the language. ConfigError as in :func:`start`, and for bpe, whose
    pieces are not an alphabet.
    """
    ctx = run.ctx
    for path in (source.folder / name for name in run.family.files):
        if path.is_dir():  # upstream: of a tuned one, or of a bundle
            shutil.copytree(path, out / path.name, dirs_exist_ok=True)
        elif path.exists():
            (out / path.name).write_bytes(path.read_bytes())
    config = (out / "config.yaml").read_text(encoding="utf-8")
    config = config.replace(ctx.display_path(source.folder), ctx.display_path(ctx.exp))
    (out / "config.yaml").write_text(config, encoding="utf-8")
    write_json(out / "history.json", [])
    say(f"  uses {source.folder} unchanged; nothing is trained")
    if ctx.cfg.train.init_tokens == "match":
        _cut(out, source, run.tokenizer)
    report_unseen(ctx, Tokenizer(out))
    write_info(
        out,
        {
            **source.info,
            "lang": ctx.cfg.lang,
            "zero_shot": True,
            "init": origin_facts(source),
            "normaliser": run.normaliser,
            "decode": ctx.cfg.section("decode"),
        },
    )
    model = read_weights(out / "model.pth", _AGAIN)
    return {"epochs": 0, "parameters": sum(p.numel() for p in model.values())}


def _cut(out: Path, source: Trained, own: Tokenizer) -> None:
    """Leave only the rows (V, H) of ``own`` tokens in the copy ``out`` of the model ``source``."""
    if own.type == "bpe":
        raise ConfigError(
            "train.zero_shot: the pieces of tokens.type=bpe are not an alphabet to keep to; leave "
            "train.init_tokens=match out, or start from a model of characters"
        )
    old = source.tokens
    rows = [row for row, token in enumerate(old) if token in own.ids or token in SPECIAL]
    _need_shared(source, old, own.tokens)
    state = read_weights(out / "model.pth", _AGAIN)
    torch.save(
        {key: value[rows].clone() if _BY_TOKEN.match(key) else value for key, value in state.items()},
        out / "model.pth",
    )
    config = yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8"))
    config["token_list"] = kept = [old[row] for row in rows]
    (out / "config.yaml").write_text(
        yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    (out / "tokens.txt").write_text("".join(f"{token}\n" for token in kept), encoding="utf-8")
    say(f"  outputs are limited to tokens of this recipe: {len(kept)} of its {len(old)}")


def _need_shared(source: Trained, old: list[str], new: list[str]) -> None:
    """ConfigError if no token but the special ones is in both lists."""
    if all(token in SPECIAL or is_tag(token) for token in set(old) & set(new)):
        raise ConfigError(
            f"train.init_tokens=match: {source.folder} and this recipe share no token (theirs: "
            f"{' '.join(old[2:12])} …, ours: {' '.join(new[2:12])} …); use train.init_tokens=new"
        )


def take_statistics(source: Trained | None, info: dict, out: Path) -> bool:
    """Keep the standardisation that the source's weights were learned with; False if there is none that
    fits.
    """
    if source is None or source.info["features"].get("on_the_fly") != info.get("on_the_fly"):
        return False
    shutil.copyfile(source.folder / "feats_stats.npz", out / "feats_stats.npz")
    return True
