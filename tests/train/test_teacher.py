"""Speech without texts, labelled by a bundle of an older version, through all stages: letters are tones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from tests.errors import told
from tests.lazy import Lazy, torch
from tests.tones import RATE, make_corpus, sound
from xlt.bundle.label import Label, Transcribe
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.fetch.files import sha256
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table, write_table

taught = Lazy("xlt.models.espnet.taught")

pytestmark = pytest.mark.trains

TEXTS = ("aei oae", "iao eoa", "oie", "eao", "ioa")
LABELS = ("text", "confidence", "dev.text", "dev.confidence")


class Recipe:
    """A recipe of tones with the teacher ``../teacher`` and recordings in ``../more``; calling it runs a
    stage.
    """

    def __init__(self, root):
        self.dir, self.more = root / "recipe", root / "more"
        make_corpus(root / "corpus")  # what the teacher was trained on, and its dev and test
        shutil.copytree(ROOT / "tests/fixtures/bundle_v1", root / "teacher")
        self.dir.mkdir()
        self.more.mkdir()
        for number, text in enumerate(TEXTS):
            samples = sound(text, np.random.default_rng(100 + number))
            soundfile.write(self.more / f"{number}.wav", samples, RATE)
        soundfile.write(self.more / "hush.wav", np.random.default_rng(0).normal(size=RATE) * 1e-4, RATE)
        (self.dir / "recipe.yaml").write_text(
            f"lang: eng_Latn\ndata: {{reader: kaldi, dir: {root / 'corpus'}}}\nnj: 1\nlm: {{type: none}}\n"
            "features: {upstream: fbank}\ntrain: {max_epochs: 1, min_updates: 0, projection: 16,"
            " encoder_conf: {hidden_size: 16, num_layers: 1},\n"
            "        teacher: ../teacher, unlabelled: ../more}\n"
        )

    def __call__(self, *stages, settings=()):
        return [main([stage, "--recipe", str(self.dir), *settings]) for stage in stages]

    def table(self, name):
        return read_table(self.dir / name)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The recipe with features and tokens."""
    recipe = Recipe(tmp_path_factory.mktemp("taught"))
    assert recipe("data", "check", "features", "tokens") == [0] * 4
    return recipe


@pytest.fixture
def recipe(made, tmp_path):
    """A copy of it, to train in."""
    copy = shutil.copytree(made.dir.parent, tmp_path / "root", symlinks=True)
    found = object.__new__(Recipe)
    found.dir, found.more = copy / "recipe", copy / "more"
    return found


def test_what_the_teacher_wrote_is_learned_and_said_wherever_the_model_goes(recipe, capsys):
    """On dev less than a tenth of the characters is wrong, so all are learned that are as sure as those."""
    assert recipe("train") == [0]
    out = capsys.readouterr().out
    lowest = min(map(float, recipe.table("data/labels/teacher/dev.confidence").values()))
    sure = recipe.table("data/labels/teacher/confidence")
    kept = {utt for utt, value in sure.items() if float(value) >= lowest}
    assert len(kept) >= 3 and "unlabelled-hush" not in kept
    assert f"learns {len(kept)} of {len(TEXTS) + 1} texts of the teacher" in out
    wanted = {f"unlabelled-{number}": text.replace(" ", "") for number, text in enumerate(TEXTS)}
    written = recipe.table("data/labels/teacher/text")
    assert {utt: text.replace(" ", "") for utt, text in written.items() if text} == wanted
    assert sorted(p.name for p in (recipe.dir / "data/labels/teacher").glob("*[!n]")) == sorted(LABELS)
    # the statistics are over all frames that were trained on
    frames = recipe.table("dump/fbank/unlabelled/utt2num_frames")
    frames = recipe.table("dump/fbank/train/utt2num_frames") | {utt: frames[utt] for utt in kept}
    assert np.load(recipe.dir / "exp/main/feats_stats.npz")["count"] == sum(map(int, frames.values()))
    facts = json.loads((recipe.dir / "exp/main/xlt.json").read_text())["teacher"]
    assert (facts["lang"], facts["labels"]["utterances"], facts["labels"]["of"]) == (
        "eng_Latn",
        len(kept),
        6,
    )
    assert facts["labels"]["left_out"]["empty"] == 1
    heard = recipe.table("exp/main/heard")
    assert heard.keys() >= kept | {"spk-train000"} and "unlabelled-hush" not in heard
    theirs = read_table(recipe.dir.parent / "teacher/heard")
    assert set(theirs.values()) <= set(heard.values())
    assert recipe("bundle") == [0]
    assert json.loads((recipe.dir / "exp/main/bundle/bundle.json").read_text())["teacher"] == facts
    for stage in ("decode", "score", "report"):
        assert recipe(stage, settings=["score.bootstrap=50"]) == [0]
    assert f"{facts['labels']['minutes']:.1f} min labelled by" in (recipe.dir / "RESULTS.md").read_text()
    capsys.readouterr()
    assert recipe("train") == [0]
    assert "exp/main is up to date" in capsys.readouterr().out
    # another threshold trains again, and the teacher is not asked again
    assert recipe("train", settings=["train.label_cer=1.0"]) == [0]
    out = capsys.readouterr().out
    assert "data/labels/teacher is up to date" in out and "making exp/main again (train.label_cer" in out


