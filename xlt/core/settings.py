"""The sections of a configuration with the types of their settings; defaults and meanings stand in
base.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from xlt.core.constraints import AtLeast, Count, FilePath, FreeForm, Positive, Share, ShareOrTag

Freeze = Literal["auto", "upstream", "extractor", "none"]
CPU_HOURS = 2.0  # train.max_hours=null without a GPU


@dataclass(frozen=True)
class DataConfig:
    reader: str | None
    dir: Annotated[str | None, FilePath()]
    archive: Annotated[str | None, FilePath()]
    columns: Annotated[dict, FreeForm()]
    encoding: str | None
    tier: str | list | None
    allow_pipes: bool
    train_from: Literal["official", "validated"]
    split: Literal["auto", "speaker", "text", "cross"]
    folds: Annotated[int, AtLeast(3)]
    fold: Annotated[int | None, Positive()]
    sources: Annotated[list | None, FilePath(beside=True)]
    parts: Annotated[list | None, FilePath(part_of="data")]
    further: Annotated[list, FilePath(part_of="data")]
    splits: Annotated[dict | None, FreeForm()]
    cache: Annotated[str | None, FilePath()]
    normaliser: str | None
    tags: Annotated[dict, FreeForm()]
    keep: str
    digits: Literal["drop", "keep"]
    train_speakers: list | None
    train_minutes: Annotated[float | None, Positive()]
    empty: Annotated[float, Share()]
    noise: Annotated[dict, FilePath(words=("tuxpaint", "fillets")), FreeForm()]
    min_dur_s: float
    max_dur_s: Annotated[float, Positive()]
    max_chars_per_s: Annotated[float, Positive()]
    min_chars_per_s: float
    drop: Annotated[str | None, FilePath(beside=True)]


@dataclass(frozen=True)
class CheckConfig:
    min_held_out: int
    align: bool
    align_model: Annotated[str | list | None, FilePath(beside=True)]
    drop: Annotated[float, Share()]


@dataclass(frozen=True)
class FeaturesConfig:
    upstream: str
    path: Annotated[str | None, FilePath()]
    layers: str | int | list
    mix_from: Annotated[str | None, FilePath(beside=True)]
    mix_norm: Literal["none", "frame", "corpus"]
    mix_head: Literal["linear", "blstm"]
    mix_minutes: Annotated[float, Positive()]
    mix_updates: Annotated[int, Positive()]
    mix_seed: int
    storage: Literal["f32", "cm2", "cm1"]
    speed: list
    augment: list
    chunk_s: float | list
    left_s: Annotated[float, Count()]
    look_ahead_s: Annotated[float, Count()]
    on_the_fly: bool
    dtype: Literal["auto", "float32", "bfloat16", "int8"]
    batch_s: Annotated[float, Positive()]
    ngpu: int | None


@dataclass(frozen=True)
class TokensConfig:
    type: Literal["char", "bpe", "phone"]
    size: Annotated[int, Positive()]
    union: Annotated[list, FilePath(beside=True)]
    language_tag: bool


@dataclass(frozen=True)
class PhonesConfig:
    g2p: Literal["auto", "epitran", "espeak", "tsv"]
    table: Annotated[str | None, FilePath()]


@dataclass(frozen=True)
class LmConfig:
    type: str  # none, or a name in LMS
    unit: Literal["auto", "char", "word", "token"]
    order: Annotated[int | None, Positive()]
    text: Annotated[list, FilePath()]
    words: Annotated[str, FilePath(words=("auto", "wordfreq", "none"), scheme="hunspell:")]
    model: Annotated[str | None, FilePath()]
    max_ngrams: Annotated[int, Positive()]
    exclude_overlap: bool
    spell: bool
    training_texts: bool


@dataclass(frozen=True)
class TrainConfig:
    family: str  # a name in FAMILIES
    max_hours: Annotated[float | None, Positive()]
    init: Annotated[str | None, FilePath(beside=True)]
    init_tokens: Literal["new", "match"]
    zero_shot: bool
    mix: Annotated[dict, FreeForm()]
    average_source: Annotated[float, Share()]
    teacher: Annotated[str | None, FilePath(beside=True)]
    unlabelled: Annotated[str | None, FilePath(beside=True)]
    label_cer: Annotated[float, Share()]
    posterior_weight: Annotated[float, Share()]
    forget_limit: str | float | None
    encoder: str
    encoder_conf: Annotated[dict, FreeForm()]
    projection: int
    decoder: str
    decoder_conf: Annotated[dict, FreeForm()]
    ctc_weight: Annotated[float, Share()]
    frame_rate: Annotated[float, Positive()]
    optim: str
    lr: Annotated[float, Positive()]
    schedule: Literal["cosine", "plateau"]
    warmup_steps: int
    batch_s: Annotated[float, Positive()]
    balance: Annotated[float | dict | None, FreeForm(), ShareOrTag()]
    max_epochs: Annotated[int, Positive()]
    min_updates: int
    patience: Annotated[int | None, Positive()]
    grad_clip: Annotated[float, Positive()]
    average_best: Annotated[int, Positive()]
    time_mask_s: float
    feature_mask: Annotated[float, Share()]
    num_masks: int
    ngpu: int | None
    nodes: Annotated[int | None, Positive()]
    processes: Annotated[int, Positive()]
    freeze: Freeze
    freeze_updates: Annotated[int, Count()]
    upstream_lr: Annotated[float, Positive()]
    layer_decay: Annotated[float, Positive(), Share()]
    upstream_dropout: Annotated[float, Share()]
    checkpointing: bool
    whisper_token: str
    windows_s: list
    label_smoothing: Annotated[float, Share()]
    adapter: str  # none, or a name in ADAPTERS
    adapter_dim: Annotated[int, Positive()]


def hours_for(max_hours: float | None, on_cpu: bool) -> float | None:
    """What ``train.max_hours`` comes to: null is CPU_HOURS without a GPU, and no limit (None) with one."""
    return max_hours if max_hours is not None else CPU_HOURS if on_cpu else None


@dataclass(frozen=True)
class PretrainConfig:
    method: str  # none, or a name in PRETRAINING
    recipes: Annotated[list, FilePath(beside=True)]
    folders: Annotated[list, FilePath()]
    packages: list
    held_out: Annotated[list, FilePath(beside=True)]
    model: Annotated[dict, FreeForm()]
    batch_s: Annotated[float, Positive()]
    epochs: Annotated[int, Count()]
    lr: Annotated[float, Positive()]
    warm_up: Annotated[float, Share()]
    least_codes: Annotated[float, Share()]


@dataclass(frozen=True)
class DecodeConfig:
    method: str  # auto, or a name in DECODERS
    beam_size: Annotated[int | None, Positive()]
    lm_weight: float | list | None
    length_bonus: float | None
    hotwords: Annotated[str | None, FilePath()]
    hotword_weight: float
    combination: Annotated[dict | None, FreeForm()]
    partner: str | None
    lattices: bool
    ctc_weight: Annotated[float, Share()]
    sets: list


@dataclass(frozen=True)
class ScoreConfig:
    bootstrap: Annotated[int, Positive()]
    words: Annotated[dict, FreeForm(), FilePath()]
    word_tags: Annotated[str | None, FilePath()]
    long_chars: Annotated[int | None, Positive()]


@dataclass(frozen=True)
class ReportConfig:
    examples: int


@dataclass(frozen=True)
class BundleConfig:
    with_upstream: bool
    licence: str | None
    consent: str | None
    contact: str | None


@dataclass(frozen=True)
class ClusterConfig:
    tasks: Annotated[int, Positive()]
    shard_h: Annotated[float, Positive()]
    partition: str | None
    time_h: Annotated[float, Positive()]
    memory_gb: Annotated[float, Positive()]
    cpus: Annotated[int, Positive()]
    gpus: Annotated[int, Count()]
    options: list
    setup: list
    scratch: str | None
    scheduler: str | None


@dataclass(frozen=True)
class Settings:
    """All of them. Sections are named like the stages that read them."""

    lang: str | None
    preset: str
    tag: str
    seed: int
    nj: Annotated[int | None, Positive()]
    executor: str  # a name in EXECUTORS
    data: DataConfig
    check: CheckConfig
    features: FeaturesConfig
    phones: PhonesConfig
    tokens: TokensConfig
    lm: LmConfig
    pretrain: PretrainConfig
    train: TrainConfig
    decode: DecodeConfig
    score: ScoreConfig
    report: ReportConfig
    bundle: BundleConfig
    cluster: ClusterConfig
