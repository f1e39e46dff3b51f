"""ESPnet's CTC models, with or without an attention decoder, as a family. Imports ESPnet only to train and
load.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.features.speech import Speech, speech
from xlt.formats.model_folder import INFO, MANIFEST
from xlt.formats.weights import SAFE
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from xlt.models.espnet.model import EspnetModel
    from xlt.models.resolved import Resolved


class EspnetFamily:
    """See :class:`xlt.models.family.Family`."""

    settings = (
        "train",
        "features.upstream",
        "features.path",
        "features.on_the_fly",
        "tokens",
        "seed",
        "data.train_minutes",
    )  # what else there is to the features is in feats.json
    needed = ("model.pth", "config.yaml", INFO, "tokens.txt", "feats_stats.npz")
    files = (*needed, SAFE, "bpe.model", "mix.json", "mix.npz", MANIFEST, "upstream")
    weights = ("model.pth", "config.yaml")
    starts_from = ("model.pth", "tokens.txt", INFO, "feats_stats.npz")
    packages = ("espnet", "torch")
    zero_shot = holds_upstream = draws_copies = False

    def check(self, ctx: Context) -> None:
        train = ctx.cfg.train
        if train.nodes is not None and ctx.cfg.executor != "slurm":
            raise ConfigError(
                f"train.nodes={train.nodes}: only executor=slurm trains on other machines; add --executor"
                " slurm, or leave it out"
            )
        if (train.decoder == "none") != (train.ctc_weight == 1.0):
            raise ConfigError(
                f"train.decoder={train.decoder} and train.ctc_weight={train.ctc_weight} do not fit: "
                "without a decoder the weight is 1.0, with one it is below 1.0 (preset hybrid_ssl)"
            )
        if train.decoder == "transducer" and not train.ctc_weight:
            raise ConfigError(
                "train.ctc_weight=0: train.decoder=transducer needs CTC beside it, which aligns texts and"
                " says how sure words are; give 0.3"
            )
        if train.warmup_steps and train.schedule == "cosine":
            raise ConfigError(
                f"train.warmup_steps={train.warmup_steps}: only train.schedule=plateau has a warm-up"
            )
        if train.balance is not None and any(train.mix.values()):
            raise ConfigError("train.balance and train.mix: both say what the batches are made of; keep one")

    def tokens(self, ctx: Context) -> Tokenizer:
        return Tokenizer(ctx.tokens)

    def needs(self, ctx: Context, name: str) -> Speech:
        return speech(ctx, name)

    def fit(self, run: Resolved, out: Path) -> dict:
        from xlt.models.espnet.fit import fit

        return fit(run, out)

    def load(self, folder: Path, device: str) -> EspnetModel:
        from xlt.models.espnet.model import EspnetModel

        return EspnetModel(folder, device)


ESPNET = EspnetFamily()
