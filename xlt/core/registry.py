"""Lazy registries: a name maps to ``module:attribute`` and nothing is imported before it is asked for."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from xlt.core.errors import ConfigError


class Registry:
    """Names of one kind of thing, e.g. corpus readers.

    >>> Registry("reader", {"sqrt": "math:sqrt"}).get("sqrt")(9.0)
    3.0
    """

    def __init__(self, kind: str, entries: dict[str, str]):
        self.kind = kind
        self.entries = dict(entries)

    def names(self) -> list[str]:
        return sorted(self.entries)

    def get(self, name: str) -> Any:
        """The object called ``name``; raises ConfigError with the nearest name if there is none."""
        if name not in self.entries:
            close = difflib.get_close_matches(str(name), self.entries, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigError(f"{self.kind} {name!r} is not known; there are {', '.join(self.names())}{hint}")
        module, _, attribute = self.entries[name].partition(":")
        return getattr(importlib.import_module(module), attribute)


READERS = Registry(
    "data.reader",
    {  # in the order in which a corpus is recognised: the most special form first
        "kaldi": "xlt.data.corpora.kaldi:read",
        "lhotse": "xlt.data.corpora.lhotse:read",
        "commonvoice": "xlt.data.corpora.commonvoice:read",
        "fleurs": "xlt.data.corpora.fleurs:read",
        "elan": "xlt.data.corpora.elan:read",
        "tuxpaint": "xlt.data.corpora.tuxpaint:read",
        "table": "xlt.data.corpora.table:read",
        "join": "xlt.data.corpora.join:read",
        "recipes": "xlt.data.corpora.recipes:unit",
    },
)

UPSTREAMS = Registry(
    "features.upstream",
    {
        "fbank": "xlt.upstreams.fbank:Fbank",
        "whisper_base": "xlt.upstreams.whisper:WhisperEncoder",
        "s3prl": "xlt.upstreams.s3prl:S3prlUpstream",
    },
)

ENCODERS = Registry(
    "train.encoder",
    {
        "blstm": "xlt.nets.encoders.blstm:BlstmEncoder",
        "deepspeech2": "xlt.nets.encoders.deepspeech2:DeepSpeech2Encoder",
        "linear": "xlt.nets.encoders.linear:LinearEncoder",
    },
)

FRONTENDS = Registry(
    "frontend",
    {
        "xlt_s3prl": "xlt.models.espnet.frontends.s3prl:FrozenS3prl",
        "xlt_upstream": "xlt.models.espnet.frontends.upstream:FrozenUpstream",
        "xlt_tuned": "xlt.models.espnet.frontends.tuned:TunedUpstream",
    },
)
