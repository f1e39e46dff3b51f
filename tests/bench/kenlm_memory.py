"""Resident memory, loading time and time to ask a KenLM binary of any size.

    .venv/bin/python tests/bench/kenlm_memory.py BINARY
    .venv/bin/python tests/bench/kenlm_memory.py BINARY --make KENLM/build/bin [--type trie] [--tokens 21000000]

``--make`` writes BINARY first, of random words by Zipf's law, with lmplz and build_binary from a build of KenLM,
which no wheel contains: 21 million tokens make about 1 GB. The order is 5.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

WORDS = 200_000


def text(tokens: int, rng: np.random.Generator) -> list[list[str]]:
    """Sentences of ten words."""
    ranks = np.minimum(rng.zipf(1.15, size=(tokens // 10, 10)), WORDS)
    return [[f"w{rank}" for rank in row] for row in ranks.tolist()]


def make(binary: Path, tools: Path, tokens: int, kind: str) -> None:
    with tempfile.TemporaryDirectory(dir=binary.parent) as name:
        folder = Path(name)
        rng = np.random.default_rng(1)
        with (folder / "text").open("w", encoding="utf-8") as file:
            for _ in range(max(1, tokens // 1_000_000)):
                file.write("".join(" ".join(row) + "\n" for row in text(min(tokens, 1_000_000), rng)))
        estimate = [tools / "lmplz", "-o", "5", "-S", "3G", "-T", folder, "--discount_fallback"]
        arpa = folder / "lm.arpa"
        subprocess.run(
            [*estimate, "--text", folder / "text", "--arpa", arpa], check=True, stderr=subprocess.DEVNULL
        )
        build = [tools / "build_binary", kind, arpa, binary]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def memory_mb() -> dict[str, int]:
    """Resident memory of this process: its own, and of mapped files."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {kind: int(status[kind].split()[0]) // 1000 for kind in ("RssAnon", "RssFile")}


def measure(binary: Path) -> None:
    from xlt.lm.kenlm import open_lm

    print(f"{binary.stat().st_size / 1e6:.0f} MB on disk; before: {memory_mb()}")
    start = time.perf_counter()
    model = open_lm(binary)
    print(f"opened in {1000 * (time.perf_counter() - start):.1f} ms; {memory_mb()}")
    sentences = text(200_000, np.random.default_rng(2))
    for part, name in (
        (sentences[:2000], "20,000 tokens"),
        (sentences, "200,000"),
        (sentences, "the same again"),
    ):
        wall, cpu = time.perf_counter(), time.process_time()
        perplexity = model.perplexity(part)
        n = sum(len(sentence) + 1 for sentence in part)
        print(
            f"{name}: {1e6 * (time.process_time() - cpu) / n:.2f} us of CPU a token,"
            f" {1e6 * (time.perf_counter() - wall) / n:.2f} us in all; {memory_mb()}; perplexity {perplexity:.1f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("binary", type=Path)
    parser.add_argument("--make", type=Path, metavar="TOOLS")
    parser.add_argument("--type", choices=["probing", "trie"], default="probing")
    parser.add_argument("--tokens", type=int, default=21_000_000)
    args = parser.parse_args()
    if args.make:
        make(args.binary, args.make, args.tokens, args.type)
    measure(args.binary)
