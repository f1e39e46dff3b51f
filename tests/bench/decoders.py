"""CPU seconds per second of speech, CER and WER of prefix beam searches with one and the same character model.

    OMP_NUM_THREADS=1 python tests/bench/decoders.py egs/ron [--tag main] [--python312 PYTHON]

after stages 1 to 6 of a recipe; prints a table and writes results/decoders.json. Ours stands beside ESPnet's
BeamSearch and BatchBeamSearch with our model as a scorer, and flashlight-text 0.0.7, lexicon-free, with the
same model in KenLM. flashlight-text has no wheel for Python 3.13: PYTHON is one of 3.12, of an environment
with flashlight-text and numpy. What is missing is said, and the others are measured.

The model is a 6-gram of the characters of the training texts and of the word list. There is no length bonus,
as flashlight's search without a lexicon has none; the weight is the best on dev with our search.
Only searching is counted, by process time: not loading, and not the acoustic model.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path

import editdistance
import numpy as np

from xlt.core.config import load
from xlt.core.context import Context
from xlt.decode.beam import PrefixSearch
from xlt.features.speech import speech
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table
from xlt.lm.arpa import write_arpa
from xlt.lm.estimate import estimate
from xlt.lm.mixture import Mixture, Part
from xlt.lm.sources import word_list
from xlt.lm.spelled import Spelled
from xlt.models.family import open_model
from xlt.tokens.tokenizer import SPACE, Tokenizer

ORDER = 6
BEAMS = (8, 32, 128)
WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
THRESHOLD = 14.0  # nats below the best at which flashlight gives up, as ours does
LN10 = math.log(10)
RESULTS = Path(__file__).parent / "results" / "decoders.json"

FLASHLIGHT = """
import itertools, json, sys, time
import numpy as np
from flashlight.lib.text.decoder import CriterionType, LexiconFreeDecoder, LexiconFreeDecoderOptions
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary

asked = json.load(open(sys.argv[1]))
arrays = np.load(asked["posteriors"])
tokens = Dictionary()
for token in asked["tokens"]:
    tokens.add_entry(token)
lm = KenLM(asked["arpa"], tokens)
answer = []
for size in asked["beams"]:
    options = LexiconFreeDecoderOptions(
        beam_size=size, beam_size_token=len(asked["tokens"]), beam_threshold=asked["threshold"],
        lm_weight=asked["weight"], sil_score=0.0, log_add=True, criterion_type=CriterionType.CTC,
    )
    space = asked["tokens"].index(asked["space"])
    decoder = LexiconFreeDecoder(options, lm, space, 0, [])
    began, found = time.process_time(), {}
    for utt in asked["ids"]:
        rows = np.ascontiguousarray(arrays[utt], np.float32)
        best = decoder.decode(rows.ctypes.data, *rows.shape)[0].tokens
        found[utt] = [i for i, _ in itertools.groupby(best) if i > 0]
    answer.append({"beam": size, "cpu_s": time.process_time() - began, "ids": found})
json.dump(answer, open(asked["answer"], "w"))
"""


def posteriors(ctx: Context, name: str) -> dict[str, np.ndarray]:
    """Natural log probabilities (T, V) by utterance."""
    reader, model = FeatureReader(speech(ctx, name).scp, ctx.recipe), open_model(ctx.exp)
    found = {}
    for utt in reader:
        probs, lengths = model.log_probs([reader[utt]])
        found[utt] = probs[0][: lengths[0]].float().numpy()
    return found


class Set:
    """Utterances with their probabilities and texts; rates of what a search finds."""

    def __init__(self, ctx: Context, name: str, tokenizer: Tokenizer):
        self.log_probs, self.refs = posteriors(ctx, name), read_table(ctx.reference(name))
        self.tokenizer = tokenizer
        self.refs = {utt: self.refs[utt] for utt in self.log_probs}

    def rates(self, found: dict[str, Sequence[int]]) -> dict[str, float]:
        hyps = {utt: " ".join(self.tokenizer.decode(list(ids)).split()) for utt, ids in found.items()}
        rates = {}
        for name, cut in (("cer", list), ("wer", str.split)):
            errors = sum(editdistance.eval(cut(ref), cut(hyps[utt])) for utt, ref in self.refs.items())
            rates[name] = round(100 * errors / sum(len(cut(ref)) for ref in self.refs.values()), 2)
        return rates

    def measured(self, search: Callable[[np.ndarray], Sequence[int]]) -> dict[str, float]:
        began = time.process_time()
        found = {utt: search(rows) for utt, rows in self.log_probs.items()}
        return {"cpu_s": time.process_time() - began, **self.rates(found)}


def espnets(kind: str, tokens: int, size: int, lm: Spelled, weight: float) -> Callable:
    """ESPnet's search of CTC and the model, one scorer each."""
    import torch
    from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch
    from espnet2.legacy.nets.scorer_interface import BatchScorerInterface
    from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer

    from xlt.models.espnet import fusion

    class BatchScorer(fusion.Scorer, BatchScorerInterface):
        """Asked for several texts at once, as BatchBeamSearch demands: one after the other."""

        def batch_init_state(self, x):
            return self.init_state(x)

        def batch_score(self, ys, states, xs):
            pairs = [self.score(*one) for one in zip(ys, states, xs, strict=True)]
            return torch.stack([scores for scores, _ in pairs]), [state for _, state in pairs]

    ctc = CTCPrefixScorer(types.SimpleNamespace(log_softmax=lambda rows: rows), tokens - 1)
    plain = types.SimpleNamespace(
        full_scorers={}, part_scorers={"ctc": ctc}, n_vocab=tokens, sos=tokens - 1, eos=tokens - 1
    )
    search = fusion.beam_search(plain, size, 1.0, [(lm, weight)], 0.0)
    if kind == "BatchBeamSearch":
        search.full_scorers["lm0"] = search.scorers["lm0"] = BatchScorer(lm, tokens, tokens - 1)
        search.__class__ = BatchBeamSearch

    def best(rows: np.ndarray) -> list[int]:
        with torch.inference_mode():
            return search(torch.from_numpy(rows))[0].yseq.tolist()[1:-1]

    return best


