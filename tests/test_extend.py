"""The examples of docs/extend.md: each is put where its first line says and is used through its registry."""

import ast
import importlib
import re
import sys
import types

import numpy as np
import pytest

from tests.data.corpus import tone
from tests.errors import raises
from xlt.core.config import ROOT, load
from xlt.core.errors import DataError
from xlt.core.registry import Registry

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/extend.md").read_text(encoding="utf-8")
EXAMPLES = {
    part.partition("\n")[0]: re.findall(r"^```python\n# (\S+?)(?:, in (\w+))?\n(.*?)^```", part, re.M | re.S)
    for part in PAGE.split("\n## ")[1:]
}


@pytest.fixture
def example(monkeypatch):
    """Function: heading → the modules of its example, put in place, with their lines in the registries."""

    def put(heading):
        made = []
        for path, table, text in EXAMPLES[heading]:
            name = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            if table:
                found = getattr(importlib.import_module(name), table)
                entries = found.entries if isinstance(found, Registry) else found
                for key, value in ast.literal_eval("{" + text + "}").items():
                    monkeypatch.setitem(entries, key, value)
                continue
            module = types.ModuleType(name)
            monkeypatch.setitem(sys.modules, name, module)
            exec(compile(text, path, "exec"), module.__dict__)
            made.append(module)
        return made

    return put


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\nfeatures: {upstream: fbank}\n", encoding="utf-8")
    return tmp_path


def test_every_example_is_tried():
    tried = {name for name in globals() if name.startswith("test_example_")}
    assert {f"test_example_{heading.lower().replace(' ', '_')}" for heading in EXAMPLES} == tried
    assert all(blocks for blocks in EXAMPLES.values())


def test_example_corpus_reader(example, recipe):
    from xlt.core.registry import READERS
    from xlt.data.corpora.recognise import recognise

    example("Corpus reader")
    for name in ("a", "b"):
        tone(recipe / "corpus" / f"{name}.wav")
    (recipe / "corpus/a.trn").write_text("un urs\n")
    assert recognise(recipe / "corpus") == "sidecar"
    corpus = READERS.get("sidecar")(load(recipe, ["data.reader=sidecar", f"data.dir={recipe / 'corpus'}"]))
    assert [(utt.id, utt.text) for utt in corpus.utterances] == [("anyone-a", "un urs")]
    assert corpus.left_out == {"audio without text": ["b"]}


def test_example_form_of_table(example, recipe):
    from xlt.core.registry import READERS
    from xlt.data.corpora.recognise import recognise

    example("Form of table")
    for name in ("a", "b"):
        tone(recipe / "corpus" / f"{name}.wav")
    table = recipe / "corpus/mine.prompts"
    table.write_text("a un urs mare\n\nb doi lupi\n", encoding="utf-8")
    assert recognise(recipe / "corpus") == "table"
    cfg = load(recipe, ["data.reader=table", f"data.dir={recipe / 'corpus'}"])
    corpus = READERS.get("table")(cfg)
    assert [(utt.audio.name, utt.text, utt.where) for utt in corpus.utterances] == [
        ("a.wav", "un urs mare", "mine.prompts:1"),
        ("b.wav", "doi lupi", "mine.prompts:3"),
    ]
    table.write_text("a un urs\nb\n", encoding="utf-8")
    with raises(DataError, "'b'", where="mine.prompts:2"):
        READERS.get("table")(cfg)


def test_example_label_file(example, recipe):
    from xlt.core.registry import READERS
    from xlt.data.corpora.recognise import recognise

    example("Label file")
    tone(recipe / "corpus/a.wav", dur_s=3.0)
    label = recipe / "corpus/a.sbv"
    label.write_text("0:00:00.500,0:00:01.250\nun\nurs\n\n0:00:02.000,0:00:02.900\no casă\n")
    assert recognise(recipe / "corpus") == "labels"
    cfg = load(recipe, ["data.reader=labels", f"data.dir={recipe / 'corpus'}"])
    corpus = READERS.get("labels")(cfg)
    assert [(utt.text, utt.start_s, utt.end_s, utt.where) for utt in corpus.utterances] == [
        ("un\nurs", 0.5, 1.25, "a.sbv:1"),
        ("o casă", 2.0, 2.9, "a.sbv:5"),
    ]
    label.write_text(label.read_text().replace("0:00:02.000,", "0:00:02.000 "))
    with raises(DataError, where="a.sbv:5"):
        READERS.get("labels")(cfg)


def test_example_upstream(example, tmp_path):
    from xlt.core.registry import UPSTREAMS

    example("Upstream")
    kind = UPSTREAMS.get("spectrum")
    upstream = kind(kind.find("spectrum", None, tmp_path), "float32", "cpu")
    waves = [np.sin(2 * np.pi * 1000 * np.arange(n) / 16000).astype(np.float32) for n in (1290, 1500)]
    (layer,), lengths = upstream.encode(waves, [0])
    assert layer.shape == (2, 3, upstream.dim) and lengths == [upstream.num_frames(len(w)) for w in waves]
    assert layer[0, 0].argmax() == 40  # 1000 Hz in steps of 25 Hz


