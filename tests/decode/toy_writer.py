"""A family whose models have an attention decoder that writes text, made by hand. For tests.

It hears as the templates of tests/models do, and knows how words are spelled: each word of the best path is
written as the nearest of WORDS.
"""

from __future__ import annotations

import editdistance

from tests.models.template_family import TemplateFamily, TemplateModel
from tests.toy import WORDS
from xlt.core.errors import ConfigError
from xlt.models.family import Written
from xlt.nets.paths import best_path

DISTANT = 3.0  # nats for each character that differs from what was heard
UNKNOWN = 2.0  # and for each character by which a word differs from the nearest known one


def nearest(word):
    """How far the nearest known word is, and which it is."""
    return min((editdistance.eval(word, known), known) for known in WORDS)


class WritingModel(TemplateModel):
    has_ctc = True

    def __init__(self, folder):
        super().__init__(folder)
        self.asked = 0  # texts that were scored

    def heard(self, inputs):
        probs, lengths = TemplateModel.log_probs(self, inputs)
        rows = zip(probs, lengths.tolist(), strict=True)
        return [self.tokenizer.decode(best_path(row[:n].argmax(-1))) for row, n in rows]

    def write(self, inputs, beam_size, n_best):
        found = []
        for heard in self.heard(inputs):
            right = " ".join(nearest(word)[1] for word in heard.split())
            others = list(dict.fromkeys([right, f"{right} é", f"{right} {right}"]))[:n_best]
            (scores,) = self.score([heard], [others])
            found.append(
                [Written(t, s, t == f"{right} {right}") for t, s in zip(others, scores, strict=True)]
            )
        return found

    def score_texts(self, inputs, texts):
        return self.score(self.heard(inputs), texts)

    def score(self, heard, texts):
        def one(said, text):
            self.asked += 1
            unknown = sum(nearest(word)[0] for word in text.split())
            return -0.1 - DISTANT * editdistance.eval(said, text) - UNKNOWN * unknown

        return [[one(said, text) for text in each] for said, each in zip(heard, texts, strict=True)]


class DeafModel(WritingModel):
    """Without a CTC head."""

    has_ctc = False

    def log_probs(self, inputs):
        raise ConfigError("decode.method: this model has no CTC head; use decode.method=attention")


class Writers(TemplateFamily):
    model, parts = WritingModel, ("ctc", "attention")

    def fit(self, run, out):
        facts = super().fit(run, out)
        run.write_info(out, run.info, run.info["frame_rate"], parts=list(self.parts))
        return facts

    def load(self, folder, device):
        return self.model(folder)


class DeafWriters(Writers):
    model, parts = DeafModel, ("attention",)


WRITERS, DEAF = Writers(), DeafWriters()
