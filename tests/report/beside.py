"""What lies beside results where a model was trained: its table of utterances, sound, and history."""

import hashlib
import json

import numpy as np
import soundfile

from tests.report.documents import document, entry

# (id, reference, hypothesis of ours, of theirs): one error of one character each, counted by hand
UTTERANCES = [
    ("s-1", "abcd", "abcd", "abxd"),
    ("s-2", "un ou", "un au", "un ou"),
    ("s-3", "da", "da", "da"),
]
ERRORS = {"ours": [0, 1, 0], "theirs": [1, 0, 0]}
CHARS, WORDS = [4, 5, 2], [1, 2, 1]


def result(tag, errors, ids=("s-1", "s-2", "s-3"), chars=CHARS, words=WORDS, **config):
    """A result with the counts of each utterance; each error is in a word of its own."""
    made = document(tag, **config)
    made["test"] |= {
        key: entry(round(100 * sum(errors) / sum(n_ref), 3), n_ref=sum(n_ref), counts=(sum(errors), 0, 0))
        for key, n_ref in (("cer", chars), ("wer", words))
    }
    made["counts"] = {
        "test": {
            "ids": hashlib.sha256("\n".join(ids).encode()).hexdigest()[:20],
            "errors": errors,
            "n_ref": chars,
            "wer": {"errors": errors, "n_ref": words},
        }
    }
    return made


def scored(recipe, tag, rows, errors, chars=CHARS, words=WORDS):
    """exp/<tag>/score/test.tsv of rows (id, reference, hypothesis)."""
    names = [f"{unit}_{count}" for unit in ("char", "word") for count in ("n_ref", "sub", "del", "ins")]
    lines = ["\t".join(["id", *names, "ref", "hyp"])]
    for (utt, ref, hyp), wrong, n, m in zip(rows, errors, chars, words, strict=True):
        lines.append("\t".join(map(str, [utt, n, wrong, 0, 0, m, wrong, 0, 0, ref, hyp])))
    folder = recipe / "exp" / tag / "score"
    folder.mkdir(parents=True)
    (folder / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def history(recipe, tag, rows):
    folder = recipe / "exp" / tag
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "history.json").write_text(json.dumps(rows))


def data(recipe, ids=("s-1", "s-2", "s-3"), silent=()):
    """data/test with half a second of sound of each utterance, but for ``silent``, whose files are gone."""
    folder, wavs = recipe / "data" / "test", recipe / "data" / "all" / "wav"
    folder.mkdir(parents=True)
    wavs.mkdir(parents=True)
    tables = {"wav.scp": "data/all/wav/{}.wav", "utt2dur": "0.5000", "utt2spk": "s{}"}
    for name, value in tables.items():
        rows = (f"{utt} {value.format(utt)}\n" for utt in ids)
        (folder / name).write_text("".join(rows), encoding="utf-8")
    for utt in ids:
        if utt not in silent:
            soundfile.write(wavs / f"{utt}.wav", np.zeros(8000), 16000)


def both(results, silent=("s-3",)):
    """A recipe with two models of the three utterances; its folder."""
    recipe = results(
        result("ours", ERRORS["ours"], dev=1.0),
        result("theirs", ERRORS["theirs"], **{"features.upstream": "fbank"}),
    ).parent
    for k, tag in enumerate(("ours", "theirs")):
        scored(recipe, tag, [(row[0], row[1], row[2 + k]) for row in UTTERANCES], ERRORS[tag])
    data(recipe, silent=silent)
    history(
        recipe,
        "ours",
        [{"epoch": k, "train_loss": 9.0 / k, "loss": 8.0 / k, "cer_ctc": 0.5 / k} for k in (1, 2)],
    )
    return recipe
