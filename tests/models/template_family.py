"""A whole family of models in one file: each token is the mean of its frames. Nothing of it is known to xlt.

T frames, D dimensions, V tokens.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from xlt.core.errors import ConfigError
from xlt.features.speech import speech
from xlt.formats.archives import FeatureReader
from xlt.formats.model_folder import INFO, MANIFEST
from xlt.formats.tables import read_table
from xlt.tokens.tokenizer import SPACE, Tokenizer


class TemplateModel:
    def __init__(self, folder: Path):
        self.tokenizer = Tokenizer(folder)
        self.means = np.load(folder / "means.npy")  # (V, D)

    def log_probs(self, inputs):
        import torch

        scores = [-((one[:, None] - self.means) ** 2).mean(-1) for one in inputs]  # (T, V)
        padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(s) for s in scores], batch_first=True)
        return padded.log_softmax(-1), torch.tensor([len(one) for one in inputs])


class TemplateFamily:
    settings = ("train.family", "features.upstream", "tokens", "seed")
    needed = ("means.npy", INFO, "tokens.txt")
    files = (*needed, MANIFEST)
    weights = ("means.npy",)
    starts_from = needed
    packages = ("numpy",)
    zero_shot = holds_upstream = draws_copies = False

    def check(self, ctx):
        if ctx.cfg.train.decoder != "none":
            raise ConfigError(f"train.decoder={ctx.cfg.train.decoder}: train.family=templates has none")

    def tokens(self, ctx):
        return Tokenizer(ctx.tokens)

    def needs(self, ctx, name):
        return speech(ctx, name)

    def fit(self, run, out):
        files, tokenizer = run.training_speech(out / "work"), run.tokenizer
        reader, frames = FeatureReader(files.scp), {}
        for utt, text in read_table(files.text).items():
            # silence, also that before and behind the speech, is CTC's blank
            labels = [0, *(0 if i == tokenizer.ids[SPACE] else i for i in tokenizer.encode(text)), 0]
            feats = reader[utt]
            for place, frame in enumerate(feats):  # as if each letter took as long as every other
                frames.setdefault(labels[place * len(labels) // len(feats)], []).append(frame)
        means = np.full((len(tokenizer.tokens), run.info["dim"]), 1e3, np.float32)
        for token, rows in frames.items():
            means[token] = np.median(rows, axis=0)
        np.save(out / "means.npy", means)
        shutil.copyfile(run.ctx.tokens / "tokens.txt", out / "tokens.txt")
        run.write_heard(out)
        run.write_info(out, run.info, run.info["frame_rate"])
        return {"templates": len(frames)}

    def load(self, folder, device):
        return TemplateModel(folder)


TEMPLATES = TemplateFamily()
