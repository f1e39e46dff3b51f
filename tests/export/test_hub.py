"""A folder for the Hugging Face hub: its card, its files, and what they must not say."""

import json
import shutil
import zipfile

import numpy as np
import pytest
import torch

from tests.bundle.many import contents, edit, sign, single
from tests.errors import raises, told
from tests.lazy import Lazy
from xlt.bundle.card import Card
from xlt.bundle.join import join, verify
from xlt.bundle.manifest import MANIFEST, PARTNER, check_files, read_manifest
from xlt.cli import main
from xlt.core.digests import files_in
from xlt.core.errors import DataError
from xlt.formats import int8
from xlt.formats.model_folder import Trained, read_info
from xlt.formats.tables import write_table
from xlt.formats.weights import SAFE, read_weights
from xlt.models.family import open_model

huggingface_hub = Lazy("huggingface_hub")

CARD = Card(
    licence="CC-BY-SA-4.0",
    consent="All agreed.",
    contact="ana@example.org",
    speech=[{"set": "train", "utterances": 40, "speakers": 2, "minutes": 9.97}],
    corpora=[{"name": "tuxpaint-stamps", "licence": "GPL-2"}, {"name": "table", "licence": None}],
    lm=[{"name": "wordfreq's list", "licence": "CC-BY-SA-4.0"}],
    scores={
        "test": {
            "utterances": 65,
            "metrics": {
                "cer": {"value": 4.74, "ci95": [2.07, 7.43]},
                "wer": {"value": 17.21, "ci95": [8.42, 26.25]},
            },
        }
    },
    heard=3,
)


@pytest.fixture
def bundle(tmp_path):
    """On log-mels, with a card, a training manifest and paths of a machine."""
    made = single(tmp_path / "one", "ron_Latn")
    CARD.write(made)
    rows = {"ana-1": "bb casa", "ana-2": "aa o casă", "ion-1": "- apa"}
    write_table(made / "heard", rows)
    info = json.loads((made / "xlt.json").read_text("utf-8"))
    info["features"]["settings"]["features.path"] = "/home/ana/models/whisper"
    edit(made / "xlt.json", features=info["features"])
    (made / "lm").mkdir()
    sources = {"sources": [{"what": "news.txt", "path": "/home/ana/news.txt"}]}
    (made / "lm/lm.json").write_text(json.dumps(sources))
    sign(made)
    return made


def export(bundle, out):
    assert main(["export", "hub", str(bundle), "--out", str(out)]) == 0
    return (out / "README.md").read_text("utf-8")


def test_the_hub_reads_the_card(bundle, tmp_path, capsys):
    """By its own library."""
    text = export(bundle, tmp_path / "out")
    printed = capsys.readouterr().out
    assert f"hf upload USER/out {tmp_path / 'out'}" in printed and "not stated" not in printed
    data = huggingface_hub.ModelCard(text).data
    assert (data.language, data.license, data.library_name) == (["ro"], "cc-by-sa-4.0", "xlt")
    assert data.pipeline_tag == "automatic-speech-recognition" and "fbank" in data.tags
    assert data.model_name == "out"
    values = {(one.metric_type, one.metric_value, one.metric_name) for one in data.eval_results}
    assert values == {
        ("cer", 4.74, "CER, 95% interval 2.1 to 7.4"),
        ("wer", 17.21, "WER, 95% interval 8.4 to 26.2"),
    }
    assert {(one.dataset_name, one.dataset_split) for one in data.eval_results} == {
        ("tuxpaint-stamps + table (ron_Latn, test)", "test")
    }


def test_what_a_person_reads(bundle, tmp_path):
    text = export(bundle, tmp_path / "out")
    for line in (
        "# out",
        "| test | 65 | CER | 4.7 | 2.1 to 7.4 |",
        "- train: 10.0 minutes of speech, 40 utterances, 2 speakers",
        "- corpus tuxpaint-stamps, licence: GPL-2",
        "- corpus table, licence: not stated",
        "- language model: wordfreq's list, licence: CC-BY-SA-4.0",
        "- licence: CC-BY-SA-4.0",
        "- consent: All agreed.",
        "- contact: ana@example.org",
        "    xlt transcribe DIR recording.wav",
        "## Intended use",
        "## Limits",
    ):
        assert line in text.splitlines(), line
    assert ".pth" not in text and "transformers cannot load it" in text


def test_it_is_the_bundle_without_names_texts_and_paths(bundle, tmp_path):
    before, out = contents(bundle), tmp_path / "out"
    export(bundle, out)
    assert contents(bundle) == before
    check_files(out, read_manifest(out))
    assert Trained.load(out).manifest == {"clip0000001": ["aa", "-"], "clip0000002": ["bb", "-"]}
    made = contents(out)
    assert made.keys() == {*before, "README.md", SAFE} - {"model.pth"}
    same = {name for name in before if made.get(name) == before[name]}
    assert before.keys() - same == {"heard", "xlt.json", "lm/lm.json", "model.pth", MANIFEST}
    for name in made.keys() - same - {"README.md"}:
        assert b"ana" not in made[name] and b"casa" not in made[name], name
    assert read_info(out)["features"]["settings"]["features.path"] == "whisper"


