"""Lazy registries: a name maps to ``module:attribute`` and nothing is imported before it is asked for."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from xlt.core.errors import ConfigError


class Registry:
    """Names of one kind of thing, e.g. corpus readers; ``kind`` is the setting that chooses one.

    To add one, write its module and add a line to the registry below, or call :meth:`register` from your own
    package before a stage runs.

    >>> numbers = Registry("number", {"sqrt": "math:sqrt"})
    >>> numbers.register("floor", "math:floor")
    >>> numbers.names()
    ['floor', 'sqrt']
    >>> numbers.get("sqrt")(9.0)
    3.0
    """

    def __init__(self, kind: str, entries: dict[str, str]):
        self.kind = kind
        self.entries = dict(entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def names(self) -> list[str]:
        return sorted(self.entries)

    def register(self, name: str, target: str) -> None:
        """Add ``target``, ``module:attribute``, as ``name``; ConfigError if the name is taken by another."""
        if self.entries.get(name, target) != target:
            raise ConfigError(f"{self.kind} {name!r} is already {self.entries[name]}; choose another name")
        self.entries[name] = target

    def hint(self, name: object) -> str:
        """``; did you mean sqrt?`` for a name close to one that there is, else nothing."""
        close = difflib.get_close_matches(str(name), self.entries, n=1)
        return f"; did you mean {close[0]}?" if close else ""

    def get(self, name: str) -> Any:
        """The object called ``name``; raises ConfigError with the nearest name if there is none."""
        if name not in self.entries:
            raise ConfigError(
                f"{self.kind} {name!r} is not known; there are {', '.join(self.names())}{self.hint(name)}"
            )
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
        "festvox": "xlt.data.corpora.festvox:read",
        "fillets": "xlt.data.corpora.fillets:read",
        "asterisk": "xlt.data.corpora.asterisk:read",
        "labels": "xlt.data.corpora.labels:read",
        "table": "xlt.data.corpora.table:read",
        "join": "xlt.data.corpora.join:read",
        "recipes": "xlt.data.corpora.recipes:unit",
    },
)

TABLES = Registry(
    "form of table",
    {  # by the ending of the file; in a folder, tables of all but .txt are looked for
        ".tsv": "xlt.data.corpora.forms.delimited:read",
        ".csv": "xlt.data.corpora.forms.delimited:read",
        ".jsonl": "xlt.data.corpora.forms.objects:read",
        ".ndjson": "xlt.data.corpora.forms.objects:read",
        ".json": "xlt.data.corpora.forms.objects:read",
        ".xlsx": "xlt.data.corpora.forms.workbook:read",
        ".xlsm": "xlt.data.corpora.forms.workbook:read",
        ".parquet": "xlt.data.corpora.forms.parquet:read",
        ".txt": "xlt.data.corpora.forms.delimited:read",
        ".xls": "xlt.data.corpora.forms.refused:read",
        ".xlsb": "xlt.data.corpora.forms.refused:read",
        ".ods": "xlt.data.corpora.forms.refused:read",
        ".numbers": "xlt.data.corpora.forms.refused:read",
    },
)

UPSTREAMS = Registry(
    "features.upstream",
    {
        "bestrq": "xlt.upstreams.bestrq:BestRqUpstream",
        "fbank": "xlt.upstreams.fbank:Fbank",
        "hf": "xlt.upstreams.hf:HuggingFace",
        "mms_1b": "xlt.upstreams.hf:HuggingFace",
        "mms_1b_all": "xlt.upstreams.hf:HuggingFace",
        "mms_300m": "xlt.upstreams.hf:HuggingFace",
        "w2v_bert_2": "xlt.upstreams.hf:HuggingFace",
        "whisper_base": "xlt.upstreams.whisper:WhisperEncoder",
        "s3prl": "xlt.upstreams.s3prl:S3prlUpstream",
    },
)

AUGMENTATIONS = Registry(
    "augmentation",
    {
        "band": "xlt.audio.augment.band:Band",
        "chunk": "xlt.audio.augment.chunk:Chunk",
        "clip": "xlt.audio.augment.gain:Clip",
        "codec": "xlt.audio.augment.codec:Codec",
        "gain": "xlt.audio.augment.gain:Gain",
        "noise": "xlt.audio.augment.noise:Noise",
        "pitch": "xlt.audio.augment.pitch:Pitch",
        "room": "xlt.audio.augment.room:Room",
        "speed": "xlt.audio.augment.speed:Speed",
    },
)

ENCODERS = Registry(
    "train.encoder",
    {
        "blstm": "xlt.nets.encoders.blstm:BlstmEncoder",
        "causal_conv": "xlt.nets.encoders.causal_conv:CausalConvEncoder",
        "contextual_block_conformer": "xlt.nets.encoders.contextual:ContextualConformer",
        "deepspeech2": "xlt.nets.encoders.deepspeech2:DeepSpeech2Encoder",
        "emformer": "xlt.nets.encoders.emformer:EmformerEncoder",
        "jasper": "xlt.nets.encoders.jasper:JasperEncoder",
        "lc_blstm": "xlt.nets.encoders.lc_blstm:LcBlstmEncoder",
        "linear": "xlt.nets.encoders.linear:LinearEncoder",
        "lstm": "xlt.nets.encoders.lstm:LstmEncoder",
        "quartznet": "xlt.nets.encoders.quartznet:QuartzNetEncoder",
    },
)

SHORTENING = Registry(
    "convolutions of an encoder",
    {  # of encoders that give fewer frames than they get: what their convolutions do to the number
        "jasper": "xlt.nets.encoders.jasper:convolutions",
        "quartznet": "xlt.nets.encoders.quartznet:convolutions",
    },
)

METRICS = Registry(
    "metric",
    {  # in the order of the tables' columns; of each kind of transcripts, the first is what is compared by
        "cer": "xlt.metrics.cer:CER",
        "wer": "xlt.metrics.wer:WER",
        "per": "xlt.metrics.per:PER",
        "fer": "xlt.metrics.fer:FER",
        "ser": "xlt.metrics.ser:SER",
        "chrf": "xlt.metrics.chrf:CHRF2",
    },
)

WORK = Registry(
    "kind of work",
    {  # see xlt.core.executor
        "decode_clips": "xlt.data.clips:DecodeClips",
        "measure_sounds": "xlt.check.sound:MeasureSounds",
        "encode": "xlt.features.extract:Shard",
        "recognise": "xlt.decode.work:Recognise",
        "transcribe": "xlt.bundle.label:Transcribe",
        "posteriors": "xlt.bundle.label:Posteriors",
        "align": "xlt.align.work:Align",
    },
)

EXECUTORS = Registry(
    "executor",
    {
        "local": "xlt.core.executor:Local",
        "slurm": "xlt.core.cluster.slurm:Slurm",
        "dask": "xlt.core.cluster.dask:Dask",
    },
)

FORMATS = Registry(
    "--format",
    {
        "tsv": "xlt.formats.transcripts.tsv:TSV",
        "txt": "xlt.formats.transcripts.text:TEXT",
        "segments": "xlt.formats.transcripts.segments:SEGMENTS",
        "srt": "xlt.formats.transcripts.srt:SRT",
        "vtt": "xlt.formats.transcripts.vtt:VTT",
        "eaf": "xlt.formats.transcripts.eaf:EAF",
        "textgrid": "xlt.formats.transcripts.textgrid:TEXTGRID",
        "ctm": "xlt.formats.transcripts.ctm:CTM",
        "json": "xlt.formats.transcripts.json_lines:JSON",
    },
)

LABELS = Registry(
    "label file",
    {  # in the order in which forms are tried; of several files of a recording, the first is taken
        "textgrid": "xlt.formats.labels.textgrid:TEXTGRID",
        "vtt": "xlt.formats.labels.subtitles:VTT",
        "srt": "xlt.formats.labels.subtitles:SRT",
        "chat": "xlt.formats.labels.chat:CHAT",
        "audacity": "xlt.formats.labels.audacity:AUDACITY",
        "tabs": "xlt.formats.labels.tabs:TABS",
        "htk": "xlt.formats.labels.htk:HTK",
        "plain": "xlt.formats.labels.plain:PLAIN",
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

ADAPTERS = Registry(
    "train.adapter",
    {
        "houlsby": "xlt.nets.adapters:Houlsby",
        "lora": "xlt.nets.adapters:Lora",
        "mms": "xlt.nets.adapters:Mms",
    },
)

FAMILIES = Registry(
    "train.family",
    {
        "espnet": "xlt.models.espnet.family:ESPNET",
        "whisper_ed": "xlt.models.whisper.family:WHISPER",
    },
)

EXPORTED = Registry(
    "family of an exported model",
    {"onnx": "xlt.models.onnx.family:FAMILY"},  # no recipe can choose it
)

PRETRAINING = Registry(
    "pretrain.method",
    {
        "bestrq": "xlt.models.ssl.bestrq:BestRqMethod",
        "chunked": "xlt.models.ssl.chunked:ChunkedMethod",
        "continued": "xlt.models.ssl.continued:ContinuedMethod",
        "wav2vec2": "xlt.models.ssl.wav2vec2:Wav2Vec2Method",
    },
)

LMS = Registry("lm.type", {"ngram": "xlt.lm.kind:NGRAM"})

DECODERS = Registry(
    "decode.method",
    {
        "attention": "xlt.decode.attention:Attention",
        "beam": "xlt.decode.beam:Beam",
        "combined": "xlt.decode.combined:Combined",
        "greedy": "xlt.decode.greedy:Greedy",
        "joint": "xlt.decode.joint:Joint",
        "lexicon": "xlt.decode.lexicon:ByLexicon",
        "transducer": "xlt.decode.transducer:ByTransducer",
    },
)

# settings whose values are names of a registry, and what else they may be
CHOICES: dict[str, tuple[Registry, tuple[str, ...]]] = {
    registry.kind: (registry, others)
    for registry, others in (
        (EXECUTORS, ()),
        (ADAPTERS, ("none",)),
        (FAMILIES, ()),
        (PRETRAINING, ("none",)),
        (LMS, ("none",)),
        (DECODERS, ("auto",)),
    )
}
