"""Bundles of several languages: what they hold, what is refused, and that heads leave each other alone."""

import functools
import shutil

import numpy as np
import pytest

from tests.bundle.many import ONE, contents, edit, sign, single
from tests.errors import raises, told
from xlt.bundle import join, open_bundle
from xlt.bundle.joined import Joined
from xlt.bundle.manifest import MANIFEST, read_manifest
from xlt.bundle.transcribe import Transcriber
from xlt.cli import main
from xlt.core.errors import ConfigError, DataError, StageError, UpstreamError
from xlt.core.locks import hold
from xlt.formats import int8
from xlt.formats.model_folder import Trained
from xlt.formats.weights import load_plain


def test_a_joined_bundle_holds_each_head_as_its_bundle_has_it(singles, joined, capsys):
    made = Joined.read(joined)
    assert open_bundle(joined).languages == ("eng_Latn", "ron_Latn") == tuple(made.heads)
    assert (made.foundation.name, made.foundation.dtype) == ("fbank", "float32")
    for one in singles[:2]:
        for name in read_manifest(one)["files"]:
            assert (joined / "heads" / one.name / name).read_bytes() == (one / name).read_bytes()
    assert main(["bundle", "verify", str(joined)]) == 0
    assert main(["verify", str(joined)]) == 0
    assert main(["bundle", "ls", str(joined)]) == 0
    last = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split()[:3] for line in last] == [
        ["eng_Latn", "eng_Latn/main", "greedy"],
        ["ron_Latn", "ron_Latn/main", "greedy"],
    ]


def test_adding_and_removing_changes_no_file_of_another_head(singles, joined):
    before = contents(joined / "heads")
    join.add(joined, [singles[2]])
    after = contents(joined / "heads")
    assert {k: v for k, v in after.items() if not k.startswith("rus_Cyrl/")} == before
    assert len(after) == len(before) * 3 // 2
    join.remove(joined, ["eng_Latn"])
    assert open_bundle(joined).languages == ("ron_Latn", "rus_Cyrl")
    left = contents(joined / "heads")
    assert left == {k: v for k, v in after.items() if not k.startswith("eng_Latn/")}
    assert join.verify(joined) == []


def test_bundles_of_several_are_joined_and_heads_are_named(singles, joined, tmp_path):
    made = join.join([joined, singles[2], singles[0]], tmp_path / "more", ["a", "b", "c", "eng_2"])
    assert list(made.heads) == ["a", "b", "c", "eng_2"] and join.verify(tmp_path / "more") == []
    assert [head.lang for head in made.heads.values()] == ["eng_Latn", "ron_Latn", "rus_Cyrl", "eng_Latn"]


def test_heads_keep_their_names_where_nothing_else_is_said(singles, tmp_path):
    join.join(singles[:2], tmp_path / "many", ["eng_phone", "ron_2"])
    made = join.join([tmp_path / "many", singles[0]], tmp_path / "more")
    assert list(made.heads) == ["eng_phone", "ron_2", "eng_Latn"]
    assert list(join.add(tmp_path / "more", [tmp_path / "many/heads/ron_2"], ["ron_3"]).heads)[-1] == "ron_3"


def test_names_that_differ_in_case_only_are_refused(singles, joined):
    """They are one folder on macOS and Windows."""
    with raises(ConfigError, "RON_LATN", where=str(singles[2])):
        join.add(joined, [singles[2]], ["RON_LATN"])


@pytest.mark.parametrize("lang", [None, "en", "ron_Cyrl"])
def test_a_head_is_named_where_there_are_several(joined, lang):
    with raises(ConfigError, "eng_Latn, ron_Latn", where=f"--lang {lang}" if lang else "--lang"):
        open_bundle(joined).head(lang)


def test_two_that_a_short_name_could_mean(singles, tmp_path):
    join.join([singles[0], single(tmp_path / "x", "eng_Dsrt")], tmp_path / "many")
    with raises(ConfigError, "eng_Dsrt or eng_Latn", where="--lang eng"):
        open_bundle(tmp_path / "many").named("eng")


