"""Whisper tuned on other languages as the start of a training: its weights, and rows of shared tokens."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError
from xlt.core.log import say
from xlt.core.stage import write_json
from xlt.models.espnet.transfer import average, transplant
from xlt.models.whisper import weights

if TYPE_CHECKING:
    import torch

    from xlt.formats.model_folder import Trained
    from xlt.models.resolved import Resolved
    from xlt.models.whisper.net import Net

# rows of these belong to one token of CTC: named as transplant() knows them
_OUTPUT = {"output.weight": "ctc.ctc_lo.weight", "output.bias": "ctc.ctc_lo.bias"}


def start(run: Resolved, source: Trained, net: Net, out: Path) -> bool:
    """Take the parameters of train.init over into ``net``; True if the CTC head writes with them at once, as
    rows of shared tokens were copied (train.init_tokens=match).
    """
    match = run.cfg.train.init_tokens == "match" or run.cfg.train.zero_shot
    theirs = weights.load(source.folder, source.info["whisper"])
    net.whisper.load_state_dict(theirs.whisper.state_dict())
    if net.head is None:
        return False
    state, report = transplant(
        _named(net.head.state_dict()),
        _named(weights.read_head(source.folder)),
        source.tokens,
        run.tokenizer.tokens,
        match,
        run.cfg.as_given("train.init"),
    )
    net.head.load_state_dict(_named(state, back=True))
    write_json(out / "transfer.json", asdict(report))
    say(
        f"  initialised from {report.source}: Whisper's weights, and of the CTC head all but its output;"
        f" {len(report.copied_tokens)} rows of it copied, {len(report.new_tokens)} new"
    )
    return match and bool(report.copied_tokens)


def average_in(run: Resolved, source: Trained, net: Net) -> None:
    """Average the parameters with the source's (``train.average_source``)."""
    cfg = run.cfg.train
    theirs = weights.load(source.folder, source.info["whisper"])
    tokens = run.tokenizer.tokens
    if theirs.head is None or net.head is None:
        raise ConfigError("train.average_source: the model of train.init has no CTC head")
    matched = tokens if cfg.init_tokens == "match" else None
    for own, other in ((net.whisper, theirs.whisper), (net.head, theirs.head)):
        mixed = average(
            _named(own.state_dict()), _named(other.state_dict()), cfg.average_source, source.tokens, matched
        )
        own.load_state_dict(_named(mixed, back=True))
    share = 100 * cfg.average_source
    say(f"  the final model is averaged with {share:g}% of {run.cfg.as_given('train.init')}")


def _named(state: dict[str, torch.Tensor], back: bool = False) -> dict[str, torch.Tensor]:
    names = {new: old for old, new in _OUTPUT.items()} if back else _OUTPUT
    return {names.get(key, key): value for key, value in state.items()}
