"""Requests over HTTP, with workers whose recogniser is made."""

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import soundfile

from tests.serve.conftest import ask, make_pool, refused, until
from tests.serve.made import write
from xlt.serve.jobs import Job

TOKEN = "0123456789abcdef"
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
LINE = (  # of Prometheus's text form
    r"# (HELP|TYPE) [a-z_]+ .+"
    r"|[a-z_]+(\{[a-z]+=\"[^\"]*\"(,[a-z]+=\"[^\"]*\")*\})? [0-9.e+-]+"
)
VTT = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nn 3\n\n00:00:02.000 --> 00:00:03.000\nn 5\n"
SRT = "1\n00:00:00,000 --> 00:00:01,000\nn 3\n\n2\n00:00:02,000 --> 00:00:03,000\nn 5\n\n"


def test_json(connect, sound):
    answer = ask(connect(), sound)
    assert answer.json() == {"text": "n 3 n 5"} and answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("form", "text", "kind"),
    [
        ("text", "n 3 n 5\n", "text/plain; charset=utf-8"),
        ("srt", SRT, "text/plain; charset=utf-8"),
        ("vtt", VTT, "text/vtt; charset=utf-8"),
        ("tsv", "my recording.wav\tn 3 n 5\n", "text/plain; charset=utf-8"),
    ],
)
def test_forms(connect, sound, form, text, kind):
    answer = ask(connect(), sound, response_format=form)
    assert answer.text == text and answer.headers["content-type"] == kind


def test_verbose_json(connect, sound):
    found = ask(
        connect(), sound, response_format="verbose_json", **{"timestamp_granularities[]": ["word", "segment"]}
    ).json()
    first = found["segments"][0]
    assert (found["language"], found["duration"], found["text"]) == ("ron_Latn", 3.0, "n 3 n 5")
    assert [(s["id"], s["start"], s["end"], s["text"], s["seek"]) for s in found["segments"]] == [
        (0, 0.0, 1.0, "n 3", 0),
        (1, 2.0, 3.0, "n 5", 200),
    ]
    assert first["avg_logprob"] == pytest.approx(-1 / 3, abs=1e-4)  # log probability -1 of three characters
    assert found["words"][0] == {"word": "n", "start": 0.0, "end": 1.0, "confidence": 0.5}
    assert "words" not in ask(connect(), sound, response_format="verbose_json").json()


def test_elan_names_the_clients_file_and_no_folder_of_the_server(connect, sound, tmp_path):
    answer = ask(connect(), sound, name="../../etc/My rec.wav", response_format="eaf")
    media = ET.fromstring(answer.text).find("HEADER/MEDIA_DESCRIPTOR")
    assert media.get("RELATIVE_MEDIA_URL") == "./My%20rec.wav"
    assert media.get("MEDIA_URL") == "file:///recordings/My%20rec.wav"
    assert str(tmp_path) not in answer.text


@pytest.mark.parametrize("name", ["", "..", "/etc/passwd", "C:\\x\\y.wav", "a\0b\n.wav", "é" * 500, "."])
def test_no_name_of_a_file_is_a_path(connect, sound, tmp_path, name):
    answer = ask(connect(), sound, name=name or "x", response_format="tsv")
    assert answer.status_code == 200 and answer.text.endswith("\tn 3 n 5\n")
    assert "/" not in answer.text and len(answer.text) < 120
    assert list((tmp_path / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("rate", "channels", "form", "subtype"),
    [(96000, 6, "WAV", "PCM_24"), (8000, 2, "FLAC", "PCM_16"), (44100, 1, "OGG", "VORBIS")],
)
def test_any_recording(connect, tmp_path, rate, channels, form, subtype):
    path = write(tmp_path / "a", 3, 5, rate=rate, channels=channels, format=form, subtype=subtype)
    found = ask(connect(), path, name="a.bin", response_format="verbose_json").json()
    assert found["duration"] == pytest.approx(2.0, abs=0.01) and len(found["segments"]) == 2


def test_hotwords_go_to_the_recogniser(connect, sound):
    client = connect()
    found = ask(client, sound, prompt="Sibiu, Cluj", hotwords="Cluj").json()["text"]
    assert found == "n 3 Cluj Sibiu Cluj Sibiu n 5 Cluj Sibiu"
    refused(ask(client, sound, prompt="a@b"), 400, "'a@b'", param="prompt", code="invalid_value")


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"hello, I am no sound " * 99, "not readable as audio"),
        (b"%PDF-1.7" + bytes(5000), "PDF"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "file: "),
        (b"\x1a\x45\xdf\xa3" + bytes(100), "Matroska"),
        (b"PK\x03\x04" + bytes(100), "zip"),
        (b"#EXTM3U\nhttp://127.0.0.1/x.ts\nfile:///etc/passwd\n", "not readable as audio"),
    ],
)
def test_what_is_no_sound(connect, tmp_path, data, fact):
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    said = refused(ask(connect(), path), 400, fact, param="file", code="invalid_value")
    assert said.startswith("file: ") and str(tmp_path) not in said and "upload-" not in said


