"""Every command in the blocks of README.md and docs/ is run in a copy of the tree: long work as a dry run, or
on a corpus of tones.
"""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from tests.align.hearing import Hearing, record, sentences
from tests.bundle.many import single
from tests.data.corpus import PHRASES, stamp, tone
from tests.errors import told
from tests.report.documents import document
from tests.serve import made
from tests.tree import Tree
from xlt.bundle import open_bundle
from xlt.bundle.join import join
from xlt.bundle.joined import Joined
from xlt.bundle.manifest import MANIFEST, write_manifest
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.core.registry import FAMILIES
from xlt.features.extract import Setup
from xlt.stream.sources import of_file

SMALL = "preset=fast features.upstream=fbank train.max_epochs=1 train.min_updates=0 score.bootstrap=20 nj=1"
PROBE = "--probe"


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[str]:
    """The indented lines of all pages, without comments, each once, in order: tests/test_docs.py holds that
    they are commands.
    """
    lines = [line for page in PAGES for line in indented(page.read_text("utf-8"))]
    return list(dict.fromkeys(re.split(r"\s+#", line)[0] for line in lines))


def indented(text: str) -> list[str]:
    """The lines of a page's indented blocks; fenced blocks hold tables, settings and Python."""
    outside = re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)
    return [line.strip() for line in re.findall(r"^ {4,}\S.*$", outside, re.M)]


class Place(Tree):
    """The tree as it is when a reader comes to a command: with my_corpus/ and sound files of his own."""

    def __init__(self, root: Path):
        super().__init__(root)
        shutil.copy(ROOT / "pyproject.toml", root)
        corpus, table = root / "my_corpus", "path\ttext\tspeaker\n"
        for number, phrase in enumerate(PHRASES):
            tone(corpus / f"clip{number:03}.wav", hz=200.0 + 20 * number)
            table += f"clip{number:03}.wav\t{phrase.capitalize()}.\tana\n"
            stamp(root / "stamps", f"animals/s{number:02}", {"ro": phrase}, {"ro": 200.0 + 20 * number})
        (corpus / "recordings.tsv").write_text(table, encoding="utf-8")

    def good(self, command: str, **env: str) -> str:
        """Run a command that must end well and say nothing on standard error; what it prints."""
        done = self.run(command, **env)
        assert (done.returncode, done.stderr) == (0, ""), f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def luganda(self) -> None:
        """What the README's line for a new recipe makes."""
        if not (self.root / "egs" / "lug").exists():
            (line,) = (c for c in commands() if c.startswith("tools/new_recipe.sh") and PROBE not in c)
            said = self.good(line, HF_HUB_OFFLINE="1")
            assert "0 errors" in said and said.endswith("next: egs/lug/run.sh\n")

    def bundle(self) -> None:
        """What ``egs/lug/run.sh`` leaves in ``egs/lug/exp/main/bundle``; trained once."""
        recipe, kept = self.root / "egs" / "lug", self.root / "kept"
        if not kept.exists():
            self.luganda()
            data, aside = recipe / "data", self.root / "aside"
            data.rename(aside)  # checked with the settings of the recipe, which SMALL changes
            out = self.good(f"egs/lug/run.sh {SMALL}")
            assert "xlt transcribe egs/lug/exp/main/bundle FILE" in out  # as the README does
            shutil.copytree(recipe / "exp" / "main" / "bundle", kept)
            for made in ("data", "dump", "exp", "results"):
                shutil.rmtree(recipe / made)
            aside.rename(data)
        shutil.copytree(kept, recipe / "exp" / "main" / "bundle")

    def word(self) -> str:
        """One that the model of :meth:`bundle` can write."""
        tokens = (self.root / "kept" / "tokens.txt").read_text("utf-8").split()
        return "".join(token for token in tokens if len(token) == 1)[:3]

    def source(self, folder: str, family: str, upstream: str = "whisper_base") -> None:
        """A trained experiment, or a bundle, as far as a dry run looks at it; the reader has made it by the
        command before.
        """
        exp = self.root / folder
        exp.mkdir(parents=True)
        for name in FAMILIES.get(family).needed:
            (exp / name).write_text("<blank>\n<unk>\n")
        info = json.loads((ROOT / "tests/fixtures/bundle_v1/xlt.json").read_text("utf-8"))
        info |= {"format": 2, "family": family, "lang": "ron_Latn"}
        info["features"]["layers"] = "mix" if (family, upstream) == ("espnet", "whisper_base") else "last"
        info["features"]["settings"]["features.upstream"] = upstream
        (exp / "xlt.json").write_text(json.dumps(info))

    def teacher(self, folder: str) -> None:
        """What a dry run looks at of an experiment with its bundle, and recordings without texts."""
        self.source(f"{folder}/bundle", "whisper_ed" if folder.endswith("large") else "espnet")
        (self.root / folder / "bundle" / "bundle.json").write_text("{}")
        tone(self.root / "my_speech" / "talk.wav", dur_s=2.0, hz=700.0)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("readme") / "xlt")