@pytest.mark.slow
def test_example_encoder(example):
    import torch

    from xlt.core.registry import ENCODERS

    example("Encoder")
    encoder = ENCODERS.get("gru")(input_size=5, hidden_size=7)
    found, lengths, _ = encoder(torch.zeros(2, 4, 5), torch.tensor([4, 3]))
    assert found.shape == (2, 4, encoder.output_size()) and lengths.tolist() == [4, 3]


def test_example_adapter(example):
    import torch

    from xlt.core.registry import ADAPTERS

    example("Adapter")
    adapter = ADAPTERS.get("scale")(3, 1)
    x = torch.arange(6.0).view(2, 3)
    assert adapter.behind("attention", x).equal(x)  # changes nothing at first
    adapter.factor.data += 1
    assert adapter.behind("attention", x).equal(2 * x) and adapter.behind("feed_forward", x).equal(x)


def test_example_check(example, recipe, capsys):
    from tests.check.conftest import Recipe
    from xlt.formats.tables import read_table, write_table

    example("Check")
    made = Recipe(recipe / "recipe")
    text = made.dir / "data/train/text"
    rows = read_table(text)
    write_table(text, rows | {min(rows): "ab " * 101})
    made()
    out = capsys.readouterr().out
    assert "data/train/text:1: 302 characters in one utterance; cut the recording into" in out


def test_example_language_model(example, recipe):
    import xlt.lm
    from xlt.core.context import Context

    example("Language model")
    ctx = Context(recipe, load(recipe, ["lm.type=uniform"]))
    ctx.tokens.mkdir(parents=True)
    (ctx.tokens / "tokens.txt").write_text("<blank>\n<unk>\na\nb\n")
    xlt.lm.run(ctx)
    (model,) = xlt.lm.load(xlt.lm.folder(ctx), "uniform", None)
    logp, state = model.score(model.start(), 2)
    assert logp == pytest.approx(np.log(0.25)) and model.end(state) == logp


def test_example_decoder(example, recipe):
    import torch

    from xlt.core.registry import DECODERS

    class Model:
        """Utterance 0 says token 1 for sure, utterance 1 is a guess among 30 tokens."""

        def log_probs(self, inputs):
            sure = torch.full((20, 30), -20.0)
            sure[:, 1] = 0.0
            return torch.stack([sure, torch.full((20, 30), float(np.log(1 / 30)))]), torch.tensor([20, 20])

    example("Decoder")
    decoder = DECODERS.get("sure")(Model(), load(recipe, ["decode.method=sure"]).decode, [])
    assert [found.ids for found in decoder([None, None])] == [[1], []]


def test_example_metric(example):
    from xlt.metrics.metric import TEXT, metrics

    example("Metric")
    metric = metrics(TEXT)["silent"]
    pairs = [("a b", "a"), ("c", ""), ("d", "d"), ("e", "")]
    score = metric.score(pairs, 100, np.random.default_rng(0))
    assert score.value == 50.0 and score.n == 4 and metric.head() == "Silent %"


def test_example_altered_copies(example):
    from xlt.audio.augment import Copy, copies

    example("Altered copies")
    chunks = {"chunk_s": 0.0, "left_s": 5.0, "look_ahead_s": 0.0}
    features = types.SimpleNamespace(speed=[1.0], augment=["hum:20"], **chunks)
    assert [copy.name("u7") for copy in copies(features)] == ["u7", "hum_20-u7"]
    speech = np.full(320, 0.1, np.float32)  # power 0.01; 20 dB below: a sine of power 0.0001
    added = Copy("hum:20").wave(speech, "key") - speech
    assert np.square(added).mean() == pytest.approx(1e-4, rel=1e-3)


def test_example_executor(example, monkeypatch):
    from xlt.core.executor import Work, Workers, run
    from xlt.core.registry import WORK

    class Squares(Work):
        def run(self, message, prepared):
            return message**2

    example("Executor")
    monkeypatch.setitem(sys.modules, "squares", types.SimpleNamespace(Squares=Squares))
    monkeypatch.setitem(WORK.entries, "squares", "squares:Squares")
    assert list(run("squares", None, [1, 2, 3], Workers(jobs=2, executor="serial"))) == [1, 4, 9]


def test_example_transcript_format(example):
    from xlt.core.registry import FORMATS
    from xlt.formats.transcripts import Transcript

    example("Transcript format")
    pieces = [{"start_s": s, "end_s": s + 1, "text": t, "score": 0.0} for s, t in ((0.0, "a"), (75.0, "b"))]
    found = FORMATS.get("minutes").render(Transcript("x.wav", pieces))
    assert list(found) == ["[0 min] a\n", "[1 min] b\n"]


def test_example_model_family(example, recipe):
    """It can be chosen, and has the parts that the table names; tests/models/test_family.py trains it."""
    from xlt.core.registry import FAMILIES

    example("Model family")
    family = FAMILIES.get(load(recipe, ["train.family=templates"]).train.family)
    part = PAGE.partition("## Model family\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", part, re.M)
    names = {re.match(r"\w+", name)[0] for row in rows for name in re.findall(r"`(.+?)`", row)}
    assert {name for name in dir(family) if not name.startswith("_")} == names
