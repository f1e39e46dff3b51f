"""``xlt pretrain``: the stages of a recipe that pre-trains an encoder, such as egs/pretrain: 1, its speech,
6, the training, and 9, the curves.
"""

from __future__ import annotations

import argparse
import os

from xlt.commands.run import IN_PRETRAINING, add_stage_arguments, call_of, run_stage, sum_up
from xlt.core.context import STAGES
from xlt.core.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__.replace("`", "")
    add_stage_arguments(parser)


def main(args: argparse.Namespace) -> None:
    """Run them; ConfigError in the recipe of a recogniser."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch read it
    ctx = call_of(args).context()
    if not ctx.cfg.pretrains:
        raise ConfigError(
            "pretrain.method=none: this is the recipe of a recogniser; go to egs/pretrain, or give"
            " preset=continued and a tag of the encoder's own, e.g. tag=encoder"
        )
    for stage in STAGES:
        if stage.name in IN_PRETRAINING:
            run_stage(stage.name, ctx)
    if not args.dry_run:
        sum_up(ctx)
