"""`preset=mms_adapter` through all stages on a tiny MMS, and what transformers makes of the exported file."""

import json
import shutil

import pytest

from tests.bundle.many import sign
from tests.errors import told
from tests.lazy import Lazy, torch
from tests.tones import make_corpus
from tests.upstreams.layouts import save_mms
from xlt.audio.files import read_wav
from xlt.cli import main
from xlt.formats.tables import read_table
from xlt.nets.paths import best_path

transformers = Lazy("transformers")

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A backbone, and a recipe with a trained model and its bundle."""
    root = tmp_path_factory.mktemp("adapters")
    save_mms(root / "mms", {})
    make_corpus(root / "corpus", train=16, held_out=3)
    folder = root / "recipe"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(
        f"lang: eng_Latn\npreset: mms_adapter\ndata: {{reader: kaldi, dir: {root / 'corpus'}}}\nnj: 1\n"
        f"features: {{upstream: hf, path: {root / 'mms'}, dtype: float32}}\n"
        "train: {max_epochs: 2, min_updates: 0, batch_s: 6, adapter_dim: 4, freeze_updates: 0, lr: 0.05,"
        " upstream_lr: 0.05}\nlm: {type: none}\ndecode: {method: greedy, sets: [test]}\n"
    )
    for stage in ("data", "tokens", "features", "train", "decode", "bundle"):
        assert main([stage, "--recipe", str(folder)]) == 0, stage
    return root


def test_only_adapters_and_head_are_trained(root):
    state = torch.load(root / "recipe/exp/main/model.pth", weights_only=True)
    kinds = {name.split(".")[1] if name.startswith("frontend") else name.split(".")[0] for name in state}
    assert kinds == {"adapters", "updates", "ctc"}
    assert state["frontend.adapters.1.linear_1.weight"].shape == (4, 32)


def test_transformers_gives_the_same_with_the_exported_adapter(root, tmp_path, capsys):
    from xlt.models.family import open_model

    folder, exp = shutil.copytree(root / "mms", tmp_path / "mms"), root / "recipe/exp/main"
    (folder / "vocab.json").write_text('{"bel": {"<pad>": 0, "а": 1}}', encoding="utf-8")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(["adapter", "export", str(exp), str(folder)]) == 0
    assert str(folder / "adapter.eng.safetensors") in capsys.readouterr().out
    made = {path.name for path in folder.iterdir()}
    assert made == {*before, "adapter.eng.safetensors"}
    assert all((folder / name).read_bytes() == old for name, old in before.items() if name != "vocab.json")
    letters = json.loads((folder / "vocab.json").read_text("utf-8"))
    assert letters["bel"] == {"<pad>": 0, "а": 1}
    tokens = (exp / "tokens.txt").read_text("utf-8").split()
    names = {"<blank>": "<pad>", "<space>": "|", "<sos/eos>": "</s>"}
    assert letters["eng"] == {names.get(token, token): n for n, token in enumerate(tokens)}

    model = transformers.Wav2Vec2ForCTC.from_pretrained(
        folder, target_lang="eng", ignore_mismatched_sizes=True, local_files_only=True
    ).eval()
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), target_lang="eng")
    ours, texts = open_model(exp), read_table(exp / "decode_test" / "text")
    wavs = {utt: root / "recipe" / wav for utt, wav in read_table(root / "recipe/data/test/wav.scp").items()}
    for utt, path in wavs.items():
        wave = read_wav(path)
        with torch.inference_mode():
            logits = model(**extractor(wave, sampling_rate=16000, return_tensors="pt")).logits[0]
        expected = ours.log_probs([wave])[0][0, : len(logits)]
        assert (logits.log_softmax(dim=1) - expected).abs().max() < 1e-4 * expected.abs().max()
        assert tokenizer.decode(logits.argmax(dim=1)).split() == texts[utt].split()

    assert main(["adapter", "transcribe", str(folder), str(wavs[utt]), "--lang", "eng"]) == 0
    line = capsys.readouterr().out.splitlines()[-1].split("\t")
    assert line[:2] == [str(wavs[utt]), "eng"] and len(line) == 3
    assert main(["adapter", "list", str(folder)]) == 0
    assert f"eng\t{len(tokens)} outputs, width 4; of this backbone" in capsys.readouterr().out


def test_a_bundle_is_exported_too_and_nothing_is_replaced_unasked(root, tmp_path, capsys):
    bundle, out = root / "recipe/exp/main/bundle", tmp_path / "out"
    assert main(["adapter", "export", str(bundle), str(out), "--lang", "eng-tones"]) == 0
    assert {path.name for path in out.iterdir()} == {"adapter.eng-tones.safetensors", "vocab.json"}
    assert main(["adapter", "export", str(bundle), str(out), "--lang", "eng-tones"]) == 2
    told(capsys.readouterr().err, "--replace", where="adapter.eng-tones.safetensors")
    assert main(["adapter", "export", str(bundle), str(out), "--lang", "eng-tones", "--replace"]) == 0
    (out / "vocab.json").write_text('{"<pad>": 0}')
    assert main(["adapter", "export", str(bundle), str(out)]) == 2
    told(capsys.readouterr().err, where="vocab.json")
    assert main(["adapter", "export", str(bundle), str(out), "--lang", "../x"]) == 2
    assert main(["adapter", "export", str(bundle)]) == 2
    told(capsys.readouterr().err, "export", where="DIR")


def test_an_adapter_of_another_backbone_is_refused(root, tmp_path, capsys):
    other = shutil.copytree(root / "mms", tmp_path / "other")
    config = transformers.Wav2Vec2Config.from_pretrained(other)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        transformers.Wav2Vec2ForCTC(config).save_pretrained(other)
    assert main(["adapter", "export", str(root / "recipe/exp/main"), str(other)]) == 0
    capsys.readouterr()
    assert main(["adapter", "list", str(other)]) == 2
    said = capsys.readouterr()
    assert "eng\trefused: " in said.out and "another backbone" in said.out
    assert main(["adapter", "transcribe", str(other), "x.wav", "--lang", "eng"]) == 2
    told(capsys.readouterr().err, "backbone", where="adapter.eng.safetensors")


@pytest.mark.parametrize(("what", "rarer"), [("adapters", 8), ("tuned", 0)])
def test_the_pipeline_of_transformers_loads_what_is_for_the_hub(root, tmp_path, capsys, what, rarer):
    """With adapters, of which blanks are made rare, and where the encoder itself was tuned."""
    from xlt.models.family import open_model

    recipe, tag = root / "recipe", "main"
    if what == "tuned":
        tag = "tuned"
        words = ["--recipe", str(recipe), f"tag={tag}", "train.adapter=none", "train.freeze=extractor"]
        for stage in ("features", "train", "bundle"):
            assert main([stage, *words]) == 0, stage
    bundle, out = shutil.copytree(recipe / "exp" / tag / "bundle", tmp_path / "bundle"), tmp_path / "out"
    state = torch.load(bundle / "model.pth", weights_only=True)
    state["ctc.ctc_lo.bias"][0] -= rarer
    torch.save(state, bundle / "model.pth")
    sign(bundle)
    assert main(["export", "hub", str(bundle), "--out", str(out)]) == 0
    assert "library_name: transformers" in (out / "README.md").read_text("utf-8")
    for path in out.rglob("*"):
        assert path.is_dir() or str(root).encode() not in path.read_bytes(), path

    recognise = transformers.pipeline("automatic-speech-recognition", model=str(out))
    ours, texts = open_model(bundle), set()
    for path in read_table(recipe / "data/test/wav.scp").values():
        wave = read_wav(recipe / path)
        text = ours.tokenizer.decode(best_path(ours.log_probs([wave])[0][0].argmax(dim=1)))
        assert recognise({"raw": wave, "sampling_rate": 16000})["text"].split() == text.split()
        texts.add(text.strip())
    assert any(texts)
    capsys.readouterr()
    assert main(["transcribe", str(out), str(recipe / path)]) == 0  # it is a bundle still
    assert capsys.readouterr().out.startswith(str(recipe / path))


@pytest.mark.parametrize(
    "settings, fact",
    [
        (["train.adapter=lora"], "train.adapter=mms"),
        (["features.layers=mix"], "features.layers=last"),
        (["train.encoder=blstm", "train.encoder_conf={hidden_size: 8}"], "train.encoder=linear"),
        (["train.projection=8"], "train.projection=0"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_models_that_are_no_adapters_of_mms(root, capsys, settings, fact):
    recipe = root / "recipe"
    words = ["--recipe", str(recipe), f"tag={settings[0].replace('=', '_')}", "train.max_epochs=1", *settings]
    assert main(["features", *words]) == main(["train", *words]) == 0
    assert (
        main(["adapter", "export", str(recipe / "exp" / words[2].removeprefix("tag=")), str(root / "no")])
        == 2
    )
    told(capsys.readouterr().err, fact)
    assert not (root / "no").exists()