def test_nothing_and_no_file(connect, tmp_path):
    client = connect()
    (tmp_path / "empty").touch()
    refused(ask(client, tmp_path / "empty"), 400, param="file", code="empty_file")
    for body in ({"data": {"model": "xlt", "language": "ro"}}, {"json": {"file": "/etc/passwd"}}):
        wrong = client.post("/v1/audio/transcriptions", **body)
        assert wrong.status_code == 400 and wrong.json()["error"]["param"] in ("file", "language")
    named = client.post("/v1/audio/transcriptions", data={"file": str(tmp_path / "empty"), "language": "ro"})
    refused(named, 400, param="file", code="missing")  # a path is no file


def test_ten_hours_are_refused_by_the_header(connect, tmp_path):
    """A file of ten hours that takes 50 kB: silence as FLAC."""
    data = io.BytesIO()
    with soundfile.SoundFile(data, "w", 1000, 1, format="FLAC") as file:
        for _ in range(36):
            file.write(np.zeros(1_000_000, np.int16))
    path = tmp_path / "long.flac"
    path.write_bytes(data.getvalue())
    refused(ask(connect(), path), 400, "60 minutes", param="file", code="invalid_value")


def test_a_header_that_hides_the_length_does_not_help(connect, tmp_path):
    """FLAC whose number of samples, 36 bits of its STREAMINFO, is 0: unknown."""
    path = write(tmp_path / "a.flac", *[1] * 5)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    client = connect(audio_s=3.0)
    refused(ask(client, path), 400, "0.05 minutes", param="file", code="invalid_value")


def test_an_unknown_language_lists_the_known_ones(connect, sound):
    client = connect()
    told = refused(ask(client, sound, language="xx"), 400, param="language", code="unknown_language")
    assert "ron_Latn (Romanian), ell_Grek (Greek)" in told
    refused(ask(client, sound, language=""), 400, "ron_Latn", param="language", code="language_required")
    refused(ask(client, sound, model="gpt"), 404, "xlt-ron_Latn", param="model", code="model_not_found")
    words = {"language": "el", "response_format": "ctm"}
    refused(ask(client, sound, **words), 400, "CTC", param="timestamp_granularities", code="invalid_value")


def test_malformed_bodies(connect):
    client = connect()
    for kind, body in (
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"no part"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
        ),
        ("application/json", b"{"),
        ("", b"\xff" * 1000),
    ):
        found = client.post("/v1/audio/transcriptions", content=body, headers={"content-type": kind})
        assert found.status_code == 400 and found.json()["error"]["message"]
    two = [("file", ("a", b"x")), ("file", ("b", b"y"))]
    refused(client.post("/v1/audio/transcriptions", files=two), 400, "1", code="invalid_body")
    many = client.post("/v1/audio/transcriptions", data={"prompt": "x" * 70_000}, files={"file": b"x"})
    refused(many, 400, code="invalid_body")


def test_size_is_limited_whether_it_is_said_or_not(connect, tmp_path):
    client = connect(upload_mb=0.01)
    path = tmp_path / "a.wav"
    path.write_bytes(bytes(20_000))
    refused(ask(client, path), 413, "0.01 MB", param="file", code="too_large")
    kind = {"content-type": "multipart/form-data; boundary=x"}
    unsaid = client.post(
        "/v1/audio/transcriptions", content=iter([HEAD, *[bytes(1000)] * 20, b"\r\n--x--\r\n"]), headers=kind
    )
    assert "content-length" not in unsaid.request.headers
    refused(unsaid, 413, param="file", code="too_large")


def test_tokens(connect, sound):
    client = connect(tokens=[TOKEN])
    refused(ask(client, sound), 401, "Bearer", code="invalid_api_key")
    for path in ("/v1/models", "/metrics", "/nowhere"):
        refused(client.get(path), 401, code="invalid_api_key")
    assert client.get("/healthz").status_code == 200  # for whoever watches the machine
    client.headers["authorization"] = f"Bearer {TOKEN}"
    assert ask(client, sound).status_code == 200


