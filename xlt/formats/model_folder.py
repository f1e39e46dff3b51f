"""What a trained model says of itself: the files of ``exp/<tag>`` or of a bundle that other stages and
recipes read.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core import digests
from xlt.core.errors import ConfigError, DataError, UpstreamError, XltError
from xlt.core.registry import EXPORTED, FAMILIES
from xlt.core.stage import write_json
from xlt.formats.info import check_info
from xlt.formats.tables import read_table
from xlt.formats.versioned import Format
from xlt.formats.weights import stored

if TYPE_CHECKING:
    from xlt.core.config import Config

INFO = "xlt.json"
ONNX = "onnx"  # the family of exported models
CTC, ATTENTION, TRANSDUCER = "ctc", "attention", "transducer"  # of ``parts`` in xlt.json; without, it is CTC
BUNDLE, BUNDLE_MANIFEST = "bundle", "bundle.json"  # the folder of an experiment's, and the file in it
UPSTREAM = "upstream"  # the folder of a bundle's weights of it
BACKBONE, HEADS = "backbone", "heads"  # the folders of a bundle of many languages
MANIFEST = "heard"  # table of what the model was trained on: utterance → audio hash, content
# version 1 knew ESPnet's models only
FORMAT = Format(INFO, 2, {1: lambda old: {"family": "espnet", **old}})


def read_info(folder: Path, remedy: str = "make it again with --stage 6 --force") -> dict[str, Any]:
    """``xlt.json`` of a model's folder, in today's version; DataError, which ends in ``remedy``, if it is
    damaged.
    """
    found = FORMAT.read(folder / INFO, remedy)
    try:
        check_info(found)
    except ValueError as err:
        raise DataError(f"{folder / INFO}: damaged ({err}); {remedy}") from None
    return found


def write_info(folder: Path, info: Mapping[str, Any]) -> None:
    """Write ``xlt.json``, last of all that a training leaves: it says that the model is whole."""
    write_json(folder / INFO, FORMAT.stamped(info))


def family_of(folder: Path, info: Mapping[str, Any]) -> Any:
    """The :class:`~xlt.models.family.Family` of the model in ``folder``; DataError if it is unknown."""
    try:
        return (EXPORTED if info["family"] in EXPORTED else FAMILIES).get(info["family"])
    except ConfigError:
        raise DataError(
            f"{folder / INFO}: a model of the family {info['family']!r}, which is not installed; there are"
            f" {', '.join(FAMILIES.names())}: update xlt, or install the package that it comes from"
        ) from None


def identity(folder: Path) -> list[Path]:
    """The files that change when the model in ``folder`` does: its parameters and ``xlt.json``."""
    family = family_of(folder, read_info(folder)) if (folder / INFO).exists() else FAMILIES.get("espnet")
    return [stored(folder / family.weights[0]), folder / INFO]


def files_of(folder: Path, family: Any) -> dict[str, str]:
    """``{file: SHA-256}`` of what ``family`` reads of the model in ``folder``, as far as that is noted."""
    found = digests.recorded(folder)
    names = [name for name in found if name.partition("/")[0] in family.files]
    if not (folder / MANIFEST).exists() and MANIFEST in names:
        names.remove(MANIFEST)  # of a model that is not to say whom it has heard: stage 2 warns
    return {name: found[name] for name in names}


def model_files(folder: Path) -> list[Path]:
    """Everything that is read of the model in ``folder``."""
    family = family_of(folder, read_info(folder))
    return [folder / name for name in family.files if (folder / name).exists()]


def parts_of(info: Mapping[str, Any]) -> tuple[str, ...]:
    """What the model with this ``xlt.json`` can decode by: CTC, ATTENTION, or both, or CTC and TRANSDUCER."""
    return tuple(info.get("parts", (CTC,)))


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
        recipe, tag = recipe_of(folder), experiment_of(folder).name
        command = f"{os.path.join(recipe, 'run.sh')} tag={tag}"
        if (folder / BUNDLE_MANIFEST).exists() and (folder / HEADS).is_dir():
            raise DataError(
                f"{setting}: {folder}: a bundle of several languages, expected one; give the folder of one of"
                f" them, {folder / HEADS / 'LANG'}"
            )
        if not folder.is_dir():
            if (folder.parent / f".{tag}.partial").is_dir():
                raise DataError(f"{setting}: {folder}: training is not finished; continue with: {command}")
            if not Path(recipe, "recipe.yaml").is_file():
                raise DataError(
                    f"{setting}: {folder}: no such folder; name a trained experiment or a bundle; on the"
                    " command line, paths start from the folder that you are in"
                )
            raise DataError(
                f"{setting}: {folder}: no such folder; name a trained experiment or a bundle, or make it:"
                f" {command}"
            )
        damaged = f"damaged; make the experiment again: {command} --force"
        family, info = FAMILIES.get("espnet"), None
        if (folder / INFO).exists():
            try:
                info = read_info(folder, damaged.removeprefix("damaged; "))
                family = family_of(folder, info)
            except XltError as err:
                raise type(err)(f"{setting}: {err}") from None
        missing = [name for name in family.needed if not stored(folder / name).exists()]
        if missing or info is None:
            raise DataError(
                f"{setting}: {folder}: has no {[*missing, INFO][0]}, so it is no finished experiment; make"
                f" it: {command}"
            )
        try:
            (
                info["features"]["upstream"],
                info["features"]["settings"]["features.upstream"],
                info["tokens"]["type"],
            )
        except (KeyError, TypeError):
            raise DataError(f"{setting}: {folder / INFO}: {damaged}") from None
        for name in digests.altered(folder, files_of(folder, family)):
            again = damaged.removeprefix("damaged; ")
            again = "copy the whole bundle again" if (folder / "bundle.json").exists() else again
            raise DataError(f"{setting}: {folder / name}: altered by hand or damaged; {again}")
        return cls(folder, info)

    @property
    def experiment(self) -> Path:
        """Where it was trained."""
        return experiment_of(self.folder)

    @property
    def family(self) -> Any:
        """The :class:`~xlt.models.family.Family` that can load it and train it further."""
        return family_of(self.folder, self.info)

    @property
    def parts(self) -> tuple[str, ...]:
        """What it can decode by: CTC, ATTENTION (:class:`xlt.models.family.Writing`), or both."""
        return parts_of(self.info)

    @functools.cached_property
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

    @functools.cached_property
    def manifest(self) -> dict[str, list[str]] | None:
        """What it and the models before it were trained on, ``{utterance: [audio hash, content]}``; None if
        it does not say.
        """
        path = self.folder / MANIFEST
        return {utt: line.split(" ", 1) for utt, line in read_table(path).items()} if path.exists() else None

    def check(self, cfg: Config) -> None:
        """Raise UpstreamError or ConfigError unless a recipe with ``cfg`` can start from this model.

        Looks at settings only, so that it can be done before anything is encoded.
        """
        if self.info["family"] in EXPORTED:
            raise ConfigError(
                f"train.init: {self.folder} is an exported model, which cannot be trained further; name the"
                " bundle that it was exported from"
            )
        if self.info["family"] != cfg.train.family:
            raise ConfigError(
                f"train.init: {self.folder} is a model of the family {self.info['family']}, this recipe has"
                f" train.family={cfg.train.family}; set train.family={self.info['family']}"
            )
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


def recipe_of(folder: Path) -> Path:
    """The recipe in which the model in ``folder``, exp/<tag> or the bundle in it, was made; what relative
    paths in its files count from.
    """
    return experiment_of(folder).parent.parent


def experiment_of(folder: Path) -> Path:
    """``exp/<tag>`` of the model in ``folder``, which is that or the bundle in it."""
    return folder.parent if folder.name == BUNDLE else folder


def in_bundle(folder: Path) -> bool:
    """Whether the model in ``folder`` is a bundle's, or its second one. Such a model names no files outside,
    and is opened without a network.
    """
    return any((place / "bundle.json").exists() for place in (folder, folder.parent))


def packed_upstream(folder: Path) -> Path | None:
    """Where the weights of the upstream lie that the bundle in ``folder`` was made with: in it, or, if it is
    one of many over one backbone, beside them; None if they are not with it.
    """
    own, shared = folder / UPSTREAM, folder.parent.parent / BACKBONE
    if own.is_dir():
        return own
    return shared if folder.parent.name == HEADS and shared.is_dir() else None


def initial_model(cfg: Config) -> Trained | None:
    """The model of ``train.init``, checked as far as settings go; None without one."""
    if cfg.train.average_source and (cfg.train.init is None or cfg.train.zero_shot):
        raise ConfigError(
            f"train.average_source={cfg.train.average_source:g}: needs a model that training starts from: "
            "train.init=../multi/exp/main, without train.zero_shot"
        )
    if cfg.train.init is None:
        if cfg.train.zero_shot and not FAMILIES.get(cfg.train.family).zero_shot:
            raise ConfigError(
                "train.zero_shot: needs the model that is to be used unchanged: train.init=../multi/exp/main"
            )
        return None
    found = Trained.load(cfg.train.init)
    found.check(cfg)
    return found


def teacher(cfg: Config) -> Trained | None:
    """The bundle of ``train.teacher``, checked as far as settings go; None without one.

    DataError if there is none, ConfigError for one that cannot write this recipe's texts.
    """
    given = cfg.as_given("train.teacher")
    if given is None:
        for name in ("train.unlabelled", "train.posterior_weight"):
            if value := cfg.as_given(name):
                raise ConfigError(f"{name}={value}: needs a teacher, e.g. train.teacher=../ron/exp/main")
        return None
    setting, folder = f"train.teacher={given}", Path(str(cfg.train.teacher))
    if cfg.train.zero_shot:
        raise ConfigError(f"{setting}: with train.zero_shot=true nothing is learned; leave one out")
    if cfg.train.unlabelled is None and not cfg.train.posterior_weight:
        raise ConfigError(
            f"{setting}: has nothing to teach; name recordings without texts in train.unlabelled, or give"
            " train.posterior_weight"
        )
    packed = folder / BUNDLE
    if folder.name != BUNDLE and not (folder / BUNDLE_MANIFEST).exists() and not packed.is_dir():
        tag = Trained.load(folder, "train.teacher").folder.name
        raise DataError(
            f"{setting}: has no bundle, the form in which a model is used with its language model; make it:"
            f" {os.path.join(recipe_of(folder), 'run.sh')} --stage 10 tag={tag}"
        )
    found = Trained.load(packed if packed.is_dir() else folder, "train.teacher")
    if found.experiment.resolve() == (cfg.recipe / "exp" / cfg.tag).resolve():
        raise ConfigError(f"{setting}: is the experiment that is to be trained; give that another tag")
    if found.info["lang"] != cfg.lang:
        raise ConfigError(
            f"{setting}: writes {found.info['lang']}, this recipe is {cfg.lang}; name a model of the same"
            " language and script"
        )
    if "phone" in (cfg.tokens.type, found.info["tokens"]["type"]):
        raise ConfigError(f"{setting}: phones cannot be learned from a teacher; use tokens.type=char or bpe")
    return found


def training_manifest(folder: Path) -> dict[str, str]:
    """``{utterance: "audio content"}`` of a Kaldi directory, ``-`` for what it does not say; the rows of
    MANIFEST.
    """
    ids = read_table(folder / "wav.scp" if (folder / "wav.scp").exists() else folder / "text")
    audio, content = (
        read_table(folder / t) if (folder / t).exists() else {} for t in ("utt2audio", "utt2content")
    )
    return {utt: f"{audio.get(utt, '-')} {content.get(utt, '-')}" for utt in ids}
