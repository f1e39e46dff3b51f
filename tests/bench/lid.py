"""Language identification between corpora. Each corpus is another speaker and microphone: what is learnt in some
and holds in another is the language.

    python -m tests.bench.lid [--clips 12] [--test 6] [--encoders whisper_base,fbank] [--out lid.json]

Recordings come from Debian packages (CORPORA). Their clips, some of which are single letters, are joined without the
silence at their ends to pieces of 3 to 6 s. Each corpus is the test once, and all others the training, as
``xlt lid train`` does it; STRANGERS are languages that are never trained on. Test pieces are cut to each duration
before they are encoded. fbank is the control: mean and deviation of log-mels, with the same classifier. Five minutes
of processor time.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np

from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.log import Progress
from xlt.features.backbone import Backbone
from xlt.features.extract import Setup
from xlt.fetch.files import cache_root
from xlt.fetch.packages import apt_download, unpacked
from xlt.lid.classifier import Classifier
from xlt.lid.pool import examples, pooled, upper_layers
from xlt.lid.training import FEWEST, held_apart, train
from xlt.upstreams import upstream_class

SOUNDS = (".ogg", ".wav")
# corpus → package with {}, the codes that its languages have there, and the paths of a language's clips
CORPORA = {
    "tuxpaint": (
        "tuxpaint-stamps-default",
        dict(cat="ca", dan="da", ell="el", fra="fr", ron="ro", rus="ru", spa="es"),
        r"_desc_{}\.ogg$",
    ),
    "klettres": ("klettres-data", dict(dan="da", fra="fr", rus="ru", spa="es"), r"/klettres/{}/"),
    "ktuberling": (
        "ktuberling-data",
        dict(cat="ca", dan="da", ell="el", fra="fr", ron="ro", rus="ru", spa="es"),
        r"/sounds/{}/",
    ),
    "asterisk": ("asterisk-core-sounds-{}-wav", dict(fra="fr", rus="ru", spa="es"), r"/sounds/{}_"),
    "festvox": ("festvox-ru", dict(rus="ru"), r"\.wav$"),
}
STRANGERS = {
    "ita": ("asterisk-core-sounds-it-wav", r"/sounds/it_"),
    "ces": ("fillets-ng-data-cs", r"/cs/"),
    "ukr": ("ktuberling-data", r"/sounds/uk/"),
}
DURATIONS_S = (0.1, 0.3, 1.0, 2.0, 3.0)
PIECE_S, LONGEST_S = 3.0, 6.0
QUIET = 0.01  # of the loudest 20 ms in power: what is quieter at the ends is cut off
BINS, RESAMPLES = 10, 2000


def clips_of(package: str, pattern: str) -> list[str]:
    """The paths of a language's clips."""
    cache = cache_root(None)
    folder = unpacked(
        apt_download(package, None, cache / "apt"), cache, lambda name: name.endswith(SOUNDS), "clips"
    )
    paths = (str(path) for path in sorted(folder.rglob("*")) if path.suffix in SOUNDS)
    return [path for path in paths if re.search(pattern, path)]


