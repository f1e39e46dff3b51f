"""What a score rests on: settings, versions, machine, size of the training set, time of each stage.

Read from the stamps that the stages left: settings given to the scoring alone cannot pass for those trained
with.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from xlt import __version__, lm
from xlt.audio.augment import SETTINGS
from xlt.core.machine import total_memory
from xlt.core.paths import located
from xlt.core.schema import schema
from xlt.core.stage import git_revision, read_json, read_stamp
from xlt.decode import fusion
from xlt.formats.model_folder import INFO, read_info

if TYPE_CHECKING:
    from xlt.core.context import Context

# where, how fast and how shown: no part of an experiment
_APART = {
    "tag",
    "nj",
    "data.cache",
    "data.dir",
    "data.archive",
    "report.examples",
    "bundle.with_upstream",
    "bundle.licence",
    "bundle.consent",
    "bundle.contact",
    "score.words",
    "score.word_tags",
    "score.long_chars",
}
# settings that name a place on this machine, and how many parts at its end say what it is
_PLACES = {
    "data.dir": 1,
    "features.path": 1,
    "features.mix_from": 1,
    "train.init": 3,
    "train.teacher": 3,
    "train.unlabelled": 1,
    "data.sources": 1,
    "tokens.union": 1,
    "phones.table": 1,
    "lm.text": 1,
    "lm.words": 1,
    "lm.model": 1,
    "decode.hotwords": 1,
}
_AGAIN = "make it again with --stage 7 --force"
_LIBRARIES = (
    "espnet",
    "espnet-s3prl",
    "torch",
    "transformers",
    "sentencepiece",
    "numpy",
    "sacrebleu",
    "soxr",
)


def settings(ctx: Context) -> dict:
    """The flat settings of the experiment; those of training and decoding as their stamps have them."""
    keys = schema()
    found = ctx.cfg.flat()
    outs = [ctx.exp, *(ctx.exp / f"decode_{name}" for name in ctx.cfg.scored_sets)]
    if fusion.chosen(ctx) is None:  # what was asked for: tuned weights differ by seed and are no settings
        outs.append(fusion.folder(ctx))
    for out in outs:
        stamp = read_stamp(out) or {}
        found |= {k: v for k, v in stamp.get("config", {}).items() if k in keys and k != "decode.sets"}
        found["seed"] = stamp.get("seed", found["seed"])
    for key, depth in _PLACES.items():
        found[key] = _last(found[key], depth) if found[key] else found[key]
    unread = ("pretrain.", *(["phones."] if found["tokens.type"] != "phone" else []))
    return {k: v for k, v in sorted(found.items()) if k not in _APART and not k.startswith(unread)}


def of_experiment(ctx: Context, normaliser: str) -> dict:
    """Everything in score.json beside the scores themselves."""
    from xlt.text.languages import get

    config = settings(ctx)
    stamp = read_stamp(ctx.exp) or {}
    language = get(ctx.cfg.lang)
    train = ctx.data / ctx.cfg.train_set
    return {
        "experiment": {
            "tag": ctx.cfg.tag,
            "name": base_name(ctx.cfg.tag),
            "lang": language.code,
            "language": language.name,
            "normaliser": normaliser,
            "peer": False,
        },
        "config": config,
        "versions": {**versions(), **stamp.get("versions", {})},
        "environment": environment(),
        "command": portable(ctx.command),
        "commit": stamp.get("git") or git_revision(),
        "training": {
            "set": ctx.cfg.train_set,
            "speech_min": minutes(train),
            "utterances": count_lines(train / "text"),
            **{k: stamp[k] for k in ("epochs", "parameters", "cpu_s") if k in stamp},
            **{k: v for k, v in stamp.get("time", {}).items() if k == "epoch_s"},
        },
        "features": features(ctx),
        "stages": stage_times(ctx),
        **whisper(ctx),
        **pretraining(ctx),
        **taught(ctx),
        **combination(ctx, config),
        **language_model(ctx),
    }


def decoding(ctx: Context, sets: list[str]) -> dict:
    """What each set was decoded by, and what that cost; {} of sets that stage 7 did not decode."""
    kept = ("method", "real_time_factor", "cpu_s_per_s")
    found = {}
    for name in sets:
        path = ctx.exp / f"decode_{name}" / "decode.json"
        if path.exists():
            facts = read_json(path, "decode")
            found[name] = {key: facts[key] for key in kept if key in facts}
    return {"decoding": found} if found else {}


def whisper(ctx: Context) -> dict:
    """What was tuned of Whisper, and its tokens of the languages, {} of other models."""
    found = read_info(ctx.exp).get("whisper") if (ctx.exp / INFO).exists() else None
    return {"whisper": {key: found[key] for key in ("tuned", "languages")}} if found else {}


def pretraining(ctx: Context) -> dict:
    """How the encoder was made that the model was trained on, {} of those of others, and of one that has been
    made again since.
    """
    info = read_info(ctx.exp).get("features", {}) if (ctx.exp / INFO).exists() else {}
    given = info.get("settings", {})
    path = given.get("features.path")
    if path is None:
        return {}
    from xlt.fetch.files import cache_root
    from xlt.formats.pretrained import about
    from xlt.upstreams import upstream_class

    folder, name = Path(located(path, ctx.recipe)), given["features.upstream"]
    found = about(folder)
    if found is None:
        return {}
    now = upstream_class(name).find(name, str(folder), cache_root(ctx.cfg.data.cache)).identity
    return {"pretraining": found} if now == info.get("upstream") else {}


def taught(ctx: Context) -> dict:
    """The teacher whose texts were learned, and how many; {} of other models."""
    found = read_info(ctx.exp).get("teacher") if (ctx.exp / INFO).exists() else None
    return {"teacher": found} if found else {}


def combination(ctx: Context, config: dict) -> dict:
    """The rule and the weights by which decoders were combined, {} where none were."""
    given = config.get("decode.combination")
    if given is None:
        path = fusion.folder(ctx) / fusion.FACTS
        found = fusion.FORMAT.read(path, _AGAIN) if path.exists() else {}
        given = found.get("combination") if found.get("method") == fusion.COMBINED else None
    return {"combination": given} if given else {}


def language_model(ctx: Context) -> dict:
    """What the sets were decoded with beside the model, {} if with nothing."""
    facts, chosen = lm.facts(ctx), fusion.facts(ctx)
    if not facts or not chosen:
        return {}
    stamps = (read_stamp(ctx.exp / f"decode_{name}") or {} for name in ctx.cfg.scored_sets)
    commits = sorted({stamp["git"] for stamp in stamps if stamp.get("git")})
    return {"lm": {**facts, "fusion": chosen, "commit": ", ".join(commits)}}


def features(ctx: Context) -> dict:
    """What the model was given, as ``xlt.json`` has it: settings such as ``layers: auto`` stand here as what
    they came to.
    """
    if not (ctx.exp / INFO).exists():
        return {}
    kept = {"on_the_fly", "layers", "mix", "mix_norm", "storage", "dtype", "dim", "tuning", *SETTINGS}
    return {k: v for k, v in read_info(ctx.exp).get("features", {}).items() if k in kept}


def portable(command: str) -> str:
    """The command without where this machine keeps things: caches, archives and lists go, paths keep their
    last part.

    >>> portable("./run.sh tag=a data.archive=/home/me/x.deb features.path=/models/xls_r")
    './run.sh tag=a features.path=…/xls_r'
    """
    words = []
    for word in shlex.split(command):
        key, _, value = word.partition("=")
        if key in _PLACES:
            word = f"{key}={_shown(value, _PLACES[key])}"
            words.append(shlex.quote(word) if "[" in word else word)
        elif key not in ("nj", "data.cache", "data.archive", "score.words", "score.word_tags"):
            words.append(shlex.quote(word))
    return " ".join(words)


def _last(path: str | list, parts: int) -> str | list:
    """The last parts of a path, or of each of a list: ``../multi/exp/main`` → ``multi/exp/main``."""
    if isinstance(path, list):
        return [_last(one, parts) for one in path]
    return "/".join(Path(os.path.normpath(path)).parts[-parts:])


def _shown(value: str, parts: int) -> str:
    """The same of a word of the command line: ``[../fra, ../spa]`` → ``[…/fra, …/spa]``."""
    if not value.startswith("["):
        return f"…/{_last(value, parts)}"
    return "[" + ", ".join(f"…/{_last(one.strip(), parts)}" for one in value.strip("[] ").split(",")) + "]"


def base_name(tag: str) -> str:
    """``whisper_base_10min_s2`` → ``whisper_base_10min``: the experiment without its seed."""
    return re.sub(r"_s\d+$", "", tag)


def minutes(folder: Path) -> float | None:
    """Minutes of speech in a Kaldi directory by its utt2dur (seconds), or None without one."""
    from xlt.formats.tables import read_table

    path = folder / "utt2dur"
    return round(sum(map(float, read_table(path).values())) / 60, 2) if path.exists() else None


def count_lines(path: Path) -> int | None:
    return path.read_bytes().count(b"\n") if path.exists() else None


def stage_times(ctx: Context) -> dict[str, float]:
    """Seconds that each stage's present output took, by the stamps of its units; stages without one are left
    out.
    """
    sets = [ctx.cfg.train_set, *ctx.cfg.scored_sets]
    outs = {
        "data": [ctx.data / name for name in ("all", *sets)],
        "features": [ctx.dump / name for name in sets],
        "tokens": [ctx.tokens],
        "lm": [lm.folder(ctx)],
        "train": [ctx.exp],
        "decode": [fusion.folder(ctx), *(ctx.exp / f"decode_{name}" for name in ctx.cfg.scored_sets)],
    }
    times = {}
    for stage, folders in outs.items():
        stamps = [stamp for folder in folders if (stamp := read_stamp(folder)) and "wall_s" in stamp]
        if stamps:
            times[stage] = round(sum(stamp["wall_s"] for stamp in stamps), 1)
    return times


def versions(libraries: tuple[str, ...] = _LIBRARIES) -> dict[str, str]:
    """Versions of xlt, Python and the libraries that are installed."""
    found = {"xlt": __version__, "python": platform.python_version()}
    for name in libraries:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def environment() -> dict:
    """The machine: processor, cores this process may use, memory, system. No names of hosts or users."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round((total_memory() or 0) / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