def flashlight(
    python: str | None, test: Set, model: object, tokens: list[str], weight: float
) -> list[dict[str, float]]:
    if python is None:
        print("flashlight-text: not measured; give --python312")
        return []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        np.savez(place / "rows.npz", **test.log_probs)  # type: ignore[arg-type]
        write_arpa(model, place / "model.arpa")  # type: ignore[arg-type]
        asked = {
            "posteriors": str(place / "rows.npz"),
            "arpa": str(place / "model.arpa"),
            "answer": str(place / "answer.json"),
            "tokens": tokens,
            "space": SPACE,
            "ids": list(test.refs),
            "beams": BEAMS,
            "threshold": THRESHOLD,
            "weight": weight * LN10,  # KenLM's scores are logarithms to base 10, which flashlight leaves so
        }
        (place / "asked.json").write_text(json.dumps(asked))
        (place / "run.py").write_text(FLASHLIGHT)
        done = subprocess.run(
            [python, str(place / "run.py"), str(place / "asked.json")],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
        )
        if done.returncode:
            print(f"flashlight-text: not measured; {done.stderr.strip().splitlines()[-1]}")
            return []
        answer = json.loads((place / "answer.json").read_text())
    return [{"beam": row["beam"], "cpu_s": row["cpu_s"], **test.rates(row["ids"])} for row in answer]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--tag", default="main")
    parser.add_argument("--python312", metavar="PYTHON")
    args = parser.parse_args()
    ctx = Context(args.recipe.resolve(), load(args.recipe.resolve(), [f"tag={args.tag}"]))
    tokenizer = Tokenizer(ctx.exp)
    dev, test = (Set(ctx, name, tokenizer) for name in ("dev", "test"))

    texts = list(read_table(ctx.reference(ctx.cfg.train_set)).values())
    words = word_list(ctx.cfg, tokenizer.symbols())
    spelled = [[SPACE if c == " " else c for c in text] for text in [*texts, *(words.words if words else ())]]
    model = estimate(spelled, ORDER)
    renamed = Mixture(
        [Part("texts", model)], [1.0], [t for t in tokenizer.tokens if t in model.symbols], None
    )
    lm = Spelled(renamed, tokenizer, "token")

    def ours(size: int, weight: float) -> Callable:
        search = PrefixSearch([lm], [weight], 0.0, size)
        return lambda rows: search(rows).ids

    tried = {weight: dev.measured(ours(16, weight)) for weight in WEIGHTS}
    weight = min(tried, key=lambda w: tried[w]["cer"] + tried[w]["wer"])
    audio_s = sum(map(len, test.log_probs.values())) / _frame_rate(ctx)
    rows = [{"search": "best path", **test.measured(_best_path)}]
    for size in BEAMS:
        rows.append({"search": "xlt", "beam": size, **test.measured(ours(size, weight))})
    for row in flashlight(args.python312, test, model, tokenizer.tokens, weight):
        rows.append({"search": "flashlight-text 0.0.7", **row})
    for kind in ("BatchBeamSearch", "BeamSearch"):
        for size in BEAMS:
            if size > len(tokenizer.tokens):
                print(f"ESPnet {kind}, beam {size}: not measured; it can be as wide as there are tokens")
                continue
            search = espnets(kind, len(tokenizer.tokens), size, lm, weight)
            rows.append({"search": f"ESPnet {kind}", "beam": size, **test.measured(search)})
            print(rows[-1], flush=True)
    facts = {
        "recipe": args.recipe.name,
        "utterances": len(test.refs),
        "audio_s": round(audio_s, 1),
        "order": ORDER,
        "ngrams": sum(model.counts),
        "weight": weight,
        "rows": [{**row, "per_s": round(row["cpu_s"] / audio_s, 5)} for row in rows],
    }
    RESULTS.write_text(json.dumps(facts, indent=1) + "\n")
    print("| search | beam | CPU s per s of speech | CER | WER |\n|---|---|---|---|---|")
    for row in facts["rows"]:
        print(
            f"| {row['search']} | {row.get('beam', '–')} | {row['per_s']:.4f} | {row['cer']} | {row['wer']} |"
        )


def _best_path(rows: np.ndarray) -> list[int]:
    best = rows.argmax(axis=1)
    return [int(i) for k, i in enumerate(best) if i and (not k or best[k - 1] != i)]


def _frame_rate(ctx: Context) -> float:
    """Frames in a second."""
    return float(json.loads((ctx.exp / "xlt.json").read_text())["frame_rate"])


if __name__ == "__main__":
    sys.exit(main())
