"""What a trained model says of itself: the files of ``exp/<tag>`` or of a bundle that other stages and
recipes read.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError, DataError, UpstreamError
from xlt.formats.tables import read_table

if TYPE_CHECKING:
    from xlt.core.config import Config

NEEDED = ("model.pth", "config.yaml", "xlt.json", "tokens.txt", "feats_stats.npz")
HEARD = "heard"  # table of what the model was trained on: utterance → audio hash, content
FILES = (*NEEDED, "bpe.model", "mix.json", "mix.npz", HEARD)


@dataclass(frozen=True)
class Trained:
    """A model's folder and its ``xlt.json``."""

    folder: Path
    info: dict

    @classmethod
    def load(cls, folder: str | Path, setting: str = "train.init") -> Trained:
        """The finished experiment or bundle in ``folder``; DataError, which names ``setting``, if it is not
        one.
        """
        folder = Path(folder)
        made = folder.parent if folder.name == "bundle" else folder
        recipe, tag = made.parent.parent, made.name
        command = f"{os.path.join(recipe, 'run.sh')} tag={tag}"
        if not folder.is_dir():
            if (folder.parent / f".{tag}.partial").is_dir():
                raise DataError(
                    f"{setting}: {folder}: is half trained; the same command as before goes on: {command}"
                )
            raise DataError(
                f"{setting}: {folder}: no such folder; name a trained experiment or a bundle, or make it:"
                f" {command}"
            )
        missing = [name for name in NEEDED if not (folder / name).exists()]
        if missing:
            raise DataError(
                f"{setting}: {folder}: has no {missing[0]}, so it is no finished experiment; make it:"
                f" {command}"
            )
        try:
            info = json.loads((folder / "xlt.json").read_text(encoding="utf-8"))
            info["features"]["upstream"], info["features"]["settings"]["features.upstream"], info["tokens"][
                "type"
            ]
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{setting}: {folder / 'xlt.json'}: damaged; make the experiment again: {command} --force"
            ) from None
        return cls(folder, info)

    @property
    def tokens(self) -> list[str]:
        return (self.folder / "tokens.txt").read_text(encoding="utf-8").split("\n")[:-1]

    @property
    def characters(self) -> set[str] | None:
        """The characters that its tokens can write; None if they are phones."""
        if self.info["tokens"]["type"] == "phone":
            return None
        pieces = [
            token
            for token in self.tokens
            if not (len(token) > 2 and token.startswith("<") and token.endswith(">"))
        ]
        return {" "} | set("".join(pieces).replace("▁", "" if self.info["tokens"]["type"] == "bpe" else "▁"))

    @property
    def mix(self) -> Path | None:
        """The folder with the layer mix that its features were made with, None if there is none."""
        return self.folder if (self.folder / "mix.json").exists() else None

    @property
    def heard(self) -> dict[str, list[str]] | None:
        """What it and the models before it were trained on, ``{utterance: [audio hash, content]}``; None if
        it does not say.
        """
        path = self.folder / HEARD
        return {utt: line.split(" ", 1) for utt, line in read_table(path).items()} if path.exists() else None

    def check(self, cfg: Config) -> None:
        """Raise UpstreamError or ConfigError unless a recipe with ``cfg`` can start from this model.

        Looks at settings only, so that it can be done before anything is encoded.
        """
        theirs, ours = self.info["features"]["settings"]["features.upstream"], cfg.features.upstream
        if theirs != ours:
            raise UpstreamError(
                f"train.init: {self.folder} was trained on the upstream {theirs}, this recipe has {ours}; set"
                f" features.upstream={theirs}, or start from a model of {ours}"
            )
        if self.info["tokens"]["type"] != cfg.tokens.type and (
            cfg.train.zero_shot or cfg.train.init_tokens == "match"
        ):
            what = "train.zero_shot" if cfg.train.zero_shot else "train.init_tokens=match"
            raise ConfigError(
                f"{what}: {self.folder} writes {self.info['tokens']['type']} tokens, this recipe has "
                f"tokens.type={cfg.tokens.type}; set tokens.type={self.info['tokens']['type']}"
                + ("" if cfg.train.zero_shot else ", or train.init_tokens=new")
            )


def origin(cfg: Config) -> Trained | None:
    """The model of ``train.init``, checked as far as settings go; None without one."""
    if cfg.train.average_source and (cfg.train.init is None or cfg.train.zero_shot):
        raise ConfigError(
            f"train.average_source={cfg.train.average_source:g}: needs a model that training starts from: "
            "train.init=../multi/exp/main, without train.zero_shot"
        )
    if cfg.train.init is None:
        if cfg.train.zero_shot:
            raise ConfigError(
                "train.zero_shot: needs the model that is to be used as it is: train.init=../multi/exp/main"
            )
        return None
    found = Trained.load(cfg.train.init)
    found.check(cfg)
    return found


def what_is_heard(folder: Path) -> dict[str, str]:
    """``{utterance: "audio content"}`` of a Kaldi directory, ``-`` for what it does not say; the rows of
    HEARD.
    """
    ids = read_table(folder / "wav.scp" if (folder / "wav.scp").exists() else folder / "text")
    audio, content = (
        read_table(folder / t) if (folder / t).exists() else {} for t in ("utt2audio", "utt2content")
    )
    return {utt: f"{audio.get(utt, '-')} {content.get(utt, '-')}" for utt in ids}
