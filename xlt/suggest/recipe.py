"""The recipe that a bundle comes from: what its model has learned, and what it is tested on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.audio.alike import Known, bands
from xlt.audio.files import read_wav
from xlt.bundle.manifest import MANIFEST, read_manifest
from xlt.core.config import Config, load
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError, DataError
from xlt.core.stage import read_json
from xlt.data.spans import TABLE as SPANS
from xlt.data.spans import Taken
from xlt.formats.model_folder import BUNDLE, Trained, experiment_of, recipe_of
from xlt.formats.tables import read_scp, read_table

TRAIN = "train"
_SETTINGS = "recipe.yaml"
_TABLES = ("wav.scp", "text", "utt2split", "utt2audio", "report.json")  # of data/all


@dataclass(frozen=True)
class Origin:
    """A bundle with its recipe. ``manifest``: ``bundle.json``."""

    bundle: Path
    manifest: Mapping[str, Any]
    model: Trained
    cfg: Config

    @property
    def tag(self) -> str:
        """The experiment that was packed."""
        return str(self.manifest["tag"])

    @property
    def key(self) -> str:
        """Changes when what the recogniser writes does."""
        own = {name: self.manifest.get(name) for name in ("files", "decode", "confidence", "clips")}
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:20]

    @property
    def log(self) -> Path:
        """Where drafts are kept until the command is done."""
        return self.cfg.recipe / "exp" / f".suggest.{self.tag}.jsonl"

    @property
    def data(self) -> Path:
        return self.cfg.recipe / "data"


def origin(bundle: Path, recipe: Path | None = None) -> Origin:
    """The bundle in a folder, or in that of its experiment, and its recipe: the one that it lies in, or
    ``recipe``.

    ConfigError for a bundle that lies in none, is of another language, writes phones, or whose confidences
    are not calibrated; DataError if it is none.
    """
    packed = bundle / BUNDLE
    bundle = packed if packed.is_dir() and not (bundle / MANIFEST).exists() else bundle
    manifest = read_manifest(bundle)
    model = Trained.load(bundle, "bundle")
    home = recipe_of(bundle) if recipe is None else recipe
    if not (home / _SETTINGS).exists():
        what = f"--recipe {home}" if recipe else f"{bundle}"
        raise ConfigError(
            f"{what}: {'no recipe.yaml in it' if recipe else 'lies in no recipe'}; name the recipe with the"
            " data that the bundle was trained on, e.g. --recipe egs/ron"
        )
    cfg = load(home, [f"tag={experiment_of(bundle).name}"] if recipe is None else [])
    if model.info["lang"] != cfg.lang:
        raise ConfigError(
            f"{bundle}: writes {model.info['lang']}, the recipe {home} is"
            f" {cfg.lang or 'of several languages'}; name a bundle and a recipe of one language"
        )
    if model.characters is None:
        raise ConfigError(f"{bundle}: writes phones, which nobody corrects; name a bundle that writes text")
    if not manifest.get("confidence"):
        raise ConfigError(
            f"{bundle}: does not say how sure it is: its confidences were not calibrated on dev, as"
            f" decode.method={manifest['decode'].get('method')} or weights that were given need none; make"
            f" it with decode.method=auto and a language model: {home / 'run.sh'} --stage lm tag=new"
        )
    return Origin(bundle, manifest, model, cfg)


@dataclass(frozen=True)
class Corpus:
    """``texts``: what the model was trained on, by utterance; ``clips``: utterance, set and sound file of
    these, whose set is TRAIN, and of all that is held out; ``own_split``: whether the corpus itself says what
    is in train, dev and test; ``parts``: of the recordings that these clips are parts of."""

    texts: Mapping[str, str]
    clips: list[tuple[str, str, str]]
    own_split: bool = False
    parts: Taken = field(default_factory=lambda: Taken({}))

    def known(self) -> Known:
        """The clips by their sound."""
        return Known(len(self.clips), lambda number: bands(read_wav(self.clips[number][2])))


def corpus(found: Origin) -> Corpus:
    """What the recipe's stage 1 has made; MissingInput without it, DataError if the bundle does not say what
    it was trained on, or was trained on nothing of this recipe.
    """
    cfg, data = found.cfg, found.data
    everything = data / "all"
    ctx = Context(cfg.recipe, cfg)
    need(
        ctx,
        *(everything / name for name in ("wav.scp", "text", "utt2split", "utt2audio", "report.json")),
        stage="data",
    )
    heard = found.model.manifest
    if heard is None:
        raise DataError(f"{found.bundle / 'heard'}: missing; run stage 10 (bundle) again")
    learned = {values[0] for values in heard.values()}
    tables = {name: read_table(everything / name) for name in ("text", "utt2split", "utt2audio")}
    waves = read_scp(everything / "wav.scp", cfg.recipe)
    split = tables["utt2split"]
    audio = tables["utt2audio"]
    texts = {utt: text for utt, text in tables["text"].items() if audio[utt] in learned}
    if not texts:
        raise DataError(
            f"{found.bundle / 'heard'}: names no clip of {everything}; name the recipe that the bundle was"
            " trained in: --recipe"
        )
    clips = [(utt, TRAIN if utt in texts else split[utt], waves[utt]) for utt in waves]
    clips = [clip for clip in clips if clip[0] in texts or clip[1] != TRAIN]
    for name in (*cfg.checked_sets[1:], *cfg.decode.sets):  # of other corpora, such as test_phone
        if name not in split.values() and name != cfg.train_set and (data / name / "wav.scp").exists():
            clips += [(utt, name, wav) for utt, wav in read_scp(data / name / "wav.scp", cfg.recipe).items()]
    report = read_json(everything / "report.json", "data")
    spans = read_table(everything / SPANS) if (everything / SPANS).exists() else {}
    ours = {utt for utt, _, _ in clips}
    parts = Taken({utt: span for utt, span in spans.items() if utt in ours})
    return Corpus(texts, list(dict.fromkeys(clips)), report["split"].get("by") == "corpus", parts)
