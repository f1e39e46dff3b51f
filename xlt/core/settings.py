"""The sections of a configuration with the types of their settings; defaults and meanings stand in
base.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DataConfig:
    reader: str | None
    dir: str | None
    archive: str | None
    columns: dict
    tier: str | list | None
    allow_pipes: bool
    train_from: Literal["official", "validated"]
    split: Literal["auto", "speaker", "text"]
    sources: list | None
    parts: list | None
    splits: dict | None
    cache: str | None
    normaliser: str | None
    train_minutes: float | None
    min_dur_s: float
    max_dur_s: float
    max_chars_per_s: float
    min_chars_per_s: float
    drop: str | None


@dataclass(frozen=True)
class CheckConfig:
    align: bool
    align_model: str | list | None
    drop: float


@dataclass(frozen=True)
class FeaturesConfig:
    upstream: str
    path: str | None
    layers: str | int | list
    mix_from: str | None
    mix_norm: Literal["none", "frame", "corpus"]
    mix_head: Literal["linear", "blstm"]
    mix_minutes: float
    mix_updates: int
    mix_seed: int
    storage: Literal["f32", "cm2", "cm1"]
    speed: list
    on_the_fly: bool
    dtype: Literal["auto", "float32", "bfloat16", "int8"]
    batch_s: float
    ngpu: int | None


@dataclass(frozen=True)
class TokensConfig:
    type: Literal["char", "bpe", "phone"]
    size: int
    union: list
    language_tag: bool


@dataclass(frozen=True)
class PhonesConfig:
    g2p: Literal["auto", "epitran", "espeak", "tsv"]
    table: str | None


@dataclass(frozen=True)
class LmConfig:
    type: str  # none, or a name in LMS


@dataclass(frozen=True)
class TrainConfig:
    family: str  # a name in FAMILIES
    init: str | None
    init_tokens: Literal["new", "match"]
    zero_shot: bool
    mix: dict
    average_source: float
    forget_limit: str | float | None
    encoder: str
    encoder_conf: dict
    projection: int
    decoder: str
    decoder_conf: dict
    ctc_weight: float
    frame_rate: float
    optim: str
    lr: float
    schedule: Literal["cosine", "plateau"]
    warmup_steps: int
    batch_s: float
    balance: float | None
    max_epochs: int
    min_updates: int
    patience: int | None
    grad_clip: float
    average_best: int
    time_mask_s: float
    feature_mask: float
    num_masks: int
    ngpu: int | None
    freeze: Literal["auto", "upstream", "extractor", "none"]
    freeze_updates: int
    upstream_lr: float
    layer_decay: float
    upstream_dropout: float
    checkpointing: bool
    adapter: str  # none, or a name in ADAPTERS
    adapter_dim: int


@dataclass(frozen=True)
class DecodeConfig:
    method: str  # a name in DECODERS
    beam_size: int
    ctc_weight: float
    sets: list


@dataclass(frozen=True)
class ScoreConfig:
    bootstrap: int
    words: dict
    word_tags: str | None
    long_chars: int | None


@dataclass(frozen=True)
class ReportConfig:
    examples: int


@dataclass(frozen=True)
class BundleConfig:
    with_upstream: bool
