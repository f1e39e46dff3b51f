"""Does a neural language model gain anything over the n-grams, when it rescores their n best texts?

    python -m tests.bench.neural_lm egs/ron egs/cat --tag main

ESPnet's LSTM of characters (``SequentialRNNLM``, one layer of 256) is trained with ESPnet's loss on the
training texts and, as much again, on words drawn from the word list by their frequencies, in sentences as
long as the training texts. The epoch with the least loss on dev is taken. Its log probability is added to the
score of each of the n best that stage 7 left in ``nbest.jsonl``, with a weight chosen on dev.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import editdistance
import numpy as np
import torch
from espnet2.lm.espnet_model import ESPnetLanguageModel
from espnet2.lm.seq_rnn_lm import SequentialRNNLM

from xlt.core.config import load
from xlt.formats.tables import read_table
from xlt.lm.sources import word_list
from xlt.tokens.tokenizer import UNK, Tokenizer

EPOCHS, BATCH, LR = 40, 32, 2e-3
WEIGHTS = [0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0]


def batches(texts: list[list[int]], rng: np.random.Generator | None = None):
    """Texts of token ids in batches of like length: (B, L) padded with 0, and their lengths (B,)."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    groups = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    for group in rng.permutation(np.array(groups, dtype=object)) if rng else groups:
        lengths = torch.tensor([len(texts[i]) for i in group])
        padded = torch.zeros(len(lengths), int(lengths.max()), dtype=torch.long)
        for row, i in enumerate(group):
            padded[row, : len(texts[i])] = torch.tensor(texts[i])
        yield list(group), padded, lengths


@torch.inference_mode()
def logp(model: ESPnetLanguageModel, texts: list[list[int]]) -> list[float]:
    """Natural log p of each text, its end included."""
    model.eval()
    found = [0.0] * len(texts)
    for group, padded, lengths in batches(texts):
        nll, _ = model.nll(padded, lengths)
        for i, value in zip(group, nll.sum(dim=1).tolist(), strict=True):
            found[i] = -value
    return found


def train(texts: list[list[int]], words, tokenizer: Tokenizer, dev: list[list[int]], seed: int):
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    count = len(tokenizer.tokens)
    model = ESPnetLanguageModel(SequentialRNNLM(count, 256, nlayers=1, dropout_rate=0.3), count)
    optimiser = torch.optim.Adam(model.parameters(), LR)
    lengths = [sum(token == tokenizer.ids["<space>"] for token in text) + 1 for text in texts]
    names = list(words.words) if words else []
    shares = np.array(list(words.words.values())) if words else np.ones(0)
    best = (math.inf, None)
    for _ in range(EPOCHS):
        drawn = []
        for length in lengths if names else ():
            chosen = rng.choice(len(names), length, p=shares / shares.sum())
            drawn.append(tokenizer.encode(" ".join(names[i] for i in chosen)))
        model.train()
        for _, padded, sizes in batches([*texts, *drawn], rng):
            optimiser.zero_grad()
            loss, _, _ = model(padded, sizes)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
        loss = -sum(logp(model, dev)) / sum(len(text) + 1 for text in dev)
        if loss < best[0]:
            best = (loss, {name: value.clone() for name, value in model.state_dict().items()})
    model.load_state_dict(best[1])
    return model, math.exp(best[0])


def rates(refs: dict[str, str], hyps: dict[str, str]) -> tuple[float, float]:
    found = []
    for cut in (list, str.split):
        errors = sum(editdistance.eval(cut(ref), cut(hyps[utt])) for utt, ref in refs.items())
        found.append(100 * errors / sum(len(cut(ref)) for ref in refs.values()))
    return found[0], found[1]


def measure(recipe: Path, tag: str, seed: int) -> None:
    cfg, exp = load(recipe), recipe / "exp" / tag
    tokenizer = Tokenizer(exp)
    read = {name: read_table(recipe / "data" / name / "text") for name in (cfg.train_set, "dev", "test")}
    encode = lambda texts: [tokenizer.encode(text) for text in texts]  # noqa: E731
    words = word_list(cfg, tokenizer.symbols())
    dev = [[i for i in text if i != tokenizer.ids[UNK]] for text in encode(read["dev"].values())]
    model, perplexity = train(encode(read[cfg.train_set].values()), words, tokenizer, dev, seed)
    lines = {}
    for name in ("dev", "test"):
        rows = map(json.loads, (exp / f"decode_{name}" / "nbest.jsonl").read_text("utf-8").splitlines())
        lines[name] = {row["id"]: row["nbest"] for row in rows}
    scores = {
        name: dict(
            zip(
                nbest,
                (logp(model, encode(one["text"] for one in each)) for each in nbest.values()),
                strict=True,
            )
        )
        for name, nbest in lines.items()
    }

    def chosen(name: str, weight: float) -> dict[str, str]:
        return {
            utt: max(
                zip(each, scores[name][utt], strict=True),
                key=lambda pair: pair[0]["score"] + weight * pair[1],
            )[0]["text"]
            for utt, each in lines[name].items()
        }

    on_dev = {weight: rates(read["dev"], chosen("dev", weight)) for weight in WEIGHTS}
    base = on_dev[0.0]
    weight = min(WEIGHTS, key=lambda w: on_dev[w][0] / base[0] + on_dev[w][1] / base[1])
    lm = json.loads((recipe / "exp" / "lm" / tag / "lm.json").read_text())
    cells = [rates(read[name], chosen(name, w)) for name in ("dev", "test") for w in (0.0, weight)]
    shown = " | ".join(f"{cer:.1f} / {wer:.1f}" for cer, wer in cells)
    print(
        f"| {recipe.name} | {lm['dev']['perplexity']:.2f} | {perplexity:.2f} | {weight:g} | {shown} |",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="+", type=Path)
    parser.add_argument("--tag", default="main")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print("| language | perplexity, n-grams | LSTM | weight | dev CER / WER | rescored | test | rescored |")
    for recipe in args.recipes:
        measure(recipe, args.tag, args.seed)