def test_a_teacher_that_was_stopped_goes_on(recipe, monkeypatch):
    """After the first two of the recordings the power fails; the third run asks nothing again."""
    monkeypatch.setattr("xlt.train.labels.AT_ONCE", 2)
    asked = []

    def run(self, message, prepared, work=Transcribe.run):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.extend(message)
        return work(self, message, prepared)

    monkeypatch.setattr(Transcribe, "run", run)
    assert recipe("train") == [130]
    assert not (recipe.dir / "data/labels/teacher").exists()
    before = asked.copy()
    asked.append("the power is back")
    assert recipe("train") == [0]
    later = asked[len(before) + 1 :]
    assert len(before) == 2 and not set(before) & set(later)
    assert len(later) == len(TEXTS) + 1 + 6 - 2  # all others, and dev


def answers(monkeypatch, recipe, said):
    """The teacher says of each recording what ``said`` has, and of dev the truth, less sure each time."""
    truth = recipe.table("data/dev/text")
    dev = {utt: Label(text, 0.9 - 0.1 * number) for number, (utt, text) in enumerate(truth.items())}

    def run(self, message, prepared):
        return [(dev | said)[Path(clip.path).stem] for clip in message]

    monkeypatch.setattr(Transcribe, "run", run)


def test_labels_that_cannot_be_learned(recipe, monkeypatch):
    """Dev is right throughout, at confidences from 0.9 to 0.4."""
    texts = ("aei oae", "iao eoä", "oie " * 20 + "a", "e", "ioa")
    said = {f"unlabelled-{n}": Label(text, 0.5) for n, text in enumerate(texts)}
    said |= {"unlabelled-4": Label("ioa", 0.3), "unlabelled-hush": Label("", 0.0)}
    answers(monkeypatch, recipe, said)
    assert recipe("train", settings=["data.min_chars_per_s=2"]) == [0]
    facts = json.loads((recipe.dir / "exp/main/xlt.json").read_text())["teacher"]["labels"]
    reasons = ("empty", "unsure", "other letters", "too fast", "too slow")
    assert facts["left_out"] == dict.fromkeys(reasons, 1) and facts["utterances"] == 1
    assert facts["dev"] == {"confidence": 0.4, "kept": 6, "cer": 0.0, "cer_of_all": 0.0}


def test_nothing_is_learned_of_empty_texts(recipe, monkeypatch, capsys):
    said = {f"unlabelled-{n}": Label("", 0.0) for n in (*range(len(TEXTS)), "hush")}
    answers(monkeypatch, recipe, said)
    assert recipe("train") == [2]
    told(capsys.readouterr().err, "empty 6", "train.label_cer", where="data/labels/teacher/text")


def test_a_teacher_that_is_wrong_on_dev_teaches_nothing(recipe, monkeypatch, capsys):
    names = [*(f"unlabelled-{n}" for n in (*range(len(TEXTS)), "hush")), *recipe.table("data/dev/text")]
    answers(monkeypatch, recipe, dict.fromkeys(names, Label("oooooooooo", 0.9)))
    assert recipe("train") == [2]
    told(capsys.readouterr().err, "raise it", where="train.label_cer=0.1")