def test_pages_of_other_sites(connect, sound):
    client = connect(sites=["asr.example.org"])
    client.headers["origin"] = "https://evil.example"
    refused(ask(client, sound), 403, "--site", code="foreign_origin")
    client.headers["origin"] = "https://asr.example.org"
    assert ask(client, sound).status_code == 200
    client.headers["host"] = "evil.example"
    refused(client.get("/healthz"), 403, code="unknown_host")


def test_rates(connect, sound):
    client = connect(rate=2)
    assert [ask(client, sound).status_code for _ in range(3)] == [200, 200, 429]
    assert int(ask(client, sound).headers["retry-after"]) in range(1, 61)
    assert client.get("/v1/models").status_code == 200


def test_models(connect):
    client = connect()
    found = client.get("/v1/models").json()
    assert [one["id"] for one in found["data"]] == ["xlt", "xlt-ron_Latn", "xlt-ell_Grek"]
    assert client.get("/v1/models/xlt-ell_Grek").json()["languages"] == ["ell_Grek"]
    assert client.get("/v1/models/whisper-1").status_code == 200
    refused(client.get("/v1/models/gpt-4"), 404, "xlt-ron_Latn", param="model", code="model_not_found")
    refused(client.get("/v1/nowhere"), 404, code="not_found")
    refused(client.get("/v1/audio/transcriptions"), 405, code="method_not_allowed")


def test_a_full_queue_is_said_before_the_sound_is_sent(connect, tmp_path):
    pool = make_pool(tmp_path / "bundle", queue=1)
    pool.start()
    try:
        client = connect(over=pool)
        assert client.get("/healthz").json() == {"status": "ok", "workers": 1, "waiting": 0}
        message = {
            "do": "file",
            "path": str(write(tmp_path / "h.wav", 8)),
            "lang": "ron_Latn",
            "hotwords": [],
        }
        hanging = [Job({**message, "longest_s": 60.0}) for _ in range(2)]
        pool.submit(hanging[0])
        until(lambda: pool.busy == 1)
        pool.submit(hanging[1])
        answer = ask(client, tmp_path / "h.wav")
        refused(answer, 503, "queue", code="busy")
        assert int(answer.headers["retry-after"]) >= 1
    finally:
        pool.close()
    assert client.get("/healthz").status_code == 503


def test_a_worker_that_is_killed_costs_no_answer_and_is_counted(connect, pool, tmp_path):
    """The recogniser ends its process once, when it hears nine tenths."""
    client, before = connect(), pool.restarts
    assert ask(client, write(tmp_path / "a.wav", 2, 9, 4)).json() == {"text": "n 2 n 9 n 4"}
    until(lambda: pool.restarts == before + 1 and pool.ready == 2)
    assert f"xlt_worker_restarts_total {before + 1}\n" in client.get("/metrics").text


def test_metrics_in_prometheus_text_form(connect, sound):
    client = connect()
    ask(client, sound)
    ask(client, sound, language="xx")
    page = client.get("/metrics")
    assert page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert [row for row in page.text.splitlines() if not re.fullmatch(LINE, row)] == []
    rows = dict(row.rsplit(" ", 1) for row in page.text.splitlines() if row[0] != "#")
    assert rows['xlt_requests_total{what="transcriptions",status="200"}'] == "1"
    assert rows['xlt_requests_total{what="transcriptions",status="400"}'] == "1"
    assert rows["xlt_request_seconds_count"] == rows['xlt_request_seconds_bucket{le="+Inf"}'] == "1"
    assert float(rows["xlt_audio_seconds_total"]) == 3 and rows["xlt_workers_ready"] == "2"


def test_the_log_has_no_text_unless_asked(connect, sound, capsys):
    ask(connect(), sound, name="Ana's secret.wav", prompt="Sibiu")
    log = capsys.readouterr().out
    assert "POST '/v1/audio/transcriptions' 200" in log and "3.0 s of sound, ron_Latn" in log
    assert "n 3" not in log and "Ana" not in log and "Sibiu" not in log
    ask(connect(log_texts=True), sound)
    assert "  n 3 n 5\n" in capsys.readouterr().out


def test_a_defect_tells_clients_nothing(connect, tmp_path):
    told = refused(ask(connect(), write(tmp_path / "a.wav", 7)), 500, code="defect")
    assert "Ana" not in told and "RuntimeError" not in told
