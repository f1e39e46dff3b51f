"""How well texts fit their speech, by a trained model: for stage 2.

B batch, T frames, V tokens, U labels.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.log import Progress
from xlt.decode import kind
from xlt.decode.forward import ctc_loss
from xlt.decode.work import BATCH_FRAMES
from xlt.features import load_trained
from xlt.formats.archives import FeatureReader
from xlt.formats.features import read_features
from xlt.formats.model_folder import Trained
from xlt.formats.tables import read_scp, read_table
from xlt.models.family import Model, open_model
from xlt.nets.batching import batches
from xlt.nets.lengths import upstream_frames
from xlt.nets.paths import best_path
from xlt.tokens.tokenizer import UNK


@dataclass(frozen=True)
class Fit:
    """One utterance. ``score``: CTC loss of its text less that of the model's own best path, in nats a label
    of the text.

    0: the model would have written the same; infinite where the text cannot be aligned at all. ``loss`` is
    that of the text, a label; ``in_training``: whether the model was trained on this recording; ``strange``:
    characters that it cannot write, left out.
    """

    utt: str
    score: float
    loss: float
    text: str
    hypothesis: str
    strange: int
    in_training: bool
    model: str


def fit(ctx: Context, models: list[Trained], name: str) -> list[Fit]:
    """Every utterance of set ``name``, by the first of ``models`` that has not heard it, or by the first of
    all.

    Features that stage 3 has stored of the same kind are read, others are made. ConfigError for a model whose
    tokens are not of this recipe's kind.
    """
    data = ctx.data / name
    for model in models:
        if (model.info["tokens"]["type"] == "phone") != (ctx.cfg.tokens.type == "phone"):
            raise ConfigError(
                f"check.align_model: {model.folder} writes {model.info['tokens']['type']} tokens, this recipe"
                f" has tokens.type={ctx.cfg.tokens.type}; name a model that fits"
            )
    texts = read_table(ctx.text(name))
    audio = read_table(data / "utt2audio") if (data / "utt2audio").exists() else {}
    chosen: dict[int, list[str]] = {}
    heard = [_heard(model, texts, audio) for model in models]
    for utt in texts:
        number = next((i for i, known in enumerate(heard) if utt not in known), 0)
        chosen.setdefault(number, []).append(utt)
    found: dict[str, Fit] = {}
    with Progress(f"fit of text and speech, {name}", len(texts), "utterances") as bar:
        for number, utts in chosen.items():
            for part in _fits(ctx, models[number], name, {utt: texts[utt] for utt in utts}, heard[number]):
                found |= {one.utt: one for one in part}
                bar.add(len(part))
    return [found[utt] for utt in texts]


def _heard(model: Trained, texts: dict[str, str], audio: dict[str, str]) -> set[str]:
    """Which utterances it was trained on; all, if it does not say."""
    known = model.manifest
    if known is None:
        return set(texts)
    hashes = {values[0] for values in known.values()}
    return {utt for utt in texts if audio.get(utt) in hashes or (utt in known and utt not in audio)}


def _fits(
    ctx: Context, model: Trained, name: str, texts: dict[str, str], heard: set[str]
) -> Iterator[list[Fit]]:
    network = open_model(model.folder)
    stored, paths = _stored(ctx, model, name), read_scp(ctx.data / name / "wav.scp", ctx.recipe)
    encoder = functools.cache(lambda: load_trained(model.info["features"], model.folder))
    there = set(stored)
    rate = model.info["features"]["frame_rate"]
    frames = {
        utt: upstream_frames(float(dur_s), rate)
        for utt, dur_s in read_table(ctx.data / name / "utt2dur").items()
        if utt in texts
    }
    shortest_first = sorted(texts, key=lambda utt: (frames[utt], utt))
    for batch in batches(shortest_first, frames.__getitem__, BATCH_FRAMES):
        missing = [utt for utt in batch if utt not in there]
        made = {}
        if missing:
            waves = [read_wav(paths[utt], SAMPLE_RATE) for utt in missing]
            made = dict(zip(missing, encoder()(waves), strict=True))
        feats = [made[utt] if utt in made else stored[utt] for utt in batch]
        wanted = [(utt, texts[utt], utt in heard) for utt in batch]
        yield _compare(network, feats, wanted, ctx.display_path(model.folder))


def _stored(ctx: Context, model: Trained, name: str) -> FeatureReader | dict:
    """What stage 3 has made of this set, if it is of the model's kind and of these recordings; else
    nothing.
    """
    dump, audio = ctx.dump / name, ctx.data / name / "utt2audio"
    same = (
        (dump / "feats.scp").exists()
        and (dump / "utt2audio").exists()
        and audio.exists()
        and (
            kind(read_features(dump)) == kind(model.info["features"])
            and read_table(dump / "utt2audio").items() >= read_table(audio).items()
        )
    )
    return FeatureReader(dump / "feats.scp", ctx.recipe) if same else {}


def _compare(
    network: Model, feats: list[np.ndarray], wanted: list[tuple[str, str, bool]], model: str
) -> list[Fit]:
    probs, lengths = network.log_probs(feats)  # (B, T, V), (B,)
    tokenizer, found = network.tokenizer, []
    for row, length, (utt, text, heard) in zip(probs, lengths.tolist(), wanted, strict=True):
        row = row[:length]
        own = best_path(row.argmax(dim=-1))
        labels = [
            *(i for i in own[:1] if i in tokenizer.tags),
            *tokenizer.encode(text),
        ]  # of the text, not of the language
        known = [i for i in labels if i != tokenizer.ids[UNK]]
        loss, least = ctc_loss(row, known), ctc_loss(row, own)
        count = max(1, len(known))
        found.append(
            Fit(
                utt,
                (loss - least) / count if known else float("inf"),
                loss / count,
                text,
                tokenizer.decode(own),
                len(labels) - len(known),
                heard,
                model,
            )
        )
    return found
