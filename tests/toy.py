"""A recipe directory with made-up features that a head learns in seconds: each letter is a vector, held for 5
frames.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from xlt.formats.archives import ArkWriter
from xlt.formats.tables import read_table, write_table

WORDS = ["ana", "are", "mere", "și", "pere", "casa"]
DIM = 64


def make_toy_recipe(
    recipe: Path, train: int = 60, held_out: int = 12, upstream: str = "whisper_base"
) -> Path:
    """Write data/ and dump/<upstream>/ of a toy language below ``recipe``; seeded, so always the same. It
    is decoded greedily unless a test asks for a language model.

    With ``upstream`` fbank features have the size and rate of log-mels, and a letter is held for 16 frames.
    """
    dim, rate, held = (80, 100.0, 16) if upstream == "fbank" else (DIM, 50.0, 5)
    rng = np.random.default_rng(0)
    vectors = {c: rng.normal(size=dim) for c in sorted(set("".join(WORDS)) | {" "})}
    settings = [
        "lang: ron_Latn",
        f"features: {{upstream: {upstream}}}",
        "lm: {type: none}",
        "train: {max_epochs: 4, min_updates: 0, projection: 32, encoder_conf: {hidden_size: 32}}",
    ]
    (recipe / "recipe.yaml").write_text("\n".join(settings) + "\n")
    for name, count in (("train", train), ("dev", held_out), ("test", held_out)):
        data, dump = recipe / "data" / name, recipe / "dump" / upstream / name
        data.mkdir(parents=True)
        dump.mkdir(parents=True)
        texts, frames = {}, {}
        with ArkWriter(dump / "feats.1.ark") as writer:
            for i in range(count):
                utt = f"spk-{name}{i:03d}"
                texts[utt] = " ".join(rng.choice(WORDS, size=2 + i % 3))
                clean = np.repeat(np.stack([vectors[c] for c in texts[utt]]), held, axis=0)  # (T, D)
                writer.write(utt, clean + rng.normal(size=clean.shape) * 0.3)
                frames[utt] = str(len(clean))
        ark = dump.relative_to(recipe) / "feats.1.ark"
        write_table(
            dump / "feats.scp", {utt: f"{ark}:{entry.offset}" for utt, entry in writer.entries.items()}
        )
        write_table(data / "text", texts)
        write_table(data / "utt2dur", {utt: f"{int(n) / rate:.4f}" for utt, n in frames.items()})
        write_table(data / "utt2audio", {utt: f"hash-of-{utt}" for utt in texts})
        write_table(dump / "utt2num_frames", frames)
        (dump / "feats.json").write_text(
            json.dumps({"dim": dim, "frame_rate": rate, "upstream": {"name": "toy"}})
        )
    return recipe


def mix_in(source: Path, recipe: Path, name: str) -> None:
    """The toy recipe ``source``: its training and test set as ``train_<name>`` and ``test_<name>`` of
    ``recipe``, under other ids, as stages 1 and 3 make them for ``train.mix``.
    """
    for theirs in ("train", "test"):
        for kind in ("data", "dump/whisper_base"):
            folder, out = source / kind / theirs, recipe / kind / f"{theirs}_{name}"
            out.mkdir(parents=True)
            for path in folder.iterdir():
                if path.name in ("text", "utt2audio", "utt2num_frames", "feats.scp"):
                    rows = read_table(path)
                    if path.name == "feats.scp":
                        rows = {utt: f"{source}/{place}" for utt, place in rows.items()}
                    write_table(out / path.name, {f"{name}-{utt}": value for utt, value in rows.items()})
                elif path.suffix == ".json":
                    (out / path.name).write_bytes(path.read_bytes())