def test_two_heads_of_one_language_are_refused_unless_named(singles, joined, capsys):
    words = ["bundle", "add", str(joined), str(singles[0])]
    before = contents(joined)
    assert main(words) == 2
    told(capsys.readouterr().err, "eng_Latn", "--as", where=str(singles[0]))
    assert contents(joined) == before
    assert main([*words, "--as", "eng_2"]) == 0
    assert open_bundle(joined).languages == ("eng_2", "eng_Latn", "ron_Latn")
    for names, where in (("../x", "--as ../x"), ("a,b", "--as a,b")):
        assert main([*words, "--as", names]) == 2
        told(capsys.readouterr().err, where=where)


OTHERS = {
    "backbone": ({"upstream": {"upstream": "fbank", "mels": 40}}, UpstreamError),
    "arithmetic": ({"dtype": "bfloat16"}, ConfigError),
    "tuned": ({"on_the_fly": True}, ConfigError),
    "adapters": ({"tuning": {"adapter": "lora"}}, ConfigError),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_head_that_cannot_share_the_backbone_is_refused(joined, tmp_path, what):
    features, kind = OTHERS[what]
    other, before = single(tmp_path / "other", "cat_Latn", **features), contents(joined)
    with raises(kind, where=str(other)):
        join.add(joined, [other])
    assert contents(joined) == before


def test_a_head_with_another_backbone_is_refused_by_its_weights(joined, tmp_path, monkeypatch):
    other = single(tmp_path / "other", "cat_Latn", upstream={"upstream": "fbank", "weights_sha256": "0" * 64})
    monkeypatch.setattr(
        "xlt.upstreams.fbank.Fbank.find",
        lambda name, path, cache: join_source(name, {"upstream": name, "weights_sha256": "0" * 64}),
    )
    with raises(ConfigError, "fbank", "000000000000…", where=str(other)):
        join.add(joined, [other])


def join_source(name, identity):
    from xlt.upstreams.base import Source

    return Source(name, None, identity)


def test_a_second_model_and_a_whisper_are_refused(joined, tmp_path):
    two = single(tmp_path / "two", "cat_Latn")
    shutil.copytree(ONE, two / "partner")
    with raises(ConfigError, "decode.partner", where=str(two)):
        join.add(joined, [two])
    tuned = single(tmp_path / "tuned", "cat_Latn")
    edit(tuned / "xlt.json", family="whisper_ed")
    sign(tuned)
    with raises(ConfigError, "whisper_ed", where=str(tuned)):
        join.add(joined, [tuned])


def test_what_is_no_bundle_of_several_is_told(singles, tmp_path, capsys):
    for action in (["add", "{}", "x"], ["remove", "{}", "ron"], ["ls", "{}"], ["verify", "{}"]):
        assert main(["bundle", *(word.format(singles[0]) for word in action)]) == 2
        told(capsys.readouterr().err, "xlt bundle join", where=str(singles[0] / MANIFEST))
        assert main(["bundle", *(word.format(tmp_path) for word in action)]) == 2
        told(capsys.readouterr().err, where=str(tmp_path / MANIFEST))


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("join {0} {1}", "--out"),
        ("add {2} {0} --out x", "--out x"),
        ("add {2}", "add"),
        ("remove {2}", "remove"),
        ("remove {2} cat", "--lang cat"),
        ("remove {2} eng ron", "{2}"),
        ("remove {2} eng --as x", "--as x"),
        ("ls {2} {0}", "{0}"),
        ("join {0} {1} --out {2}", "{2}"),
    ],
)
def test_wrong_words(singles, joined, capsys, words, where):
    places, before = [singles[0], singles[1], joined], contents(joined)
    assert main(["bundle", *words.format(*places).split()]) == 2
    told(capsys.readouterr().err, where=where.format(*places))
    assert contents(joined) == before


def test_one_language_is_asked_of_readers_of_one(joined):
    with raises(DataError, where=MANIFEST):
        read_manifest(joined)
    with raises(DataError, str(joined / "heads/LANG"), where="train.init"):
        Trained.load(joined)
    head = joined / "heads" / "ron_Latn"
    assert read_manifest(head)["lang"] == Trained.load(head).info["lang"] == "ron_Latn"