def lists(place, command):
    assert len(place.good(command).splitlines()) == 10


def dry_run(place, command):
    if command.startswith("egs/lug/"):
        place.luganda()
    if "data.drop=" in command:
        utts = (place.root / "egs/lug/data/train/text").read_text("utf-8").split("\n")
        (place.root / "egs/lug/drop.txt").write_text(f"{utts[0].split()[0]} noise\n", encoding="utf-8")
    if "train.init=" in command:
        family = "espnet" if re.search(r"preset=(fast|emformer)\b", command) else "whisper_ed"
        upstream = re.search(r"features\.upstream=(\S+)|$", command)[1] or "whisper_base"
        place.source(re.search(r"train\.init=(\S+)", command)[1], family, upstream)
    if teacher := re.search(r"train\.teacher=(\S+)", command):
        place.teacher(teacher[1])
    recipe = place.root / Path(command.split()[0]).parent
    before = sorted(recipe.rglob("*"))
    assert "would" in place.good(command if "--dry_run" in command else f"{command} --dry_run")
    assert sorted(recipe.rglob("*")) == before
    for folder in place.root.glob("egs/*/exp"):  # the next reader comes to a tree without them
        shutil.rmtree(folder)


def run(place, command):
    assert "train: would" in place.good(command)


def check(place, command):
    place.luganda()
    assert "data/check is up to date" in place.good(command)


def fix(place, command):
    """The repaired copy, and the report of what was changed."""
    place.luganda()
    place.good(command)
    copy = place.root / shlex.split(command)[-1]
    assert (copy / "fix.md").exists() and (copy / "train" / "wav.scp").exists()
    shutil.rmtree(copy)


def new_recipe(place, command):
    """With --probe it is the README's command with an option, behind which the way of ``xlt probe`` goes."""
    place.luganda()
    if PROBE in command:
        assert command.replace(f"{PROBE} ", "") in commands()
        assert PROBE in place.good("tools/xlt new_recipe --help")
    assert (place.root / "egs" / "lug" / "run.sh").exists()


def transcribe(place, command):
    place.bundle()
    files = [word for word in shlex.split(command) if Path(word).suffix in (".mp3", ".wav")]
    (place.root / "names.txt").write_text(place.word() + "\n")
    for name in files:
        tone(place.root / name, dur_s=1.0)
    done = place.run(command)  # a model of a few updates may find no letters in a tone
    rest = [line for line in done.stderr.splitlines() if "no text at" not in line]
    assert (done.returncode, rest) == (0, []), f"{command}\n{done.stdout}\n{done.stderr}"
    if "--out" in command:
        words = shlex.split(command)
        out, forms = (words[words.index(option) + 1] for option in ("--out", "--format"))
        own = files or [path.name for path in (place.root / words[-1]).glob("*.wav")]
        suffixes = {"textgrid": ".TextGrid"}
        made = {
            Path(name).with_suffix(suffixes.get(form, f".{form}"))
            for name in own
            for form in forms.split(",")
        }
        assert {path.relative_to(place.root / out) for path in (place.root / out).iterdir()} == made
        shutil.rmtree(place.root / out)
    else:
        assert [line.split("\t")[0] for line in done.stdout.splitlines()] == files
    shutil.rmtree(place.root / "egs" / "lug" / "exp")


def serve(place, command):
    """It listens, says so, and stops when it is told to; tests/serve/ asks it."""
    place.bundle()
    words = shlex.split(command)
    words += [] if "--port" in words else ["--port", "0"]
    with subprocess.Popen(words, cwd=place.root, stdout=subprocess.PIPE, text=True) as process:
        said = next((line for line in process.stdout if " serves " in line), "")
        process.terminate()
        rest = process.stdout.read()
    shutil.rmtree(place.root / "egs" / "lug" / "exp")
    assert "http://127.0.0.1:" in said and process.returncode == 0 and rest.endswith("stopped\n")


