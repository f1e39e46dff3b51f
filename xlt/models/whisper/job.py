"""What a training of Whisper works with: network, vocabularies, clips, groups of parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xlt.audio.augment import Copy
from xlt.audio.augment.sounds import Sounds
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.config import Config
from xlt.core.errors import DataError, StageError
from xlt.core.log import say
from xlt.core.settings import FeaturesConfig
from xlt.data.normalisers import normalise_utterance
from xlt.features import find_source
from xlt.features.speech import Speech
from xlt.fetch.files import cache_root
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_scp, read_table, same_keys
from xlt.models.espnet.mixing import OWN, Mixture, mixture
from xlt.models.resolved import Resolved
from xlt.models.whisper import lora, transfer, weights
from xlt.models.whisper.languages import check_new, language_token
from xlt.models.whisper.net import LONGEST_S, CtcHead, Net
from xlt.models.whisper.speech import Clip, Clips, check_windows
from xlt.models.whisper.vocabulary import MANY_TOKENS, MAX_POSITIONS, SPANISH, Vocabulary
from xlt.nets.lengths import ctc_steps
from xlt.tokens.tokenizer import Tokenizer
from xlt.upstreams.base import has_fast_bf16
from xlt.upstreams.hf_config import CONFIG, typed_config
from xlt.upstreams.mels import HOP
from xlt.upstreams.whisper_weights import find_tokenizer


@dataclasses.dataclass(frozen=True)
class Facts:
    """What xlt.json says of the model: ``languages``: the token of each language, "" for its own new one;
    ``head``: the CTC head's sizes, None without one.
    """

    languages: dict[str, str]
    windows_s: list[float]
    head: dict[str, Any] | None
    tuned: str


@dataclasses.dataclass
class Job:
    """Handed to all that a training does. ``texts``: the references of dev; ``normalise``: an utterance's id
    and what was written → the recipe's spelling.
    """

    net: Net
    whisper: Facts
    vocabulary: Vocabulary
    ctc: Tokenizer
    train: Clips
    dev: Clips
    texts: dict[str, str]
    normalise: Callable[[str, str], str]
    shares: dict[str, float]
    bfloat16: bool
    started_head: bool
    config: Path
    tokenizer_file: Path
    frame_rate: float
    facts: dict[str, Any]

    @property
    def head(self) -> CtcHead:
        """The CTC head, which every training has."""
        if self.net.head is None:
            raise ValueError("a Whisper without a CTC head is not trained")
        return self.net.head

    def arithmetic(self) -> Any:
        return torch.autocast(self.net.device.type, torch.bfloat16, enabled=self.bfloat16)

    def groups(self, whisper_lr: float, head_lr: float) -> list[dict[str, Any]]:
        """The trained parameters with their peak learning rates, the head's last."""
        head = list(self.net.head.parameters()) if self.net.head is not None else []
        own = {id(p) for p in head}
        rest = [p for p in self.net.parameters() if p.requires_grad and id(p) not in own]
        return [{"params": rest, "lr": whisper_lr}, {"params": head, "lr": head_lr}]


