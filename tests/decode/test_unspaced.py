"""Thai and Chinese, made up: sentences of a few words without spaces, heard badly. A model of their
characters must not make it worse than the best path.
"""

import dataclasses
import types

import editdistance
import numpy as np
import pytest
import torch

from tests.errors import raises
from xlt import lm
from xlt.core.config import load
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode.beam import Beam
from xlt.decode.greedy import Greedy
from xlt.decode.tuning import tune
from xlt.formats.tables import read_table, write_table
from xlt.lm.kind import NGRAM, read_mixture
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer

WORDS = {
    "tha_Thai": "ฉัน เขา เรา กิน ข้าว น้ำ ไป โรงเรียน บ้าน ตลาด วันนี้ พรุ่งนี้ ซื้อ ปลา ดื่ม แล้ว".split(),
    "cmn_Hans": "我 他 我们 吃 饭 水 去 学校 家 市场 今天 明天 买 鱼 喝 了 老师 学生 朋友 火车".split(),
}
FRAMES = 2  # of each character


class Noisy:
    """Hears ``texts``, in the order of the utterances: what was said has the best score of a frame in about
    five of six, otherwise another character has, and what was said is close behind.
    """

    def __init__(self, tokenizer, texts, rng):
        self.tokenizer, count, self.rows = tokenizer, len(tokenizer.tokens), []
        for text in texts:
            path = [frame for i in tokenizer.encode(text) for frame in [i] * FRAMES + [0]]
            scores = rng.normal(size=(len(path), count))
            scores[range(len(path)), path] += 12.0
            wrong = rng.random(len(path)) < 1 / 6
            scores[wrong, rng.integers(2, count - 1, size=wrong.sum())] += 13.0
            self.rows.append(torch.tensor(scores).log_softmax(dim=-1).float())

    def log_probs(self, inputs):
        rows = [self.rows[int(one[0])] for one in inputs]
        lengths = torch.tensor([len(row) for row in rows])
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths


@pytest.fixture(params=sorted(WORDS))
def recipe(request, tmp_path):
    lang, rng = request.param, np.random.default_rng(3)
    (tmp_path / "recipe.yaml").write_text(f"lang: {lang}\nlm: {{words: none}}\n", encoding="utf-8")
    for name, count in (("train", 80), ("dev", 10), ("test", 15)):
        (tmp_path / "data" / name).mkdir(parents=True)
        texts = ["".join(rng.choice(WORDS[lang], size=3 + i % 5)) for i in range(count)]
        write_table(tmp_path / "data" / name / "text", {f"{name}{i:02d}": t for i, t in enumerate(texts)})
    ctx = Context(tmp_path, load(tmp_path))
    ctx.tokens.mkdir(parents=True)
    train_tokenizer(list(WORDS[lang]), "char", 0, ctx.tokens, "words")
    return ctx


def test_characters_of_scripts_without_spaces(recipe):
    out = lm.folder(recipe)
    out.mkdir(parents=True)
    NGRAM.make(recipe, out)
    facts, _ = read_mixture(out)
    assert (facts["unit"], facts["dev"]["words"]) == ("char", 0)  # nothing is said of words
    assert not any(part["restart"] for part in facts["parts"])

    tokenizer, lms = Tokenizer(recipe.tokens), NGRAM.load(out, Tokenizer(recipe.tokens))
    decode = from_json(DecodeConfig, "decode", {"method": "beam"}, "test")

    def heard(name):
        refs = list(read_table(recipe.reference(name)).values())
        return refs, Noisy(tokenizer, refs, np.random.default_rng(len(name)))

    refs, model = heard("dev")
    recogniser = types.SimpleNamespace(model=model, tokenizer=tokenizer, lms=lms, frame_rate=50.0)
    best = tune(recogniser, decode, [[np.array([i])] for i in range(len(refs))], refs, False)["best"]
    assert best is not None  # better than greedy on dev
    refs, model = heard("test")
    inputs = [np.array([i]) for i in range(len(refs))]
    tuned = dataclasses.replace(decode, **{key: best[key] for key in ("lm_weight", "length_bonus")})
    found, greedy = (
        sum(editdistance.eval(ref, one.text(tokenizer)) for ref, one in zip(refs, how(inputs), strict=True))
        for how in (Beam(model, tuned, lms), Greedy(model, decode, ()))
    )
    chars = sum(map(len, refs))
    assert greedy > chars / 10  # one frame of six is wrong
    # words follow each other at random, but inside a word the next character is nearly sure
    assert found < 0.8 * greedy


def test_words_are_refused_where_nothing_separates_them(recipe):
    ctx = Context(recipe.recipe, load(recipe.recipe, ["lm.unit=word"]))
    with raises(ConfigError, where="lm.unit=word"):
        NGRAM.make(ctx, lm.folder(ctx))