def stream(place, command):
    """Over a model that is made, in this process; tests/stream/ has a real one."""
    bundle = place.root / "egs" / "lug" / "exp" / "main" / "bundle"
    bundle.mkdir(parents=True)
    (bundle / "languages").write_text("ell_Grek")
    sound = made.write(place.root / "interview.wav", 3, 0)
    written = io.StringIO()
    with (
        contextlib.chdir(place.root),
        mock.patch("xlt.bundle.open_bundle", made.Bundle),
        mock.patch("xlt.stream.microphone.of_microphone", lambda rate, device: of_file(str(sound))),
        contextlib.redirect_stdout(written),
    ):
        assert main(shlex.split(command)[1:]) == 0
    assert "n 3" in written.getvalue() and ('"partial"' in written.getvalue()) == ("jsonl" in command)
    shutil.rmtree(place.root / "egs" / "lug" / "exp")


def align(place, command):
    """Over a model that is made, in this process."""
    words, said = shlex.split(command)[1:], sentences(6)
    name = "one" if words[1].endswith("/") else Path(words[1]).stem
    folder = place.root / (words[1] if words[1].endswith("/") else "")
    record(folder / f"{name}{Path(words[1]).suffix or '.wav'}", said)
    (folder / f"{name}.txt").write_text("\n".join(said))
    heard = SimpleNamespace(head=lambda lang: Hearing(place.root / "letters"))
    out = place.root / words[words.index("-o") + 1]
    with contextlib.chdir(place.root), mock.patch("xlt.bundle.open_bundle", lambda folder: heard):
        with (
            mock.patch("xlt.commands.align.teller", lambda speakers: None),  # else weights are fetched
            mock.patch(
                "xlt.commands.align._workers", lambda args: None
            ),  # tests/align/test_machines.py has them
        ):
            assert main(words) == 0
    assert (out / "segments").read_text().count("\n") and (out / "report.md").exists()
    assert ((out / f"{name}.TextGrid").exists(), (out / f"{name}.eaf").exists()) == (
        "textgrid" in command,
    ) * 2
    for made_folder in (out, place.root / "letters"):
        shutil.rmtree(made_folder)


def suggest(place, command):
    """By a bundle that is told to be calibrated; after one epoch it may hear no words."""
    place.bundle()
    path = place.root / "egs/lug/exp/main/bundle/bundle.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["confidence"] = {"scale": 1.0, "slope": 1.0, "offset": 0.0, "words": 9}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    tone(place.root / "my_speech" / "talk.wav", dur_s=2.0, hz=700.0)
    words = shlex.split(command)
    out = place.root / (words[words.index("--out") + 1] if "--out" in words else "suggested.tsv")
    found = place.run(command)
    if found.returncode == 2:
        told(found.stderr, where="my_speech")
    else:
        assert found.returncode == 0 and out.exists()
        shutil.rmtree(out) if out.is_dir() else out.unlink()
    for folder in (place.root / "my_speech", place.root / "egs" / "lug" / "exp"):
        shutil.rmtree(folder)


def selftrain(place, command):
    """The first round as a dry run; the next are taught by a bundle that there is not yet."""
    tone(place.root / "my_speech" / "talk.wav", dur_s=2.0, hz=700.0)
    assert "train: would" in place.good(f"{command} --dry_run")
    assert not (place.root / "egs" / "ron" / "exp").exists()
    shutil.rmtree(place.root / "my_speech")


def adapt(place, command):
    place.bundle()
    (place.root / "prompts.txt").write_text(f"{place.word()}\n{place.word()} {place.word()}\n")
    place.good(command)
    assert (place.root / command.split()[-1] / "lm" / "lm.json").exists()
    shutil.rmtree(place.root / "egs" / "lug" / "exp")


def export_model(place, command):
    place.bundle()
    place.good(command)
    assert list((place.root / command.split()[-1]).glob("*.arpa"))
    shutil.rmtree(place.root / "egs" / "lug" / "exp")


def cache(place, command):
    """Each action of the cache, in the README's order, on a store that a recipe has filled."""
    store = {"XLT_CACHE": str(place.root / "store")}
    shutil.rmtree(place.root / "egs" / "ron" / "dump", ignore_errors=True)
    place.good(
        f"egs/ron/run.sh --stop_stage features data.dir=stamps data.train_minutes=null {SMALL}", **store
    )
    out = place.good(command, **store)
    expected = {"ls": "egs/ron/dump/fbank/train", "gc": "would free 0.0 MB", "verify": "all checksums agree"}
    assert expected[command.split()[2]] in out


