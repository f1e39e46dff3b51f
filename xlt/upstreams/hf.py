"""Speech encoders of Hugging Face folders through transformers alone: wav2vec 2.0 (XLS-R, MMS), HuBERT,
w2v-BERT 2.0, and, frozen only, WavLM, data2vec, UniSpeech-SAT and the Conformer form of wav2vec 2.0.

Of a folder with language adapters (MMS) the features are those of the backbone that all its languages share;
adapters are another matter (:mod:`xlt.nets.adapters`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import ConfigError, UpstreamError
from xlt.core.log import say
from xlt.fetch import hub
from xlt.upstreams import hf_config, hf_folder
from xlt.upstreams.base import MIN_SAMPLES, Source, Upstream, check_layers, unpacked
from xlt.upstreams.hf_config import CONFIG
from xlt.upstreams.hf_kinds import kind_of
from xlt.upstreams.s3prl import BATCH_S, compared, pack

if TYPE_CHECKING:
    import numpy as np
    import torch

    from xlt.upstreams.hf_expert import Expert
    from xlt.upstreams.tunable import Pieces


HUB = {  # features.upstream → repository of the hub; SIZES: hidden states and dimensions
    "mms_300m": "facebook/mms-300m",
    "mms_1b": "facebook/mms-1b",
    "mms_1b_all": "facebook/mms-1b-all",
    "w2v_bert_2": "facebook/w2v-bert-2.0",
}
SIZES = {"mms_300m": (25, 1024), "mms_1b": (49, 1280), "mms_1b_all": (49, 1280), "w2v_bert_2": (25, 1024)}


class HuggingFace(Upstream):
    """Hidden state 0 stands before the first layer, the last one behind the final norm; ceil(N / hop) frames,
    the last one repeated. Each clip is encoded alone, or as if it were.
    """

    bf16_pays = True
    padding = "hf: what each clip gives alone"
    has_int8 = True
    packs = True
    packages = ("torch", "transformers")

    @staticmethod
    def find(name: str, path: str | None, cache: Path) -> Source:
        return _source(name, _from_hub(name) if path is None else Path(path))

    @classmethod
    def can_tune(cls, name: str, path: str | None = None) -> bool:
        if path is None or not (Path(path) / CONFIG).exists():
            return True
        return kind_of(Path(path)).tunable

    @classmethod
    def pieces(cls, source: Source) -> Pieces:
        expert = load_expert(source.folder)
        return compared(
            _pieces(expert, source.upstream),
            lambda wave: [h[None] for h in expert.hidden(wave)],
            source.upstream,
        )

    @classmethod
    def bare_pieces(cls, name: str, folder: Path) -> Pieces:
        return _pieces(load_expert(folder, weights=False), name)

    @classmethod
    def expected_size(cls, name: str) -> tuple[int, int]:
        return SIZES.get(name, (25, 1024))

    def __init__(self, source: Source, dtype: str, device: str):
        self.name, self.device, self.dtype = source.upstream, device, dtype
        self.packed = None
        self.expert: Any = load_expert(source.folder).to(device)
        self.frame_rate = SAMPLE_RATE / self.expert.hop
        self.hop, config = self.expert.hop, self.expert.model.config
        self.num_layers, self.dim = config.num_hidden_layers + 1, config.hidden_size
        if device == "cpu" and (found := pack(self.expert, dtype, self._alone)) is not None:
            self.packed, self.expert, self.best_batch_s = found[0], None, BATCH_S
        elif dtype == "int8":
            raise ConfigError(
                f"features.dtype=int8: {self.name} is not a wav2vec 2.0 or HuBERT on an x86 processor; use"
                " float32"
            )

    def _alone(self, wave: np.ndarray) -> list[torch.Tensor]:
        return [h[None] for h in self.expert.hidden(wave)]

    def batch_key(self, num_samples: int) -> int:
        return max(num_samples, MIN_SAMPLES)

    def encode(self, waves, layers):
        import numpy as np
        import torch

        check_layers(self, layers)
        padded = [np.pad(w, (0, max(0, MIN_SAMPLES - len(w)))) for w in waves]
        lengths = [-(-max(1, len(w)) // self.hop) for w in waves]
        if self.packed is not None:
            hidden, spans = self.packed.encode(padded, max(layers))
        else:
            from xlt.upstreams.fast.packed import row_spans

            with torch.autocast(self.device, torch.bfloat16, enabled=self.dtype == "bfloat16"):
                found = [self.expert.hidden(wave) for wave in padded]
            spans = row_spans([states[0] for states in found])
            hidden = {n: torch.cat([states[n] for states in found]).cpu() for n in layers}
        return [unpacked(hidden[n], spans, lengths) for n in layers], lengths

    def streaming(self):
        if self.packed is not None:
            return self.packed.streaming()
        return _pieces(self.expert, self.name).streaming()


def _source(name: str, folder: Path) -> Source:
    """The model in ``folder``; UpstreamError unless it is one of KINDS, and whole as far as can be seen
    without loading it.
    """
    config, files = hf_folder.needed_files(folder)
    kind = kind_of(folder)
    hf_folder.check_layers(files, config)
    identity = {
        "upstream": name,
        "model_type": config["model_type"],
        "weights_sha256": hf_folder.hashes(files),
    }
    if not kind.mels:
        identity["do_normalize"] = hf_config.extractor_values(folder).get("do_normalize", True)
    return Source(name, str(folder), identity, list(map(str, files)))


def _from_hub(name: str) -> Path:
    """The folder of a repository of HUB, in the hub's cache or fetched into it; UpstreamError if it cannot be
    had.
    """
    if name not in HUB:
        raise ConfigError(
            f"features.upstream={name}: has no weights of its own; give a Hugging Face folder in"
            " features.path"
        )
    repo = HUB[name]
    if cached := hub.cached(repo, *hf_folder.WEIGHTS):
        return cached
    why = hub.unreachable(hub.url(repo, CONFIG))
    if why is None:
        say(f"  {name}: fetching {repo} from the hub")
        try:
            folder = hub.download(repo, hf_folder.WANTED)
            if not any((folder / weights).exists() for weights in hf_folder.WEIGHTS):
                folder = hub.download(repo, hf_folder.PICKLES)
            return folder
        except OSError as err:
            why = str(err)
    raise UpstreamError(
        f"features.upstream={name}: no weights found; tried\n  - features.path: not set\n  - the hub's cache,"
        f" {hub.cache_dir()}/models--{repo.replace('/', '--')}: not there\n  - the hub, {repo}: {why}\nOn a"
        f" machine that reaches the hub run `hf download {repo} --local-dir DIR`, copy DIR here, and give"
        " features.path=DIR"
    )


def load_expert(folder: Path, weights: bool = True) -> Expert:
    """See :class:`~xlt.upstreams.hf_expert.Expert`; imports torch."""
    from xlt.upstreams.hf_expert import Expert

    return Expert(folder, weights)


def _pieces(expert: Expert, name: str) -> Pieces:
    """What can be trained of it; UpstreamError for a kind that cannot."""
    from xlt.upstreams.conformer import bert_pieces
    from xlt.upstreams.tunable import cannot_be_trained, wav2vec2_pieces

    if not expert.kind.mels:
        return wav2vec2_pieces(expert, name)
    if (found := bert_pieces(expert.model, expert.extracter)) is None:
        raise cannot_be_trained(name)
    return found
