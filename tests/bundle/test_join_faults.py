"""Damaged and hostile bundles of several languages: nothing is loaded, nothing runs."""

import json
import os
import pickle
import shutil

import pytest

from tests.bundle.many import edit, resign, sign
from tests.errors import raises, told
from xlt.bundle import join, open_bundle
from xlt.bundle.joined import Foundation
from xlt.bundle.manifest import MANIFEST
from xlt.cli import main
from xlt.core.errors import DataError, UpstreamError
from xlt.core.files import sha256

DAMAGES = {
    "bundle.json edited": (lambda b: edit(b / MANIFEST, xlt="9"), MANIFEST),
    "bundle.json torn": (lambda b: os.truncate(b / MANIFEST, 200), MANIFEST),
    "head's list edited": (
        lambda b: edit(b / "heads/ron_Latn" / MANIFEST, tag="x"),
        f"heads/ron_Latn/{MANIFEST}",
    ),
    "head's list gone": (lambda b: (b / "heads/ron_Latn" / MANIFEST).unlink(), f"heads/ron_Latn/{MANIFEST}"),
    "weights gone": (lambda b: (b / "heads/ron_Latn/model.pth").unlink(), "heads/ron_Latn/model.pth"),
    "weights cut": (lambda b: os.truncate(b / "heads/ron_Latn/model.pth", 99), "heads/ron_Latn/model.pth"),
    "head gone": (lambda b: shutil.rmtree(b / "heads/ron_Latn"), f"heads/ron_Latn/{MANIFEST}"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_found_before_anything_is_loaded(joined, what, monkeypatch, capsys):
    damage, where = DAMAGES[what]
    damage(joined)
    monkeypatch.setattr("xlt.features.load_trained", lambda *args: pytest.fail("loads"))
    with raises(DataError, where=where):
        open_bundle(joined).head("ron")
    for words in (["bundle", "verify"], ["verify"]) if "torn" not in what else [["bundle", "verify"]]:
        assert main([*words, str(joined)]) == 2
        told(capsys.readouterr().err, where=where)


def test_what_is_no_part_is_found(joined):
    for place in (joined / "x.bin", joined / "heads/x.bin", joined / "heads/ron_Latn/x.bin"):
        place.write_bytes(b"x")
        assert [fault.partition(": ")[0] for fault in join.verify(joined)] == [str(place)]
        place.unlink()


def outside(bundle):
    document = json.loads((bundle / MANIFEST).read_text("utf-8"))
    resign(bundle, files=document["files"] | {"backbone/../../x": "0" * 64})


def odd_name(bundle):
    document = json.loads((bundle / MANIFEST).read_text("utf-8"))
    head = {"../../x": document["heads"]["ron_Latn"]}
    resign(bundle, heads=head, files={"heads/../../x/bundle.json": "0" * 64})


def code(bundle):
    """The weights of a head that is signed anew would run something."""

    class Runs:
        def __reduce__(self):
            return os.mkdir, (str(bundle / "ran"),)

    head = bundle / "heads/ron_Latn"
    (head / "model.pth").write_bytes(pickle.dumps(Runs()))
    sign(head)
    document = json.loads((bundle / MANIFEST).read_text("utf-8"))
    place = f"heads/ron_Latn/{MANIFEST}"
    resign(bundle, files=document["files"] | {place: sha256(bundle / place)})


def link(name):
    def make(bundle):
        path = bundle / "heads/ron_Latn" / name
        moved = bundle.parent / "moved"
        path.rename(moved)
        path.symlink_to(moved)

    return make


def upstream(**identity):
    def make(bundle):
        document = json.loads((bundle / MANIFEST).read_text("utf-8"))
        foundation = Foundation(document["backbone"]["upstream"] | identity, "float32")
        resign(
            bundle,
            backbone={"hash": foundation.hash, "dtype": "float32", "upstream": dict(foundation.upstream)},
        )

    return make


HOSTILE = {
    "file outside": (outside, DataError, MANIFEST),
    "head outside": (odd_name, DataError, MANIFEST),
    "no heads": (lambda b: resign(b, heads={}, files={}), DataError, MANIFEST),
    "heads of another kind": (lambda b: resign(b, heads=["ron_Latn"]), DataError, MANIFEST),
    "files of another kind": (lambda b: resign(b, files={"backbone/x": 3}), DataError, MANIFEST),
    "a head without digest": (lambda b: resign(b, files={}), DataError, MANIFEST),
    "layers": (
        lambda b: resign(b, heads={"ron_Latn": {"lang": "x", "tag": "x", "layers": ["mix"]}}),
        DataError,
        MANIFEST,
    ),
    "newer": (lambda b: resign(b, format=4), DataError, f"many/{MANIFEST}"),
    "another backbone": (upstream(mels=40), UpstreamError, None),
    "no backbone": (lambda b: resign(b, backbone={"hash": "x"}), DataError, MANIFEST),
    "linked weights": (link("model.pth"), DataError, "heads/ron_Latn/model.pth"),
    "linked list": (link(MANIFEST), DataError, f"heads/ron_Latn/{MANIFEST}"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_bundle_is_refused(joined, what, monkeypatch):
    damage, kind, where = HOSTILE[what]
    damage(joined)
    monkeypatch.setattr("xlt.features.load_trained", lambda *args: pytest.fail("loads"))
    with raises(kind, where=where or str(joined)):
        open_bundle(joined).head("ron")


@pytest.mark.slow
def test_a_head_that_would_run_code_runs_nothing(joined):
    code(joined)
    with raises(DataError, where="heads/ron_Latn/model.pth"):
        open_bundle(joined).head("ron")
    assert not (joined / "ran").exists()