def no_slurm(place, command):
    """Where there is no Slurm that is said; tests/commands/test_experiment.py submits to one."""
    found = place.run(command, PATH="/usr/bin:/bin")
    assert found.returncode == 2
    told(found.stderr, "sbatch", where="executor=slurm")


def experiment(place, command):
    out = place.good(command)
    assert "open " in out if "--list" in command else "train: would" in out
    known = {
        "accents": "spa/a_main_s0",
        "continued": "cat/on_continued_s1",
        "robust": "spa/r_plain_s0",
        "streaming": "cat/taught0.64_s1",
        "languages": "ron/fbank_all_s0",
        "teachers": "ron/taught_texts_s1",
        "transducer": "cat/emformer_tuned_10min_s1",
        "transfer": "cat/x5_fbank_s0",
    }
    assert known[Path(command.split()[2]).stem] in out
    assert not (place.root / "egs" / "ron" / "exp").exists()


def export(place, command):
    place.good(f"egs/ron/run.sh --stop_stage data data.dir=stamps data.train_minutes=null {SMALL}")
    place.good(command)
    made = place.root / shlex.split(command)[-1]
    assert len([*made.glob("ron_Latn_*_dev.jsonl.gz")]) == 2 or (made / "corpus.tsv").exists()
    shutil.rmtree(place.root / "egs" / "ron" / "data")


def export_onnx(place, command):
    place.bundle()
    place.good(command)
    out = place.root / command.split()[-1]
    assert (out / "head.onnx").exists() and (out / "bundle.json").exists()
    shutil.rmtree(place.root / "egs" / "lug" / "exp")


def export_sherpa(place, command):
    """The reader's model is over Whisper; this one is on log-mels and refused."""
    place.bundle()
    found = place.run(command)
    assert found.returncode == 2
    told(found.stderr, "whisper_base", where=command.split()[3])
    shutil.rmtree(place.root / "egs" / "lug" / "exp")


def export_hub(place, command):
    """With a bundle of log-mels, in this process; tests/export/test_hub.py reads the card."""
    bundle = place.root / command.split()[3]
    shutil.copytree(ROOT / "tests/fixtures/bundle_v1", bundle)
    with contextlib.chdir(place.root):
        assert main(shlex.split(command)[1:]) == 0
    assert "pipeline_tag: " in (place.root / command.split()[-1] / "README.md").read_text("utf-8")
    shutil.rmtree(bundle.parent.parent)


def forget(place, command):
    """In this process, of a recipe with one clip; tests/commands/test_forget.py has models."""
    words = shlex.split(command)
    data = place.root / words[2] / "data" / "all"
    shutil.rmtree(data.parent, ignore_errors=True)  # of an earlier command
    data.mkdir(parents=True)
    for table, value in (("utt2spk", words[4]), ("utt2audio", "abc"), ("utt2split", "train")):
        (data / table).write_text(f"{words[4]}-1 {value}\n")
    with contextlib.chdir(place.root):
        assert main(words[1:]) == 0
    drop = place.root / words[2] / "forget.txt"
    assert words[4] in drop.read_text("utf-8")
    drop.unlink()
    shutil.rmtree(data.parent)


def verify(place, command):
    """What stages have made is as it was; a text that was edited since is named."""
    place.good(f"egs/ron/run.sh --stop_stage data data.dir=stamps data.train_minutes=null {SMALL}")
    assert "egs/ron/data/train: " in place.good(command)
    with (place.root / "egs/ron/data/train/text").open("a") as text:
        text.write("by-hand ana\n")
    found = place.run(command)
    told(found.stderr, where="egs/ron/data/train/text")
    assert found.returncode == 2
    shutil.rmtree(place.root / "egs" / "ron" / "data")


def probe(place, command):
    """On log-mels, for a few steps."""
    own = "data.dir=stamps data.train_minutes=null"
    place.good(f"egs/ron/run.sh --stop_stage data {own} {SMALL}")
    said = place.good(f"{command} {own} --encoders fbank --updates 2 --minutes 0.1 --no_ready")
    assert "best: fbank" in said and (place.root / "egs/ron/data/probe.json").exists()
    shutil.rmtree(place.root / "egs" / "ron" / "data")


def phones(place, command):
    """On recipes that have data; the picture and the JSON are written where the reader stands."""
    words = shlex.split(command)
    for name in [words[2], *words[4].split(",")]:
        text = place.root / "egs" / name / "data" / "train_10min" / "text"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("u-1 a\n", encoding="utf-8")
    out = place.good(command)
    assert (
        "Spearman's correlation" in out
        and (place.root / "phones.json").exists()
        and (place.root / "phones.png").exists()
    )
    for name in [words[2], *words[4].split(",")]:
        shutil.rmtree(place.root / "egs" / name / "data")


