"""Which models of the hub are read, by the ``model_type`` of their config.json."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from xlt.core.errors import UpstreamError
from xlt.upstreams.hf_config import CONFIG, read_json


class Kind(NamedTuple):
    """``model``: its class in transformers; ``mels``: it takes log-mels; ``tunable``: it can be trained."""

    model: str
    mels: bool = False
    tunable: bool = False


KINDS = {  # model_type in config.json →
    "wav2vec2": Kind("Wav2Vec2Model", tunable=True),
    "hubert": Kind("HubertModel", tunable=True),
    "wav2vec2-bert": Kind("Wav2Vec2BertModel", mels=True, tunable=True),
    "wavlm": Kind("WavLMModel"),
    "data2vec-audio": Kind("Data2VecAudioModel"),
    "unispeech-sat": Kind("UniSpeechSatModel"),
    "wav2vec2-conformer": Kind("Wav2Vec2ConformerModel"),
}


def kind_of(folder: Path) -> Kind:
    """What the model in ``folder`` is; UpstreamError for one that is not in KINDS."""
    found = read_json(folder / CONFIG).get("model_type")
    if isinstance(found, str) and found in KINDS:
        return KINDS[found]
    remedy = "give a folder of one of these in features.path"
    if found == "whisper":
        remedy = f"for Whisper give features.upstream=whisper_base features.path={folder}"
    raise UpstreamError(
        f"{folder / CONFIG}: model_type is {str(found)[:80]!r}; features.upstream=hf reads"
        f" {', '.join(KINDS)}: {remedy}"
    )