def trimmed(wave: np.ndarray) -> np.ndarray:
    """(N,) without the quiet parts at its ends."""
    step = SAMPLE_RATE // 50
    power = (wave[: len(wave) // step * step].reshape(-1, step) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > QUIET * power.max()) if len(power) else []
    return wave[loud[0] * step : (loud[-1] + 1) * step] if len(loud) else wave[:0]


def pieces(paths: list[str], count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """At most ``count`` waves of PIECE_S to LONGEST_S seconds of clips in random order."""
    found, waiting = [], np.zeros(0, np.float32)
    for n in rng.permutation(len(paths)):
        waiting = np.concatenate([waiting, trimmed(read_wav(paths[n]))])
        if len(waiting) >= PIECE_S * SAMPLE_RATE:
            found.append(waiting[: round(LONGEST_S * SAMPLE_RATE)])
            waiting = waiting[:0]
        if len(found) == count:
            break
    return found


def speech(count: int) -> dict[tuple[str, str], list[np.ndarray]]:
    """(corpus, language) → pieces; the corpus of strangers is called so."""
    rng, found = np.random.default_rng(0), {}
    for corpus, (package, codes, pattern) in CORPORA.items():
        for lang, code in codes.items():
            found[corpus, lang] = pieces(clips_of(package.format(code), pattern.format(code)), count, rng)
    for lang, (package, pattern) in STRANGERS.items():
        found["strangers", lang] = pieces(clips_of(package, pattern), count, rng)
    return found


def features(name: str, sets: dict, test: int) -> tuple[dict, dict]:
    """(corpus, language) → examples of each piece (n, D) to learn from; and by duration, pooled (n, D) of the
    first ``test`` pieces, cut to it.
    """
    source = upstream_class(name).find(name, None, cache_root(None))
    backbone = Backbone(Setup(source, "last", "float32", 80.0), ["last"])
    setup = Setup(source, upper_layers(backbone.num_layers), "float32", 80.0)
    rng, learnt, cut = np.random.default_rng(0), {}, {}
    with Progress(name, sum(map(len, sets.values())), "pieces") as bar:
        for key, waves in sets.items():
            known = key[0] != "strangers"
            learnt[key] = [
                examples(backbone.encode([w], setup, None)[0], backbone.frame_rate, rng)
                for w in waves
                if known
            ]
            for dur_s in DURATIONS_S:
                short = [wave[: round(dur_s * SAMPLE_RATE)] for wave in waves[:test]]
                cut[key, dur_s] = np.stack([pooled(backbone.encode([w], setup, None)[0]) for w in short])
            bar.add(len(waves))
    return learnt, cut


def folds(learnt: dict) -> dict[str, Classifier]:
    """Held-out corpus → what the others teach of the languages of which they have enough pieces."""
    found = {}
    for corpus in CORPORA:
        clips = defaultdict(list)
        for (other, lang), own in learnt.items():
            if other != corpus:
                clips[lang] += own
        enough = {
            lang: own
            for lang, own in sorted(clips.items())
            if len(held_apart({lang: own})[0][lang]) >= FEWEST
        }
        found[corpus] = train(*held_apart(enough)).classifier
    return found


def measured(classifiers: dict[str, Classifier], cut: dict, dur_s: float) -> dict:
    """Figures in percent. Balanced accuracy is the mean over languages of their mean over corpora; its
    interval comes of drawing corpora anew.
    """
    cells, sure, right, kept, chance = {}, [], [], [], []
    for corpus, classifier in classifiers.items():
        for lang in CORPORA[corpus][1]:
            if lang not in classifier.languages or not len(cut[corpus, lang, dur_s]):
                continue
            found = classifier.probabilities(cut[corpus, lang, dur_s])
            hits = found.argmax(axis=1) == classifier.languages.index(lang)
            cells[corpus, lang] = float(hits.mean())
            chance.append(1 / len(classifier.languages))
            sure += found.max(axis=1).tolist()
            right += hits.tolist()
            kept += (found.max(axis=1)[hits] >= classifier.threshold).tolist()
    strange = [
        float(p < classifier.threshold)
        for classifier in classifiers.values()
        for lang in STRANGERS
        for p in classifier.probabilities(cut["strangers", lang, dur_s]).max(axis=1)
    ]
    rng, names = np.random.default_rng(0), list(classifiers)
    drawn = [balanced(cells, rng.choice(names, len(names))) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    where = np.minimum((np.array(sure) * BINS).astype(int), BINS - 1)
    gaps = [
        (where == n).mean() * abs(np.mean(np.array(sure)[where == n]) - np.mean(np.array(right)[where == n]))
        for n in set(where)
    ]
    figures = {
        "balanced": balanced(cells, names),
        "low": low,
        "high": high,
        "chance": np.mean(chance),
        "calibration_error": sum(gaps),
        "kept": np.mean(kept) if kept else float("nan"),
        "refused": np.mean(strange),
    }
    return {"pieces": len(right)} | {name: round(100 * float(v), 1) for name, v in figures.items()}


def balanced(cells: dict[tuple[str, str], float], corpora: list[str]) -> float:
    """nan if there is nothing of these corpora."""
    rows = defaultdict(list)
    for corpus in corpora:
        for (own, lang), share in cells.items():
            if own == corpus:
                rows[lang].append(share)
    return float(np.mean([np.mean(own) for own in rows.values()])) if rows else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=12, help="pieces of each language and corpus")
    parser.add_argument("--test", type=int, default=6, help="of them in the test")
    parser.add_argument("--encoders", default="whisper_base,fbank")
    parser.add_argument("--out", type=Path, help="JSON of all figures")
    args = parser.parse_args()
    sets, found = speech(args.clips), {}
    for name in args.encoders.split(","):
        learnt, cut = features(name, sets, args.test)
        cut = {(*key, dur_s): rows for (key, dur_s), rows in cut.items()}
        classifiers = folds(learnt)
        found[name] = {str(dur_s): measured(classifiers, cut, dur_s) for dur_s in DURATIONS_S}
        found[name]["languages"] = {corpus: c.languages for corpus, c in classifiers.items()}
        for dur_s in DURATIONS_S:
            print(name, dur_s, json.dumps(found[name][str(dur_s)]))
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
