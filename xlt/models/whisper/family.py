"""Whisper's encoder and decoder with a CTC head, as a family. Imports torch only to train and load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xlt.audio.files import SAMPLE_RATE
from xlt.core.config import defaults
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.features.speech import Speech, speech
from xlt.formats.model_folder import INFO, MANIFEST
from xlt.tokens.tokenizer import Tokenizer
from xlt.upstreams.mels import MAX_SAMPLES

if TYPE_CHECKING:
    from xlt.models.resolved import Resolved
    from xlt.models.whisper.model import WhisperModel

UPSTREAM = "whisper_base"
# settings of other families' networks, which have no meaning here
_FOREIGN = (
    "train.encoder",
    "train.decoder",
    "train.optim",
    "train.schedule",
    "train.projection",
    "train.balance",
    "train.nodes",
    "train.processes",
)
LONGEST_S = MAX_SAMPLES / SAMPLE_RATE


class WhisperFamily:
    """See :class:`xlt.models.family.Family`."""

    settings = (
        "train",
        "features.upstream",
        "features.path",
        "features.on_the_fly",
        "features.dtype",
        "features.speed",
        "features.augment",
        "tokens",
        "seed",
        "data.train_minutes",
    )
    needed = ("model.safetensors", "config.json", "tokenizer.json", INFO, "tokens.txt")
    files = (*needed, "ctc.safetensors", "bpe.model", MANIFEST)
    weights = ("model.safetensors", "config.json")
    starts_from = ("model.safetensors", "config.json", "tokens.txt", INFO)
    packages = ("torch", "transformers", "tokenizers")
    zero_shot = True
    holds_upstream = True
    draws_copies = True

    def check(self, ctx: Context) -> None:
        cfg, train = ctx.cfg, ctx.cfg.train
        if cfg.features.upstream != UPSTREAM:
            raise ConfigError(
                f"train.family=whisper_ed: features.upstream={cfg.features.upstream} has no decoder; set"
                f" features.upstream={UPSTREAM}, with features.path for a larger Whisper"
            )
        for name in _FOREIGN:
            if cfg.flat()[name] != defaults()[name]:
                raise ConfigError(
                    f"{name}={cfg.flat()[name]}: train.family=whisper_ed has its own; leave it out"
                )
        if cfg.tokens.type == "phone" or cfg.tokens.language_tag:
            what = "tokens.type=phone" if cfg.tokens.type == "phone" else "tokens.language_tag=true"
            raise ConfigError(f"{what}: train.family=whisper_ed writes texts only; use preset=fast")
        if not train.windows_s or not all(_is_length(seconds) for seconds in train.windows_s):
            raise ConfigError(
                f"train.windows_s={train.windows_s}: expected lengths in seconds, each above 0 and at most"
                f" {LONGEST_S:g}, e.g. [2, 3, 5, 10, 20, 30]"
            )
        if train.adapter not in ("none", "lora"):
            raise ConfigError(f"train.adapter={train.adapter}: train.family=whisper_ed has only lora")
        if not train.zero_shot and cfg.features.layers != "last":
            raise ConfigError(
                f"features.layers={cfg.features.layers}: train.family=whisper_ed decodes what its encoder's"
                " last layer gives; set features.layers=last"
            )

    def tokens(self, ctx: Context) -> Tokenizer:
        return Tokenizer(ctx.tokens)

    def needs(self, ctx: Context, name: str) -> Speech:
        return speech(ctx, name)

    def fit(self, run: Resolved, out: Path) -> dict:
        from xlt.models.whisper.fit import fit

        return fit(run, out)

    def load(self, folder: Path, device: str) -> WhisperModel:
        from xlt.models.whisper.model import WhisperModel

        return WhisperModel(folder, device)


def _is_length(seconds: object) -> bool:
    return isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 < seconds <= LONGEST_S


WHISPER = WhisperFamily()