def test_a_teacher_that_has_heard_dev_is_refused_by_stage_2(recipe, capsys):
    heard = recipe.dir.parent / "teacher/heard"
    (utt, audio), *_ = recipe.table("data/dev/utt2audio").items()
    write_table(heard, read_table(heard) | {"somebody-7": f"{audio} -"})
    manifest = json.loads((heard.parent / "bundle.json").read_text())
    manifest["files"]["heard"] = sha256(heard)
    (heard.parent / "bundle.json").write_text(json.dumps(manifest))
    capsys.readouterr()
    assert recipe("check") == [2]
    told(capsys.readouterr().err, utt, "somebody-7")


def test_the_teachers_outputs_are_learned_frame_by_frame(recipe, capsys):
    """Without speech that has no texts; the teacher hears the training set alone."""
    words = ["train.unlabelled=null", "train.posterior_weight=0.5", "tag=taught"]
    assert recipe("train", settings=words) == [0]
    scp = recipe.table("data/labels/teacher_posteriors/feats.scp")
    assert scp.keys() == recipe.table("data/train/text").keys()
    found = FeatureReader(recipe.dir / "data/labels/teacher_posteriors/feats.scp", recipe.dir)["spk-train001"]
    assert found.shape[1] == 8 and np.allclose(np.exp(found).sum(axis=1), 1, atol=1e-4)
    facts = json.loads((recipe.dir / "exp/taught/xlt.json").read_text())["teacher"]
    assert "labels" not in facts and facts["lang"] == "eng_Latn"
    config = yaml.safe_load((recipe.dir / "exp/taught/config.yaml").read_text())
    assert config["model"] == "espnet" and "posterior_weight" not in config["model_conf"]
    assert recipe("decode", settings=[*words, "decode.sets=[test]"]) == [0]
    capsys.readouterr()
    tokens = recipe.dir / "data/tokens/char/tokens.txt"
    tokens.write_text(tokens.read_text().replace("<unk>\n", "<unk>\n'\n"))
    assert recipe("train", settings=words) == [2]
    told(capsys.readouterr().err, "'", 9, where="train.posterior_weight=0.5")


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (["train.family=whisper_ed", "features.upstream=whisper_base"], "preset=fast"),
        (["train.teacher=null"], "train.teacher"),
    ],
)
def test_settings_that_outputs_do_not_go_with(made, capsys, words, fact):
    capsys.readouterr()
    assert made("train", settings=["train.unlabelled=null", "train.posterior_weight=0.5", *words]) == [2]
    told(capsys.readouterr().err, fact, where="train.posterior_weight=0.5")


def test_copies_are_heard_as_they_are_learned(recipe):
    """At twice the speed a clip has half the frames, and the same tones an octave higher: other letters."""
    words = ["train.unlabelled=null", "train.posterior_weight=0.5", "features.speed=[1.0, 2.0]"]
    assert recipe("features", "train", settings=words) == [0, 0]
    outputs = FeatureReader(recipe.dir / "data/labels/teacher_posteriors/feats.scp", recipe.dir)
    frames = recipe.table("dump/fbank/train/utt2num_frames")
    assert set(outputs) == frames.keys() and "sp2-spk-train001" in frames
    # the features have 100 frames a second, the outputs 50
    assert all(abs(len(outputs[utt]) - int(count) / 2) <= 1 for utt, count in frames.items())
    assert abs(2 * len(outputs["sp2-spk-train001"]) - len(outputs["spk-train001"])) <= 2


def test_the_distance_is_summed_over_frames_that_both_have():
    """Two clips, the second with one frame, padded with rubbish. By hand: KL of (1/2, 1/2) from (1/4, 3/4) is
    ln 2 / 2 + ln(2/3) / 2 = 0.143841; from itself 0.
    """
    half, other = [np.log(0.5)] * 2, [np.log(0.25), np.log(0.75)]
    ours = torch.tensor([[other, half, other], [other, [0.0, 0.0], [0.0, 0.0]]])  # (2, 3, 2)
    theirs = torch.tensor([[half, half, half, half], [half, [9.0, 9.0], [9.0, 9.0], [9.0, 9.0]]])
    found = taught.divergence(ours, torch.tensor([3, 1]), theirs, torch.tensor([4, 1]))
    assert float(found) == pytest.approx((0.143841 + 0 + 0.143841 + 0.143841) / 2, abs=1e-5)
