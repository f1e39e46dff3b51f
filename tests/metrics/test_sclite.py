"""CER and WER agree exactly with sclite (NIST SCTK, Debian's sctk) on real pairs in three scripts."""

import csv
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from xlt.metrics import cer, wer
from xlt.metrics.align import align, count_edits
from xlt.score.document import write_trn
from xlt.text.normalise import normalise

NORMALISERS = {"ron": "ron-v1", "bel": "generic-v1", "ell": "generic-v1"}


@pytest.fixture(scope="module")
def sclite():
    command = next(([*words] for words in (("sclite",), ("sctk", "sclite")) if shutil.which(words[0])), None)
    if command is None:
        if os.environ.get("CI"):
            pytest.fail("sclite is missing: CI needs Debian's sctk (apt-get install sctk)")
        pytest.skip("sclite is missing: apt-get install sctk")
    return command


def counts_by(
    sclite: list[str], folder: Path, pairs: dict[str, tuple[list[str], list[str]]]
) -> dict[str, tuple]:
    """sclite's (n_ref, sub, del, ins) of each utterance."""
    write_trn(folder / "ref.trn", list(pairs), [ref for ref, _ in pairs.values()])
    write_trn(folder / "hyp.trn", list(pairs), [hyp for _, hyp in pairs.values()])
    words = "-r ref.trn trn -h hyp.trn trn -i spu_id -s -e utf-8 -o pralign stdout"
    out = subprocess.run(
        [*sclite, *words.split()], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    found = re.findall(r"^id: \((\S+)\)\nScores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)$", out, re.MULTILINE)
    return {utt: (int(c) + int(s) + int(d), int(s), int(d), int(i)) for utt, c, s, d, i in found}


@pytest.fixture(scope="module")
def real_pairs():
    with (Path(__file__).parent / "whisper_pairs.tsv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {
        row["id"]: tuple(normalise(row[side], NORMALISERS[row["id"][:3]]) for side in ("ref", "hyp"))
        for row in rows
    }


def test_fixture_is_big_and_hard_enough(real_pairs):
    assert len(real_pairs) >= 200
    assert {utt[:3] for utt in real_pairs} == set(NORMALISERS)
    assert all(ref for ref, _ in real_pairs.values())
    assert sum(ref != hyp for ref, hyp in real_pairs.values()) >= 100


@pytest.mark.parametrize("metric", ["wer", "cer"])
def test_real_pairs(sclite, tmp_path, real_pairs, metric):
    module, score = {"wer": (wer, wer.wer), "cer": (cer, cer.cer)}[metric]
    pairs = {utt: (module.tokens(ref), module.tokens(hyp)) for utt, (ref, hyp) in real_pairs.items()}
    theirs = counts_by(sclite, tmp_path, pairs)
    ours = score(list(real_pairs.values()), 10, np.random.default_rng(0))
    assert {utt: tuple(c) for utt, c in zip(real_pairs, ours.utterances, strict=True)} == theirs
    total = [sum(column) for column in zip(*theirs.values(), strict=True)]
    assert list(ours.counts) == total
    assert ours.value == 100 * sum(total[1:]) / total[0]


def test_made_pairs_with_many_equal_alignments(sclite, tmp_path):
    """Few different tokens: nearly every pair has several cheapest alignments, and the choice among them
    shows.
    """
    rng = random.Random(0)
    pairs = {
        f"s-{k:03d}": (rng.choices("αβв", k=rng.randint(1, 20)), rng.choices("αβв", k=rng.randint(0, 20)))
        for k in range(300)
    }
    assert {utt: tuple(count_edits(*pair)) for utt, pair in pairs.items()} == counts_by(
        sclite, tmp_path, pairs
    )


def test_positions_of_made_pairs(sclite, tmp_path):
    """Not the counts alone: each word stands over the same word as in sclite's own alignment."""
    rng = random.Random(1)
    pairs = {
        f"s-{k:03d}": (rng.choices("abc", k=rng.randint(1, 12)), rng.choices("abc", k=rng.randint(0, 12)))
        for k in range(200)
    }
    write_trn(tmp_path / "ref.trn", list(pairs), [ref for ref, _ in pairs.values()])
    write_trn(tmp_path / "hyp.trn", list(pairs), [hyp for _, hyp in pairs.values()])
    words = "-r ref.trn trn -h hyp.trn trn -i spu_id -s -e utf-8 -o pralign stdout"
    out = subprocess.run(
        [*sclite, *words.split()], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    theirs = dict(re.findall(r"^id: \((\S+)\)\n(?:.*\n)*?(REF:.*\nHYP:.*)$", out, re.MULTILINE))
    assert len(theirs) == len(pairs)
    for utt, (ref, hyp) in pairs.items():
        rows = [line.split()[1:] for line in theirs[utt].lower().split("\n")]
        path = align(ref, hyp)
        assert rows == [
            ["*" if i is None else ref[i] for i, _ in path],
            ["*" if j is None else hyp[j] for _, j in path],
        ], utt