def test_a_bundle_that_another_process_changes_is_left_alone(singles, joined):
    with (joined / ".lock").open("w") as handle:
        hold(handle)
        with raises(StageError, where=str(joined)):
            join.add(joined, [singles[2]])
    join.add(joined, [singles[2]])


def test_what_a_killed_command_left_is_no_part(singles, joined, monkeypatch):
    """Heads are there before bundle.json names them."""
    with monkeypatch.context() as patch:
        patch.setattr(Joined, "write", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            join.add(joined, [singles[2]])
    assert open_bundle(joined).languages == ("eng_Latn", "ron_Latn")
    assert all("rus_Cyrl" in fault for fault in join.verify(joined)) and join.verify(joined)
    join.add(joined, [singles[2]])
    assert join.verify(joined) == []
    with monkeypatch.context() as patch:
        patch.setattr(Joined, "write", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            join.join(singles, joined.parent / "new")
    assert not (joined.parent / "new").exists() and not list(joined.parent.glob(".new*"))


def log_probs(transcriber, wave):
    return transcriber.recogniser.model.log_probs(transcriber.encode([wave]))[0].numpy()


@pytest.mark.slow
def test_heads_give_what_their_bundles_give_whoever_is_beside_them(tmp_path):
    """Bit by bit; and those that were not used lately are loaded anew."""
    wave = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    places = [single(tmp_path / lang, lang, seed) for seed, lang in enumerate(("eng_Latn", "ron_Latn"), 1)]
    alone = [log_probs(Transcriber(place), wave) for place in places]
    assert not np.array_equal(*alone)
    many = tmp_path / "many"
    join.join(places, many)
    for change in (
        lambda: None,
        lambda: join.add(many, [single(tmp_path / "rus", "rus_Cyrl", 3)]),
        lambda: join.remove(many, ["rus_Cyrl"]),
    ):
        change()
        bundle = open_bundle(many)
        bundle.kept = 1
        for _ in range(2):
            for place, own in zip(places, alone, strict=True):
                np.testing.assert_array_equal(log_probs(bundle.head(place.name), wave), own)
    first = bundle.head("eng")
    assert bundle.head("eng_Latn") is first and bundle.head("ron") and bundle.head("eng") is not first
    np.testing.assert_array_equal(log_probs(Transcriber(many / "heads/ron_Latn"), wave), alone[1])


@pytest.mark.slow
def test_heads_in_int8(singles, joined, tmp_path, monkeypatch):
    """They give nearly the same; stored so once more, the same. The fixture has no matrix of 4096 values."""
    monkeypatch.setattr(int8, "packed", functools.partial(int8.packed, least=16))
    wave = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    before = contents(joined / "heads")
    join.add(joined, [singles[2]], in_int8=True)
    join.join([joined / "heads/rus_Cyrl"], tmp_path / "again", in_int8=True)
    assert {k: v for k, v in contents(joined / "heads").items() if k in before} == before
    heads = [joined / "heads" / name for name in ("ron_Latn", "rus_Cyrl")]
    assert [int8.is_packed(load_plain(head / "model.pth")) for head in heads] == [False, True]
    exact, near, again = (
        log_probs(Transcriber(head), wave) for head in (*heads, tmp_path / "again/heads/rus_Cyrl")
    )
    assert 0 < np.abs(near - exact).max() < 0.1
    np.testing.assert_allclose(again, near, atol=1e-5)
    assert main(["bundle", "remove", str(joined), "ron", "--int8"]) == 2


@pytest.mark.slow
def test_recordings_are_transcribed_in_a_language(joined, tmp_path, capsys, monkeypatch):
    import soundfile

    from tests.tones import RATE, Loud, sound

    monkeypatch.setattr("xlt.audio.voice.Voice", Loud)
    wav = tmp_path / "a.wav"
    soundfile.write(wav, sound("aei oae", np.random.default_rng(1)), RATE)
    assert main(["transcribe", str(joined), str(wav), "--lang", "ron"]) == 0
    assert capsys.readouterr().out.replace(" ", "") == f"{wav}\taeioae\n"
    assert main(["transcribe", str(joined), str(wav)]) == 2
    told(capsys.readouterr().err, where="--lang")
