"""Corrected pieces that people give: what is stored and how, what is refused, and how it is taken back."""

import io
import stat
import wave

import numpy as np
import pytest

from tests.errors import raises
from tests.serve.conftest import refused
from xlt.core.errors import ConfigError
from xlt.formats.tables import read_table
from xlt.serve.corrections import Corrections
from xlt.serve.problems import Problem

LANGUAGES = ("ron_Latn", "ell_Grek")


def clip(seconds=1.0, rate=16000, channels=1, loud=1000):
    sound = io.BytesIO()
    with wave.open(sound, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.full(round(seconds * rate) * channels, loud, "<i2").tobytes())
    return sound.getvalue()


@pytest.fixture
def stored(tmp_path):
    made = Corrections(tmp_path / "given", LANGUAGES, 1.0)
    yield made
    made.close()


@pytest.fixture
def client(connect, tmp_path):
    """Of a server that asks for corrections; ``client.folder`` is where they go."""
    made = connect(corrections=tmp_path / "given")
    made.folder = tmp_path / "given"
    yield made
    made.server.corrections.close()


def give(client, sound=None, name="a.wav", **fields):
    data = {"language": "ro", "text": "bună ziua", "consent": "yes", **fields}
    data = {key: value for key, value in data.items() if value is not None}
    return client.post("/v1/corrections", files={"file": (name, sound or clip())}, data=data)


def test_a_kaldi_directory_with_the_time_of_consent(client):
    answer = give(client, text="  Bună \n ziua\u0301 ")
    assert answer.status_code == 201
    name = answer.json()["id"]
    assert answer.json() == {"id": name, "object": "correction", "language": "ron_Latn"}
    folder, utt = client.folder / "ron_Latn", f"correction-{name}"
    tables = {table.name: read_table(table) for table in folder.iterdir() if table.is_file()}
    time = tables.pop("utt2consent")[utt]
    assert time[:2] == "20" and time.endswith("+00:00")
    assert tables == {
        "text": {utt: "Bună ziuá"},
        "utt2spk": {utt: utt},
        "spk2utt": {utt: utt},
        "utt2lang": {utt: "ron_Latn"},
        "wav.scp": {utt: f"wav/{utt}.wav"},
    }
    with wave.open(str(folder / "wav" / f"{utt}.wav")) as sound:
        assert sound.getparams()[:4] == (1, 2, 16000, 16000)
        assert set(np.frombuffer(sound.readframes(16000), "<i2")) == {1000}
    assert stat.S_IMODE(client.folder.stat().st_mode) == 0o700


def test_it_can_be_deleted_by_its_id_alone(client):
    first, second = (give(client, clip(loud=loud)).json()["id"] for loud in (1000, 2000))
    for wrong in ("x", "0" * 32, f"correction-{first}", "..%2F..%2Ftext", first.upper()):
        answer = client.delete(f"/v1/corrections/{wrong}")
        assert answer.status_code == 404, wrong
    refused(client.delete(f"/v1/corrections/{'0' * 32}"), 404, "id", param="id", code="correction_not_found")
    assert client.delete(f"/v1/corrections/{first}").json() == {
        "id": first,
        "object": "correction",
        "deleted": True,
    }
    assert client.delete(f"/v1/corrections/{first}").status_code == 404
    folder = client.folder / "ron_Latn"
    assert [path.name for path in (folder / "wav").iterdir()] == [f"correction-{second}.wav"]
    assert all(first not in path.read_text() for path in folder.iterdir() if path.is_file())
    assert list(read_table(folder / "text")) == [f"correction-{second}"]


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"consent": None}, "consent", "consent_required"),
        ({"consent": "no"}, "consent", "consent_required"),
        ({"text": " \n"}, "text", "invalid_text"),
        ({"text": "a" * 2001}, "text", "invalid_text"),
        ({"text": "a\u0007b"}, "text", "invalid_text"),
        ({"language": None}, "language", "language_required"),
        ({"language": "../ro"}, "language", "unknown_language"),
        ({"speaker": "ana"}, "speaker", "unknown_parameter"),
        ({"sound": b"RIFF"}, "file", "invalid_clip"),
        ({"sound": clip(rate=8000)}, "file", "invalid_clip"),
        ({"sound": clip(channels=2)}, "file", "invalid_clip"),
        ({"sound": clip(seconds=0.05)}, "file", "invalid_clip"),
        ({"sound": clip(seconds=36)}, "file", "invalid_clip"),
        ({"sound": clip()[:3000]}, "file", "invalid_clip"),
    ],
)
def test_what_is_refused_leaves_nothing(client, fields, param, code):
    refused(give(client, **fields), 400, param, param=param, code=code)
    assert list(client.folder.rglob("*.wav")) == [] and not (client.folder / "ron_Latn" / "text").exists()


