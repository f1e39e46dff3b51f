"""Families whose models have an attention decoder that writes text, made by hand. For tests, on the recipe of
tests/toy.py.

CTC cannot tell s from ș, and in some models not m from p. The attention decoder knows how words are spelled,
all but one, which it writes like another.
"""

from __future__ import annotations

import shutil

import editdistance
import numpy as np

from tests.models.template_family import TemplateFamily, TemplateModel
from tests.toy import WORDS
from xlt.core.errors import ConfigError
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table
from xlt.models.family import Written
from xlt.nets.paths import best_path

SURE = 8.0  # times the templates' logits
HELD = 5  # frames of each letter
NEVER, INSTEAD = (
    "pere",
    "mere",
)  # a word that the attention decoder does not write, and the nearest that it does
KNOWN = [word for word in WORDS if word != NEVER]
DIFFERS, STRANGE = 3.0, 2.0  # nats for each character that differs from what was heard, or from a known word


def nearest(word):
    """How far the nearest known word is, and which it is."""
    return min((editdistance.eval(word, known), known) for known in KNOWN)


class WritingModel(TemplateModel):
    has_ctc = True
    alike: tuple[str, ...] = ("sș",)

    def log_probs(self, inputs):
        """A letter is in its first frame, blanks are in the others, as CTC learns it; ș is likelier an s, and
        so on.
        """
        probs, lengths = TemplateModel.log_probs(self, inputs)
        probs = (SURE * probs).softmax(-1)
        for letters in self.alike:
            likely, other = (self.tokenizer.ids[letter] for letter in letters)
            both = probs[:, :, likely] + probs[:, :, other]
            probs[:, :, likely], probs[:, :, other] = 0.6 * both, 0.4 * both
        ids = probs.argmax(-1)
        held = ids[:, 1:] == ids[:, :-1]  # (B, T - 1)
        probs[:, 1:][held] = 1e-6
        probs[:, 1:, 0][held] = 1.0
        return probs.log(), lengths

    def heard(self, inputs):
        probs, lengths = WritingModel.log_probs(self, inputs)
        rows = zip(probs, lengths.tolist(), strict=True)
        return [self.tokenizer.decode(best_path(row[:n].argmax(-1))) for row, n in rows]

    def write(self, inputs, beam_size, n_best):
        return [self.written(heard)[:n_best] for heard in self.heard(inputs)]

    def written(self, heard):
        """The text of known words, one with a letter that CTC does not know, and one that repeats itself."""
        right = " ".join(nearest(word)[1] for word in heard.split())
        return [
            Written(f"{right} {right}", self.score(heard, right) + 5, looped=True),
            Written(right, self.score(heard, right)),
            Written(f"{right} é", self.score(heard, f"{right} é")),
        ]

    def score_texts(self, inputs, texts):
        heard = self.heard(inputs)
        return [[self.score(said, text) for text in each] for said, each in zip(heard, texts, strict=True)]

    def score(self, heard, text):
        strange = sum(nearest(word)[0] for word in text.split())
        return (
            -0.1
            - DIFFERS * editdistance.eval(heard.replace("s", "ș"), text.replace("s", "ș"))
            - STRANGE * strange
        )


class DeafModel(WritingModel):
    """Without a CTC head."""

    has_ctc = False

    def log_probs(self, inputs):
        raise ConfigError("decode.method: this model has no CTC head; use decode.method=attention")


class Writers(TemplateFamily):
    model, parts = WritingModel, ("ctc", "attention")

    def fit(self, run, out):
        files, tokenizer = run.sets[run.cfg.train_set], run.tokenizer
        reader, frames = FeatureReader(files.scp), {}
        for utt, text in read_table(files.text).items():
            for place, frame in enumerate(reader[utt]):
                frames.setdefault(tokenizer.encode(text)[place // HELD], []).append(frame)
        means = np.full((len(tokenizer.tokens), run.info["dim"]), 1e3, np.float32)
        for token, rows in frames.items():
            means[token] = np.mean(rows, axis=0)
        np.save(out / "means.npy", means)
        shutil.copyfile(run.ctx.tokens / "tokens.txt", out / "tokens.txt")
        run.write_heard(out)
        run.write_info(out, run.info, run.info["frame_rate"], parts=list(self.parts))
        return {}

    def load(self, folder, device):
        return self.model(folder)


class DeafWriters(Writers):
    model, parts = DeafModel, ("attention",)


class HearingModel(TemplateModel):
    """Only with CTC."""

    alike = WritingModel.alike
    log_probs = WritingModel.log_probs


class MuffledModel(WritingModel):
    """With both parts, which hear m for p."""

    alike = ("sș", "mp")


class Hearers(Writers):
    model, parts = HearingModel, ("ctc",)


class Muffled(Writers):
    model = MuffledModel


WRITERS, DEAF, HEARERS, MUFFLED = Writers(), DeafWriters(), Hearers(), Muffled()