def is_pickle(path):
    """Whether torch.save or pickle may have written it, by its first bytes."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as pack:
            return any(name.endswith(".pkl") for name in pack.namelist())
    return path.read_bytes()[:1] == b"\x80"


def test_no_pickle_is_published(bundle, tmp_path, monkeypatch):
    """Of a bundle, of a head in a byte each, and of a second model; the values stay what they were."""
    shutil.copytree(bundle, tmp_path / "partner")
    shutil.move(tmp_path / "partner", bundle / PARTNER)
    sign(bundle)
    assert {path.name for path in files_in(bundle) if is_pickle(path)} == {"model.pth"}
    export(bundle, tmp_path / "out")
    monkeypatch.setattr(int8.packed, "__defaults__", (64,))  # the network is small
    alone = single(tmp_path / "alone", "ron_Latn")
    join([alone], tmp_path / "many", in_int8=True)
    export(tmp_path / "many", tmp_path / "published")
    for folder in (tmp_path / "out", tmp_path / "published"):
        assert [path for path in files_in(folder) if is_pickle(path)] == []
    for before, after in (
        (bundle, tmp_path / "out"),
        (bundle / PARTNER, tmp_path / "out" / PARTNER),
        (tmp_path / "many/heads/ron_Latn", tmp_path / "published/heads/ron_Latn"),
    ):
        old, new = (read_weights(folder / "model.pth", "") for folder in (before, after))
        assert old.keys() == new.keys() and all(torch.equal(old[name], new[name]) for name in old)
        assert all(old[name].dtype == new[name].dtype for name in old)


def test_a_published_bundle_is_used_as_every_other(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(int8.packed, "__defaults__", (64,))
    export(bundle, tmp_path / "out")
    assert Trained.load(tmp_path / "out").family.weights[0] == "model.pth"
    features = [np.random.default_rng(0).normal(-8, 2, (60, 80)).astype(np.float32)]
    ours, theirs = (open_model(folder).log_probs(features)[0] for folder in (bundle, tmp_path / "out"))
    assert torch.equal(ours, theirs)
    join([tmp_path / "out"], tmp_path / "again", in_int8=True)
    assert (tmp_path / "again/heads/ron_Latn" / SAFE).stat().st_size < (
        tmp_path / "out" / SAFE
    ).stat().st_size
    torn = tmp_path / "out" / SAFE
    torn.write_bytes(torn.read_bytes()[:-9])
    with raises(DataError, "copy", where=str(torn)):
        read_weights(tmp_path / "out/model.pth", "copy the bundle again")


def test_several_languages(bundle, tmp_path, capsys):
    other = single(tmp_path / "two", "cat_Latn")
    join([bundle, other], tmp_path / "many")
    text = export(tmp_path / "many", tmp_path / "out")
    assert verify(tmp_path / "out") == []
    data = huggingface_hub.ModelCard(text).data
    assert (data.language, data.license, data["license_name"]) == (["ca", "ro"], "other", "see-below")
    assert "## ron_Latn: Error rates" in text and "xlt transcribe DIR --lang cat_Latn" in text
    assert "cat_Latn: has no card.json" in capsys.readouterr().out
    assert not (tmp_path / "out/heads/cat_Latn/card.json").exists()


def test_what_nobody_has_said_is_told(tmp_path, capsys):
    made = single(tmp_path / "one", "sah_Cyrl")  # has no code of two letters
    Card().write(made)
    sign(made)
    text = export(made, tmp_path / "out")
    printed = capsys.readouterr().out
    for name in ("bundle.licence", "bundle.consent", "bundle.contact", "error rates"):
        assert name in printed
    data = huggingface_hub.ModelCard(text).data
    assert (data.language, data.license, data.eval_results) == (["sah"], None, None)
    assert text.count("not stated") == 5  # data, manifest, licence, consent, contact


def test_what_is_refused(bundle, tmp_path, capsys):
    words = ["export", "hub", str(bundle)]
    assert main([*words, "--int8"]) == 2
    told(capsys.readouterr().err, "onnx", where="--int8")
    assert main(["export", "hub", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    told(capsys.readouterr().err, "10", where=str(tmp_path / MANIFEST))
    assert main([*words, "--out", str(tmp_path)]) == 2
    told(capsys.readouterr().err, "new", where=f"--out {tmp_path}")
    (bundle / "tokens.txt").write_text("<blank>\n")
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    told(capsys.readouterr().err, where=str(bundle / "tokens.txt"))
    assert not (tmp_path / "out").exists()