def report(place, command):
    """Over recipes one of which has a result."""
    results = place.root / "egs" / "ron" / "results"
    shutil.rmtree(results, ignore_errors=True)  # of what an earlier command has made
    results.mkdir()
    (results / "main.json").write_text(json.dumps(document("main")), encoding="utf-8")
    place.good(command)
    out = place.root / (command.partition(" --out ")[2] or "egs/report")
    assert "Romanian" in (out / "report.html").read_text(encoding="utf-8")
    for folder in (results, out):
        shutil.rmtree(folder)


def compare(place, command):
    """Of two experiments of which the second makes half as many errors."""
    recipe, words = place.root / "egs" / "ron", shlex.split(command)
    first = words.index("--compare") + 1
    for exp, errors in zip(words[first : first + 2], (2, 1), strict=True):
        (recipe / exp).mkdir(parents=True)
        scores = document("main")
        scores["counts"] = {"test": {"ids": "x", "errors": [errors] * 9, "n_ref": [10] * 9}}
        (recipe / exp / "score.json").write_text(json.dumps(scores))
    assert "B makes 50% fewer errors" in place.good(command)
    shutil.rmtree(recipe / "exp")


def run_tests(place, command):
    """tools/test.sh itself, on one test that passes."""
    for name in ("ruff", "shellcheck"):
        place.script(
            f".venv/bin/{name}", f'exec {shlex.quote(str(Path(sys.executable).with_name(name)))} "$@"'
        )
    for name in ("bin/sctk", "bin/chromium", ".venv/bin/mypy"):  # slow, or not there
        place.script(name, "exit 0")
    place.script(".ci/run", "exit 0")
    (place.root / "tests").mkdir()
    (place.root / "tests" / "test_one.py").write_text("def test_one():\n    pass\n")
    out = place.good(
        f"env -u PYTEST_ADDOPTS -u PYTEST_XDIST_WORKER {command}",
        PATH=f"{place.root / 'bin'}{os.pathsep}{os.environ['PATH']}",
    )
    assert "1 passed" in out and out.endswith("test: all passed\n")


def adapter(place, command):
    """With a tiny backbone that has adapters of two languages; of a model without any, none is exported."""
    from tests.upstreams.layouts import save_mms

    backbone = save_mms(
        place.root / "mms-1b-all", {lang: ["<pad>", "|", "a", "e"] for lang in ("ron", "cat")}
    )
    if " export " in command:
        place.source(shlex.split(command)[3], "espnet")
        found = place.run(command)
        assert found.returncode == 2
        told(found.stderr, "preset=mms_adapter", where=shlex.split(command)[3])
        shutil.rmtree(place.root / "egs/ron/exp")
    else:
        tone(place.root / "a.wav", dur_s=1.0)
        languages = {"ron", "cat"}
        assert {word for line in place.good(command).splitlines() for word in line.split("\t")} >= languages
    shutil.rmtree(backbone)


class Silent:
    """In place of a recogniser, which tests/bundle/test_join.py loads."""

    def __init__(self, bundle: Path, backbone: object):
        self.recogniser = SimpleNamespace(has_ctc=True)

    def pieces(self, *args: object) -> list:
        return []

    cuts = pieces


def heads(place, command):
    """With bundles of log-mels, in this process."""
    one, named = ROOT / "tests/fixtures/bundle_v1", re.findall(r"egs/(\w+)/exp/main/bundle", command)
    made = place.root / "many"
    for name in {*named, "ron", "cat"}:
        bundle = shutil.copytree(one, place.root / f"egs/{name}/exp/main/bundle")
        info, manifest = (json.loads((bundle / file).read_text("utf-8")) for file in ("xlt.json", MANIFEST))
        (bundle / "xlt.json").write_text(json.dumps(info | {"lang": f"{name}_Latn"}))
        write_manifest(bundle, {k: v for k, v in manifest.items() if k not in ("files", "format")})
    if " join " not in command:
        join([place.root / f"egs/{name}/exp/main/bundle" for name in ("ron", "cat")], made)
    tone(place.root / "recording.wav")
    with (
        contextlib.chdir(place.root),
        mock.patch("xlt.bundle.transcribe.Transcriber", Silent),
        mock.patch("xlt.features.backbone.Backbone", lambda *args: None),
    ):
        assert main(shlex.split(command)[1:]) == 0
    expected = {"remove": ("ron_Latn",), "add": ("cat_Latn", "ell_Latn", "ron_Latn")}
    languages = open_bundle(made).languages
    assert languages == expected.get(command.split()[2], ("cat_Latn", "ron_Latn"))
    shutil.rmtree(made)
    for folder in place.root.glob("egs/*/exp"):
        shutil.rmtree(folder)