def prepare(run: Resolved, out: Path) -> Job:
    """Everything that is read before the first step; ConfigError, DataError or UpstreamError for what cannot
    be trained.
    """
    cfg, ctx = run.cfg, run.ctx
    source = find_source(cfg)
    folder = Path(source.folder)
    tokenizer = find_tokenizer(folder, cache_root(cfg.data.cache))
    vocabulary = Vocabulary.load(tokenizer.parent)
    stored = not cfg.features.on_the_fly
    zero = cfg.train.zero_shot and run.source is None
    own = run.training_speech(out / "work" / "labelled")
    mixed = mixture(run, own, out / "work" / "mixture") if not zero else None
    sets = {"train": mixed.files if mixed else own, "dev": run.sets["dev"]}
    languages = _languages(run, vocabulary)
    if not zero:
        _say_spelling(vocabulary, read_table(sets["train"].text).values())
    windows = [LONGEST_S] if zero or stored else sorted(map(float, cfg.train.windows_s))
    as_it_is = run.source.info["whisper"] if run.source and cfg.train.zero_shot else None
    if as_it_is:
        windows = as_it_is["windows_s"]
    head = None if zero or not cfg.train.ctc_weight else _head_sizes(run)
    net = Net(weights.published(folder), CtcHead(**head) if head else None, windows)
    started = run.source is not None and transfer.start(run, run.source, net, out)
    if "" in languages.values():
        _own_language(net, vocabulary)
    device = _device(cfg.train.ngpu)
    net.to(device)
    tuned = _choose(net, cfg)
    texts = read_table(sets["dev"].text)
    utt2lang = _utt2lang(run)
    facts: dict[str, Any] = {}
    clips = {
        name: _clips(run, files, name, vocabulary, languages, utt2lang, mixed, facts)
        for name, files in (sets.items() if not zero else ())
    }
    for name, found in clips.items():
        if not stored:
            check_windows(found, windows, str(sets[name].text))

    def reader(name: str) -> Callable[[str], Any]:
        if stored:
            return FeatureReader(sets[name].scp, cfg.recipe).__getitem__
        waves = read_scp(sets[name].scp, cfg.recipe)
        return lambda utt: read_wav(waves[utt])

    drawn: dict[str, Any] = {} if stored else _drawn(cfg, ctx.noise)
    parts = {
        name: Clips(found, reader(name), stored, cfg.train.batch_s, **(drawn if name == "train" else {}))
        for name, found in clips.items()
    }
    empty = Clips([], reader("dev"), stored, cfg.train.batch_s)
    trained = sum(p.numel() for p in net.parameters() if p.requires_grad)
    if not zero:
        whole = sum(p.numel() for p in net.parameters())
        say(f"  {trained / 1e6:.1f} M of {whole / 1e6:.1f} M parameters are trained ({tuned})")
    return Job(
        net=net,
        whisper=Facts(languages, windows, head, as_it_is["tuned"] if as_it_is else tuned),
        vocabulary=vocabulary,
        ctc=run.tokenizer,
        train=parts.get("train", empty),
        dev=parts.get("dev", empty),
        texts=texts,
        normalise=normalise_utterance(cfg, utt2lang, str(ctx.data / cfg.train_set / "utt2lang")),
        shares=dict(mixed.shares) if mixed else {},
        bfloat16=narrow(cfg.features, device),
        started_head=started,
        config=folder / weights.CONFIG,
        tokenizer_file=tokenizer,
        frame_rate=SAMPLE_RATE / HOP,
        facts=facts | {"parameters": trained},
    )


def _drawn(cfg: Config, noise: Path) -> dict[str, Any]:
    """What training draws anew in each epoch: speeds and altered copies; ``noise``: data/noise."""
    asked = [Copy(chain) for chain in cfg.features.augment]
    sounds = Sounds.open(noise, "train") if cfg.data.noise and any(copy.draws for copy in asked) else None
    return {
        "speeds": [float(speed) for speed in cfg.features.speed],
        "augment": [copy.with_noise(sounds.digest if sounds else "") for copy in asked],
        "sounds": sounds,
    }


def narrow(features: FeaturesConfig, device: torch.device) -> bool:
    """Whether products are computed in bfloat16: as features.dtype says, auto where that is faster."""
    if features.dtype == "auto":
        return device.type == "cuda" or has_fast_bf16()
    return features.dtype == "bfloat16"


def _device(ngpu: int | None) -> torch.device:
    there = torch.cuda.device_count()
    if ngpu is not None and ngpu > there:
        raise StageError(f"train.ngpu={ngpu}: this machine has {there} GPUs that torch can use")
    return torch.device("cuda" if there and ngpu != 0 else "cpu")


def _head_sizes(run: Resolved) -> dict[str, Any]:
    from transformers import WhisperConfig

    dim = typed_config(find_source(run.cfg).folder / CONFIG, WhisperConfig).d_model
    return {"dim": dim, "tokens": len(run.tokenizer.tokens), "hidden": 256, "dropout": 0.2}


def _utt2lang(run: Resolved) -> dict[str, str]:
    """Languages of the utterances of all sets that are read."""
    found: dict[str, str] = {}
    for name in run.sets:
        path = run.ctx.data / name / "utt2lang"
        found |= read_table(path) if path.exists() else {}
    return found


