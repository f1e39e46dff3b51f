"""What each source of a language model brings, and what ``xlt lm adapt`` brings in another domain.

    python -m tests.bench.lm_gains sources egs/spa --tag main
    python -m tests.bench.lm_gains domain egs/spa --tag main

``sources``: dev and test of a trained experiment, decoded with language models of the training texts alone,
with a word list, and with texts as well: dialogues of Debian's fillets-ng-data (GPL-2), in bg, es, fr, ru.

``domain``: prompts of a telephone exchange, Debian's asterisk-core-sounds-{es,fr,ru} (CC-BY-SA-3.0), one
voice each: half of the texts, chosen by a hash, go to ``xlt lm adapt``; the recordings of the other half
(16 kHz, G.722) are transcribed before and after. No text is in both halves. Needs PyAV, which the extra
``peer`` brings, and apt.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path

import soundfile

from xlt.cli import main as xlt
from xlt.core.config import load
from xlt.fetch.deb import unpack
from xlt.fetch.files import cache_root
from xlt.fetch.packages import apt_download
from xlt.library import Transcriber, cer, wer
from xlt.text import languages
from xlt.text.normalise import normalise

DIALOGUES = "fillets-ng-data"
PROMPTS = "asterisk-core-sounds-"
_LINE = re.compile(r'dialogStr\("(.*?)"\)')


def package(name: str, folder: Path, wanted: str) -> Path:
    """The files of a Debian package whose path has ``wanted``, below ``folder``."""
    deb = apt_download(name, None, cache_root(None) / "apt")
    unpack(deb, folder, lambda path: wanted in path)
    return folder


def dialogues(iso1: str, scratch: Path) -> Path | None:
    """A file with the dialogues in a language, a sentence a line; None if there are none."""
    folder = package(DIALOGUES, scratch / DIALOGUES, f"/dialogs_{iso1}.lua")
    lines = []
    for path in sorted(folder.rglob(f"dialogs_{iso1}.lua")):
        lines += [
            line
            for text in _LINE.findall(path.read_text("utf-8", "replace"))
            for line in [text.strip()]
            if line
        ]
    if not lines:
        return None
    out = scratch / "dialogues.txt"
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return out


def sources(recipe: Path, tag: str) -> None:
    iso1 = languages.get(load(recipe).lang).iso1
    with tempfile.TemporaryDirectory() as name:
        text = dialogues(iso1, Path(name))
        arms = {"texts": ["lm.words=none"], "texts + list": []}
        if text:
            extra = [f"lm.text=[{text}]", "lm.exclude_overlap=true"]
            arms |= {"texts + dialogues": ["lm.words=none", *extra], "texts + list + dialogues": extra}
        for arm, settings in arms.items():
            own = f"{tag}_arm"
            _forget(recipe, own)
            shutil.copytree(
                recipe / "exp" / tag, recipe / "exp" / own, ignore=shutil.ignore_patterns("decode_*")
            )
            for stage in ("lm", "decode", "score"):
                if xlt([stage, "--recipe", str(recipe), f"tag={own}", *settings]):
                    raise SystemExit(f"{recipe}: stage {stage} failed with {settings}")
            scores = json.loads((recipe / "exp" / own / "score.json").read_text())
            lm = json.loads((recipe / "exp" / "lm" / own / "lm.json").read_text())
            cells = []
            for part in ("dev", "test"):
                cells += [f"{scores['sets'][part][key]['value']:.1f}" for key in ("cer", "wer")]
            print(
                f"| {recipe.name} | {arm} | {lm['dev']['perplexity']:.2f} | {' | '.join(cells)} |", flush=True
            )
            _forget(recipe, own)


def _forget(recipe: Path, tag: str) -> None:
    for folder in (recipe / "exp" / tag, recipe / "exp" / "lm" / tag):
        shutil.rmtree(folder, ignore_errors=True)


def domain(recipe: Path, tag: str) -> None:
    cfg = load(recipe)
    lang = languages.get(cfg.lang)
    bundle = recipe / "exp" / tag / "bundle"
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        texts = package(f"{PROMPTS}{lang.iso1}", scratch / "texts", ".txt.gz")
        sounds = package(f"{PROMPTS}{lang.iso1}-g722", scratch / "sounds", ".g722")
        heard = {path.stem: path for path in sounds.rglob("*.g722")}
        rows: dict[str, str] = {}
        seen: set[str] = set()
        for line in (
            gzip.decompress(next(texts.rglob("*.txt.gz")).read_bytes())
            .decode("utf-8", "replace")
            .splitlines()
        ):
            key, _, text = line.partition(": ")
            clean = normalise(text, lang.normaliser)
            odd = any(mark in text for mark in "[]();<>") or any(map(str.isdigit, text))
            if not odd and len(clean.split()) >= 3 and clean not in seen and key in heard:
                rows[key] = clean
                seen.add(clean)
        first = {key for key in rows if hashlib.sha1(rows[key].encode()).digest()[0] % 2}
        (scratch / "domain.txt").write_text(
            "\n".join(rows[key] for key in sorted(first)) + "\n", encoding="utf-8"
        )
        if xlt(["lm", "adapt", str(bundle), str(scratch / "domain.txt"), "--out", str(scratch / "adapted")]):
            raise SystemExit(f"{bundle}: could not be adapted")
        held = sorted(set(rows) - first)
        refs = [rows[key] for key in held]
        waves = [_wav(heard[key], scratch / f"{key}.wav") for key in held]
        for what, place in (("before", bundle), ("after", scratch / "adapted")):
            transcriber = Transcriber(place)
            hyps = [normalise(transcriber(wave).text, lang.normaliser) for wave in waves]
            print(
                f"| {recipe.name} | {what} | {len(held)} prompts, {sum(len(ref.split()) for ref in refs)} words |"
                f" {cer(refs, hyps):.1f} | {wer(refs, hyps):.1f} |",
                flush=True,
            )


def _wav(path: Path, out: Path) -> Path:
    import av
    import numpy as np

    with av.open(str(path), format="g722") as sound:
        frames = [frame.to_ndarray().ravel() for frame in sound.decode(audio=0)]
    soundfile.write(out, np.concatenate(frames), 16000)
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["sources", "domain"])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--tag", default="main")
    args = parser.parse_args()
    {"sources": sources, "domain": domain}[args.what](args.recipe, args.tag)