def lid(place, command):
    """On numbers in place of speech, which tests/lid/test_lid.py has; what is stored is then used."""
    made, rng = place.root / "many", np.random.default_rng(0)
    for lang in ("ron_Latn", "cat_Latn"):
        single(place.root / lang, lang)
    join([place.root / lang for lang in ("ron_Latn", "cat_Latn")], made)
    tone(place.root / "recording.wav")
    backbone = SimpleNamespace(num_layers=1, setup=Setup(None, "last", "float32", 80.0))
    shifts = {"cat_Latn": 0.0, "fra": 3.0, "ron_Latn": 6.0}

    def examples(backbone, layers, files, *more):
        return {lang: [rng.normal(shifts[lang], 1.0, (1, 2)) for _ in range(10)] for lang in files}

    with (
        contextlib.chdir(place.root),
        mock.patch("xlt.bundle.transcribe.Transcriber", Silent),
        mock.patch("xlt.features.backbone.Backbone", lambda *args: backbone),
        mock.patch("xlt.commands.lid._listed", lambda folder: ["a.wav"]),
        mock.patch("xlt.commands.lid._of_recipe", lambda name, lang: Path("data")),
        mock.patch("xlt.commands.lid.examples_of", examples),
    ):
        words = shlex.split(command)[1:]
        if words[0] == "transcribe":
            assert main(["lid", "train", "many"]) == 0
        assert main(words) == 0
    assert (made / Joined.read(made).lid.file).exists()
    for folder in ("many", "ron_Latn", "cat_Latn"):
        shutil.rmtree(place.root / folder)


WAYS = {  # the first that matches the whole command proves it
    r"egs/\w+/run\.sh --list": lists,
    r"egs/lug/run\.sh --stop_stage check": check,
    r"egs/\w+/run\.sh( .+)?": dry_run,
    r"tools/xlt run .+ --dry_run": run,
    r"tools/new_recipe\.sh .+": new_recipe,
    r"tools/test\.sh": run_tests,
    r"tools/xlt check .+ --fix .+": fix,
    r"tools/xlt (lid|transcribe many --lang auto) .+": lid,
    r"tools/xlt (bundle|transcribe many) .+": heads,
    r"tools/xlt transcribe .+": transcribe,
    r"tools/xlt align .+": align,
    r"tools/xlt serve .+": serve,
    r"tools/xlt stream .+": stream,
    r"tools/xlt suggest .+": suggest,
    r"tools/xlt selftrain .+": selftrain,
    r"tools/xlt lm adapt .+": adapt,
    r"tools/xlt lm export .+": export_model,
    r"tools/xlt cache .+": cache,
    r"tools/xlt experiment .+ --executor slurm": no_slurm,
    r"tools/xlt experiment .+": experiment,
    r"tools/xlt verify .+": verify,
    r"tools/xlt forget .+": forget,
    r"tools/xlt phones .+": phones,
    r"tools/xlt probe .+": probe,
    r"tools/xlt pretrain .+": dry_run,
    r"tools/xlt report( .+)?": report,
    r"tools/xlt score .+": compare,
    r"tools/xlt export onnx .+": export_onnx,
    r"tools/xlt export sherpa .+": export_sherpa,
    r"tools/xlt export hub .+": export_hub,
    r"tools/xlt export .+": export,
    r"tools/xlt adapter .+": adapter,
}


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_command(place, command):
    way = next((way for pattern, way in WAYS.items() if re.fullmatch(pattern, command)), None)
    assert way, f"no test knows how to prove {command!r}; add a way to tests/test_readme.py"
    way(place, command)


def test_every_way_is_needed():
    used = {next(p for p in WAYS if re.fullmatch(p, c)) for c in commands()}
    assert used == set(WAYS)


@pytest.mark.parametrize(
    "words", ["--stop_stage chekc", "features.upstrem=fbank", "preset=hybrid_sl", "--frce"]
)
def test_a_wrong_word_would_be_seen(place, words):
    assert place.run(f"egs/ron/run.sh --dry_run {words}").returncode == 2