def _languages(run: Resolved, vocabulary: Vocabulary) -> dict[str, str]:
    """Whisper's token of each language that is learned; says which."""
    found = dict.fromkeys([run.cfg.lang] if run.cfg.lang else [])
    found |= dict.fromkeys(_utt2lang(run).values())
    told = {}
    for lang in found:
        setting = run.cfg.train.whisper_token if lang == run.cfg.lang else "auto"
        told[lang], why = language_token(lang, vocabulary, setting)
        say(f"  {lang}: " + (f"Whisper's language token {told[lang]}, {why}" if told[lang] else why))
    check_new(told, run.cfg.lang, run.cfg.train.whisper_token)
    return told


def _say_spelling(vocabulary: Vocabulary, texts: Iterable[str]) -> None:
    """How many tokens a word costs, of which a script that Whisper has seldom seen needs many."""
    rate = vocabulary.tokens_per_word(texts)
    much = f", as Whisper spells this script in bytes (Spanish: {SPANISH}): decoding takes longer"
    say(f"  {rate:.1f} of Whisper's tokens a word{much if rate > MANY_TOKENS else ''}")


def _own_language(net: Net, vocabulary: Vocabulary) -> None:
    """A new embedding in the place of a token that is never used; it begins as the mean of all languages."""
    rows = net.whisper.model.decoder.embed_tokens.weight
    net.language_id = vocabulary.spare
    net.language = nn.Parameter(rows[sorted(vocabulary.languages.values())].detach().mean(0))


def _choose(net: Net, cfg: Config) -> str:
    """Let what is to be trained require gradients; says in a word what that is.

    Positions stay as they are, and so do the rows of the vocabulary, of which ten minutes show few: a third
    of whisper-base's parameters.
    """
    train, model = cfg.train, net.whisper.model
    net.whisper.requires_grad_(False)
    if train.zero_shot:
        return "nothing"
    if train.adapter != "none":
        lora.add(net.whisper, train.adapter_dim)
        return "lora"
    model.decoder.layers.requires_grad_(True)
    model.decoder.layer_norm.requires_grad_(True)
    if train.freeze == "upstream":
        return "decoder"
    model.encoder.requires_grad_(True)
    model.encoder.embed_positions.requires_grad_(False)
    if train.freeze == "extractor":
        for part in (model.encoder.conv1, model.encoder.conv2):
            part.requires_grad_(False)
    return "all"


def _clips(
    run: Resolved,
    files: Speech,
    name: str,
    vocabulary: Vocabulary,
    languages: dict[str, str],
    utt2lang: dict[str, str],
    mixed: Mixture | None,
    facts: dict[str, Any],
) -> list[Clip]:
    """The utterances of a set that can be learned; the others are counted, and named in ``facts``."""
    texts, lengths = read_table(files.text), read_table(files.lengths)
    same_keys(files.text, files.scp, texts, read_table(files.scp))
    per = 1 if files.kind == "sound" else HOP
    found, changed, long = [], [], []
    for utt, text in texts.items():
        source = utt.split("-", 1)[-1] if utt not in utt2lang else utt  # a copy's name begins with its kind
        lang = utt2lang.get(source, run.cfg.lang or "")
        labels, ids = run.tokenizer.encode(text), vocabulary.encode(text)
        prompt = vocabulary.prompt(languages[lang])
        samples = int(lengths[utt]) * per
        if not vocabulary.unchanged(text):
            changed.append(utt)
        elif len(prompt) + len(ids) + 1 > MAX_POSITIONS or samples // HOP < ctc_steps(labels):
            long.append(utt)
        else:
            category = mixed.category[utt] if mixed and name == "train" else OWN
            found.append(Clip(utt, samples, tuple(prompt), (*ids, vocabulary.end), tuple(labels), category))
    if changed:
        raise DataError(
            f"{files.text}: {len(changed)} texts do not come back unchanged from Whisper's tokenizer, first"
            f" that of {changed[0]!r}; correct them, or leave them out with data.drop"
        )
    if long:
        said = f"{len(long)} of {len(texts)} utterances have too much text and are left out"
        say(f"  {name}: {said}: {' '.join(long[:5])}{' …' if len(long) > 5 else ''}")
    if not found:
        raise DataError(f"{files.text}: no utterance is left to learn from; raise data.train_minutes")
    facts[name] = {"utterances": len(found), "infeasible": len(long)}
    return found