def test_a_damaged_header_is_no_defect(stored):
    whole = clip(seconds=0.2)
    for place in range(44):
        for value in (0, 255):
            broken = whole[:place] + bytes([value]) + whole[place + 1 :]
            try:
                stored.add("ron_Latn", broken, "a")
            except Problem as err:
                assert err.status == 400
    for size in range(60):
        with raises(Problem, where="file"):
            stored.add("ron_Latn", whole[:size], "a")


def test_no_name_of_a_client_is_a_path(client, tmp_path):
    before = sorted(path for path in tmp_path.rglob("*") if client.folder not in path.parents)
    assert give(client, name="../../evil.wav").status_code == 201
    assert sorted(path for path in tmp_path.rglob("*") if client.folder not in path.parents) == before
    assert not list(tmp_path.rglob("*evil*"))


def test_another_text_replaces_that_of_the_same_clip(stored):
    first = stored.add("ron_Latn", clip(), "ana")
    assert stored.add("ron_Latn", clip(), "Ana are") == first != stored.add("ell_Grek", clip(), "άνα")
    assert read_table(stored.folder / "ron_Latn" / "text") == {f"correction-{first}": "Ana are"}


def test_ids_cannot_be_told_from_clips(tmp_path, stored):
    other = Corrections(tmp_path / "other", LANGUAGES, 1.0)
    assert stored.add("ron_Latn", clip(), "ana") != other.add("ron_Latn", clip(), "ana")
    assert stat.S_IMODE((stored.folder / ".key").stat().st_mode) == 0o600
    other.close()


def test_the_folder_is_bounded(stored):
    for loud in range(3):  # of 320 kB each
        stored.add("ron_Latn", clip(10.0, loud=loud), "ana")
    with raises(Problem, "--corrections_mb", where="file") as full:
        stored.add("ell_Grek", clip(10.0, loud=3), "ana")
    assert full.value.status == 507 and len(list(stored.folder.rglob("*.wav"))) == 3
    name = stored.add("ron_Latn", clip(10.0, loud=0), "another text of one that is there")
    stored.remove(name)
    stored.add("ell_Grek", clip(10.0, loud=3), "ana")


def test_what_cannot_be_written_is_not_there(stored, monkeypatch):
    stored.add("ron_Latn", clip(), "ana")

    def full(path, text):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken, raises(Problem, where="file"):
        broken.setattr("xlt.serve.corrections.atomic_text", full)
        stored.add("ron_Latn", clip(loud=5), "are")
    stored.add("ron_Latn", clip(loud=6), "mere")
    assert sorted(read_table(stored.folder / "ron_Latn" / "text").values()) == ["ana", "mere"]


def test_a_killed_server_leaves_no_half_of_a_correction(tmp_path, stored):
    kept, lost = (stored.add("ron_Latn", clip(loud=loud), "ana") for loud in (1, 2))
    folder = stored.folder / "ron_Latn"
    rows = read_table(folder / "text")
    del rows[f"correction-{lost}"]  # as it is before the last table is written
    (folder / "text").write_text("".join(f"{utt} {text}\n" for utt, text in rows.items()))
    (folder / "wav" / ".a.wav").write_bytes(b"")
    stored.close()
    again = Corrections(stored.folder, LANGUAGES, 1.0)
    assert list(read_table(folder / "wav.scp")) == [f"correction-{kept}"]
    assert [path.name for path in (folder / "wav").iterdir()] == [f"correction-{kept}.wav"]
    assert again.add("ron_Latn", clip(loud=1), "ana") == kept  # the key stays
    again.close()


def test_two_servers_cannot_store_in_one_folder(stored):
    with raises(ConfigError, where=f"--corrections {stored.folder}"):
        Corrections(stored.folder, LANGUAGES, 1.0)
    (stored.folder / "file").touch()
    with raises(ConfigError, where=f"--corrections {stored.folder / 'file'}"):
        Corrections(stored.folder / "file", LANGUAGES, 1.0)


def test_without_a_folder_nothing_is_asked(connect):
    client = connect()
    assert 'id="consent"' not in client.get("/").text
    assert give(client).status_code == 404 and client.delete(f"/v1/corrections/{'0' * 32}").status_code == 404


def test_the_page_asks_and_the_box_is_empty(client):
    page = client.get("/").text
    assert '<input id="consent" type="checkbox">' in page and str(client.folder) not in page


def test_tokens_and_rates_hold_for_corrections(connect, tmp_path):
    client = connect(tokens=["0123456789abcdef"], corrections=tmp_path / "a")
    refused(give(client), 401, code="invalid_api_key")
    refused(client.delete("/v1/corrections/x"), 401, code="invalid_api_key")
    client.server.corrections.close()
    client = connect(corrections=tmp_path / "b", rate=1)
    assert give(client).status_code == 201
    assert give(client).status_code == 429
    client.server.corrections.close()


def test_the_log_holds_neither_text_nor_id(client, capsys):
    name = give(client).json()["id"]
    client.delete(f"/v1/corrections/{name}")
    said = capsys.readouterr().out
    assert "'/v1/corrections' 201" in said and "'/v1/corrections' 200" in said
    assert name not in said and "ziua" not in said
