import itertools
import resource
import subprocess
import sys
import zlib

import numpy as np
import pytest
import soundfile

from tests.errors import raises
from xlt.audio.files import read_wav
from xlt.core.config import ROOT
from xlt.core.errors import DataError
from xlt.formats import archives, tables
from xlt.formats.archives import ArkWriter, FeatureReader, read_index
from xlt.formats.matrix import STORAGES, parse, round_trip, stored, stored_size
from xlt.formats.tables import read_table, same_keys, spk2utt, write_table

METHODS = {"cm2": 3, "cm1": 2}  # Kaldi's names for them: kTwoByteAuto, kSpeechFeature


def matrices(count, seed=0):
    """``{"u0": (T, 4) float32, …}`` with T = 3, 4, …"""
    rng = np.random.default_rng(seed)
    return {f"u{i}": rng.normal(size=(3 + i, 4)).astype(np.float32) for i in range(count)}


def write_all(folder, mats, storage="f32"):
    """``feats.ark`` with its index, ``feats.scp`` and ``utt2crc``."""
    with ArkWriter(folder / "feats.ark", storage) as writer:
        for key, matrix in mats.items():
            writer.write(key, matrix)
    write_table(
        folder / "feats.scp", {k: f"{folder}/feats.ark:{e.offset}" for k, e in writer.entries.items()}
    )
    write_table(folder / "utt2crc", {k: f"{e.crc:08x}" for k, e in writer.entries.items()})
    return writer


def check_all(folder, mats):
    reader = FeatureReader(folder / "feats.scp")
    assert list(reader) == list(mats) and len(reader) == len(mats)
    for key, matrix in mats.items():
        np.testing.assert_array_equal(reader[key], matrix)


def test_archive_round_trip(tmp_path):
    mats = matrices(5)
    write_all(tmp_path, mats)
    check_all(tmp_path, mats)


def test_kaldiio_reads_our_archives_and_we_read_its(tmp_path):
    kaldiio = pytest.importorskip("kaldiio")
    mats = matrices(4)
    write_all(tmp_path, mats)
    theirs = kaldiio.load_scp(str(tmp_path / "feats.scp"))
    assert set(theirs) == set(mats)
    for key, matrix in mats.items():
        np.testing.assert_array_equal(theirs[key], matrix)
    other = tmp_path / "other"
    other.mkdir()
    with kaldiio.WriteHelper(f"ark,scp:{other}/feats.ark,{other}/feats.scp") as writer:
        for key, matrix in mats.items():
            writer(key, matrix)
    check_all(other, mats)
    assert (other / "feats.ark").read_bytes() == (tmp_path / "feats.ark").read_bytes()


@pytest.mark.parametrize("storage", ["cm2", "cm1"])
def test_compressed_archives_are_those_of_omniio_and_read_by_kaldiio(tmp_path, storage):
    import kaldiio
    import omniio.kaldi

    rng = np.random.default_rng(0)
    shapes = [(1, 3), (2, 5), (3, 5), (4, 9), (5, 3), (40, 7), (100, 80)]
    mats = {
        f"u{n}": (rng.normal(size=s) * rng.exponential(size=s[1])).astype(np.float32)
        for n, s in enumerate(shapes)
    }
    mats |= {
        "u7": np.full((6, 4), 3, np.float32),
        "u8": np.hstack([mats["u6"], np.full((100, 1), -1e4, np.float32)]),
    }
    write_all(tmp_path, mats, storage)
    omniio.kaldi.save_ark(str(tmp_path / "other.ark"), mats, compression_method=METHODS[storage])
    assert (tmp_path / "feats.ark").read_bytes() == (tmp_path / "other.ark").read_bytes()
    ours, kaldiio_s = FeatureReader(tmp_path / "feats.scp"), kaldiio.load_scp(str(tmp_path / "feats.scp"))
    omniio_s = dict(omniio.kaldi.load_ark(str(tmp_path / "feats.ark")))
    for key, matrix in mats.items():
        np.testing.assert_array_equal(ours[key], kaldiio_s[key])
        np.testing.assert_array_equal(ours[key], omniio_s[key])
        np.testing.assert_array_equal(ours[key], round_trip(matrix, storage))


def test_error_of_compression_is_that_of_its_steps():
    matrix = np.random.default_rng(0).uniform(-1, 1, (200, 30)).astype(np.float32)
    assert np.abs(round_trip(matrix, "cm2") - matrix).max() <= 2 / 65535 * 0.51  # half a step of the range 2
    # the widest of a column's steps: a quarter of its values in 63 or 64, the middle half in 128; half a step
    # is the most
    least, q25, q75, most = np.sort(matrix, axis=0)[[0, 50, 150, 199]]
    step = np.max([(q25 - least) / 64, (q75 - q25) / 128, (most - q75) / 63], axis=0)
    assert (np.abs(round_trip(matrix, "cm1") - matrix) <= step * 0.51 + 4e-5).all()
    assert np.array_equal(round_trip(matrix, "f32"), matrix)


@pytest.mark.parametrize("storage", STORAGES)
def test_size_of_a_matrix(storage):
    assert len(stored(np.zeros((7, 5), np.float32), storage)) == stored_size(7, 5, storage)
    assert parse(stored(np.ones((7, 5), np.float32), storage)).shape == (7, 5)


def test_what_cannot_be_compressed(tmp_path):
    for matrix in (np.array([[1, np.nan]]), np.zeros((0, 4))):
        with pytest.raises(DataError, match="cannot be compressed; use features.storage=f32"):
            stored(matrix, "cm1")


@pytest.mark.parametrize("storage", STORAGES)
def test_index_names_place_frames_and_checksum(tmp_path, storage):
    mats = matrices(3)
    writer = write_all(tmp_path, mats, storage)
    data = (tmp_path / "feats.ark").read_bytes()
    assert dict(read_index(tmp_path / "feats.ark")) == writer.entries
    for key, entry in writer.entries.items():
        assert data[entry.offset - len(key) - 1 : entry.offset] == f"{key} ".encode()
        part = data[entry.offset : entry.offset + entry.size]
        assert (entry.frames, entry.crc) == (len(mats[key]), zlib.crc32(part))
        assert part == stored(mats[key], storage)


@pytest.mark.parametrize("storage", STORAGES)
def test_torn_archive_goes_on_behind_the_last_whole_matrix(tmp_path, storage):
    mats = matrices(3)
    write_all(tmp_path, mats, storage)
    ark, index = tmp_path / "feats.ark", tmp_path / "feats.idx"
    data, lines = ark.read_bytes(), index.read_text().splitlines(keepends=True)
    end = {n: sum(len(f"u{i} ") + stored_size(3 + i, 4, storage) for i in range(n)) for n in (2, 3)}
    assert end[3] == len(data)
    torn = [
        (data[:-cut], lines) for cut in (1, 20, end[3] - end[2])
    ]  # the index is ahead: after a crash of the machine
    torn += [(data[: end[2] + cut], lines[:2]) for cut in (0, 1, 30)]  # killed before the matrix was whole
    torn += [(data, lines[:2]), (data, [*lines[:2], lines[2][:-4]])]  # killed before its line was whole
    for content, index_lines in torn:
        ark.write_bytes(content)
        index.write_text("".join(index_lines))
        with ArkWriter(ark, storage) as writer:
            assert ark.stat().st_size == end[2] and index.read_text() == "".join(lines[:2])
            writer.write("u2", mats["u2"])
        assert (ark.read_bytes(), index.read_text()) == (data, "".join(lines))


def test_archive_without_its_index_is_begun_again(tmp_path):
    write_all(tmp_path, matrices(2))
    (tmp_path / "feats.idx").unlink()
    write_all(tmp_path, matrices(1))
    check_all(tmp_path, matrices(1))


def test_writers_of_one_name_at_once_take_different_archives(tmp_path):
    mats = matrices(2)
    with ArkWriter(tmp_path / "feats.ark") as one, ArkWriter(tmp_path / "feats.ark") as two:
        one.write("u0", mats["u0"])
        two.write("u1", mats["u1"])
    assert [w.ark.name for w in (one, two)] == ["feats.ark", "feats.2.ark"]
    assert [key for key, _ in read_index(two.ark)] == ["u1"]


def test_a_long_archive_is_not_continued(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "ARK_LIMIT", 60)
    for key, matrix in matrices(3).items():
        with ArkWriter(tmp_path / "feats.ark") as writer:
            writer.write(key, matrix)
    assert sorted(p.name for p in tmp_path.glob("*.ark")) == ["feats.2.ark", "feats.3.ark", "feats.ark"]


def test_full_disk_leaves_whole_matrices(tmp_path):
    mats = matrices(9)
    code = (
        "import sys; from tests.formats.test_archives import *; "
        "from pathlib import Path; write_all(Path(sys.argv[1]), matrices(9))"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)),
    )
    assert "File too large" in child.stderr
    whole = [key for key, _ in read_index(tmp_path / "feats.ark")]
    assert 0 < len(whole) < len(mats)
    with ArkWriter(tmp_path / "feats.ark") as writer:
        for key in mats:
            if key not in whole:
                writer.write(key, mats[key])
    write_table(
        tmp_path / "feats.scp",
        {k: f"{tmp_path}/feats.ark:{e.offset}" for k, e in read_index(tmp_path / "feats.ark")},
    )
    check_all(tmp_path, mats)


def test_unreadable_matrix_names_the_utterance_and_the_remedy(tmp_path):
    write_all(tmp_path, matrices(2))
    (tmp_path / "feats.ark").write_bytes((tmp_path / "feats.ark").read_bytes()[:-8])
    reader = FeatureReader(tmp_path / "feats.scp")
    with pytest.raises(
        DataError, match=r"feats.scp: u1: cannot read .*ends 8 bytes before the matrix does; run stage 3"
    ):
        reader["u1"]
    (tmp_path / "feats.ark").unlink()
    with pytest.raises(DataError, match=r"u0: the archive .*feats.ark is gone; run stage 3"):
        reader["u0"]


@pytest.mark.parametrize("storage", STORAGES)
def test_flipped_bytes_are_seen(tmp_path, storage):
    mats = matrices(1)
    (entry,) = write_all(tmp_path, mats, storage).entries.values()
    whole = (tmp_path / "feats.ark").read_bytes()
    for at, bit in itertools.product(range(entry.offset, len(whole)), (1, 128)):
        damaged = bytearray(whole)
        damaged[at] ^= bit
        (tmp_path / "feats.ark").write_bytes(damaged)
        with pytest.raises(DataError, match=r"checksum differs.*xlt cache verify --repair|cannot read"):
            FeatureReader(tmp_path / "feats.scp")["u0"]


def test_archives_of_others_need_no_checksums(tmp_path):
    import kaldiio

    matrix = np.arange(6, dtype=np.float64).reshape(2, 3)
    kaldiio.save_ark(str(tmp_path / "feats.ark"), {"u": matrix}, scp=str(tmp_path / "feats.scp"))
    np.testing.assert_array_equal(FeatureReader(tmp_path / "feats.scp")["u"], matrix)
    whole = (tmp_path / "feats.ark").read_bytes()
    (tmp_path / "u.mat").write_bytes(whole.removeprefix(b"u "))
    (tmp_path / "feats.scp").write_text(f"u {tmp_path}/u.mat\n")
    np.testing.assert_array_equal(FeatureReader(tmp_path / "feats.scp")["u"], matrix)


@pytest.fixture(scope="module")
def million(tmp_path_factory):
    """An scp of a million lines and 87 MB, whose archive holds one matrix."""
    folder = tmp_path_factory.mktemp("million")
    (entry,) = write_all(folder, matrices(1)).entries.values()
    with (folder / "feats.scp").open("w") as handle:
        handle.writelines(
            f"speaker{n // 100:05}-utterance{n:07} {folder}/feats.ark:{entry.offset}\n"
            for n in range(1_000_000)
        )
    (folder / "utt2crc").unlink()
    return folder


def test_a_million_lines_open_at_once_and_take_no_memory(million):
    code = (
        "import sys, tracemalloc; from pathlib import Path; import numpy; from xlt.formats.archives import"
        " FeatureReader; "
        "count = lambda: int(Path('/proc/self/io').read_text().split()[1]); "  # rchar: bytes read so far
        "tracemalloc.start(); start = count(); reader = FeatureReader(Path(sys.argv[1])); read = count() -"
        " start; "
        "shapes = {reader[f'speaker{n // 100:05}-utterance{n:07}'].shape for n in range(0, 1000000, 999)}; "
        "print(read, tracemalloc.get_traced_memory()[1], shapes)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(million / "feats.scp")], cwd=ROOT, capture_output=True, text=True
    )
    read, memory, shapes = done.stdout.split(maxsplit=2)
    assert int(read) < 1e5 and int(memory) < 1e6 and shapes == "{(3, 4)}\n"  # its lines alone take 87 MB


def test_a_table_without_faults_is_never_read_line_by_line(million, monkeypatch):
    monkeypatch.delattr(tables, "_read_lines")
    assert len(read_table(million / "feats.scp")) == 1_000_000


@pytest.mark.parametrize("order", [1, -1])
def test_each_key_of_an_scp_is_found(tmp_path, order):
    mats = matrices(30)
    write_all(tmp_path, mats)
    scp = tmp_path / "feats.scp"
    lines = scp.read_text().splitlines()[::order]
    for ending in ("\n", "\r\n"):
        scp.write_bytes(ending.join(lines).encode())
        reader = FeatureReader(scp)
        assert list(reader) == sorted(mats)[::order] and len(reader) == 30
        for key, matrix in mats.items():
            np.testing.assert_array_equal(reader[key], matrix)
        for key in ("", "a", "u", "u1x", "u99", "z"):
            with pytest.raises(KeyError):
                reader[key]


def test_an_scp_that_is_missing_empty_or_no_text(tmp_path):
    scp = tmp_path / "feats.scp"
    with pytest.raises(DataError, match="feats.scp: no such file"):
        FeatureReader(scp)
    scp.touch()
    assert list(FeatureReader(scp)) == []
    scp.write_bytes(b"u0 a:1\n\xff b:1\n")
    with pytest.raises(DataError, match="feats.scp:2: not UTF-8"):
        list(FeatureReader(scp))


@pytest.mark.parametrize("key", ["", "two words", "a\tb"])
def test_ids_that_kaldi_cannot_hold(tmp_path, key):
    with ArkWriter(tmp_path / "feats.ark") as writer, pytest.raises(DataError, match="ids"):
        writer.write(key, np.zeros((2, 2), np.float32))


def test_table_round_trip_in_c_order(tmp_path):
    path = tmp_path / "text"
    write_table(path, {"é": "last", "a-b": "un doi", "aB": "x", "B": ""})
    # bytes: "B" 42; "a-b" 61 2d; "aB" 61 42; "é" c3 a9
    assert path.read_bytes() == "B\na-b un doi\naB x\né last\n".encode()
    assert read_table(path) == {"B": "", "a-b": "un doi", "aB": "x", "é": "last"}


def test_table_with_tabs_and_windows_line_ends(tmp_path):
    (tmp_path / "text").write_bytes(b"u1\tun doi\r\nu2 trei\r\n")
    assert read_table(tmp_path / "text") == {"u1": "un doi", "u2": "trei"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"u1 a\n\nu2 b\n", "text:2: no key"),
        (b"u1 a\nu1 b\n", "text:2: duplicate id 'u1' (first on line 1)"),
        (b"u1 a\nu2 \xff\n", "text:2: not UTF-8"),
        (b" u1 a\n", "text:1: no key"),
    ],
)
def test_faults_in_a_table_are_named_with_their_line(tmp_path, raw, said):
    (tmp_path / "text").write_bytes(raw)
    with pytest.raises(DataError) as err:
        read_table(tmp_path / "text")
    assert said in str(err.value)


def test_missing_table(tmp_path):
    with pytest.raises(DataError, match="text: no such file"):
        read_table(tmp_path / "text")


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_sound_comes_as_16_khz_mono(tmp_path, kind):
    rate = 44100
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    path = tmp_path / f"a.{kind}"
    soundfile.write(path, np.stack([tone, 0 * tone], axis=1), rate)
    samples = read_wav(path)
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert abs(len(samples) - 16000) <= (1600 if kind == "mp3" else 1)  # mp3 pads
    middle = samples[4000:12000]
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) == 220  # bins of 16000 / 8000 = 2 Hz: 440 Hz is bin 220
    assert (
        abs(np.sqrt(np.mean(middle**2)) - 0.25 / np.sqrt(2)) < 0.01
    )  # mean of both channels: amplitude 0.25


def test_sound_at_the_right_rate_is_not_touched(tmp_path):
    samples = (np.arange(-100, 100) / 32768).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="PCM_16")
    np.testing.assert_array_equal(read_wav(tmp_path / "a.wav"), samples)


def test_what_is_not_sound(tmp_path):
    with pytest.raises(DataError, match="a.wav: no such file"):
        read_wav(tmp_path / "a.wav")
    (tmp_path / "a.wav").write_text("this is text")
    with pytest.raises(DataError, match="a.wav: not readable as audio"):
        read_wav(tmp_path / "a.wav")
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000)
    with pytest.raises(DataError, match="a.wav: holds no samples"):
        read_wav(tmp_path / "a.wav")
    soundfile.write(tmp_path / "a.wav", np.array([0, np.nan]), 16000, subtype="FLOAT")
    with pytest.raises(DataError, match="a.wav: holds samples that are not numbers"):
        read_wav(tmp_path / "a.wav")


def test_spk2utt_in_c_order():
    assert spk2utt({"b-2": "b", "a-1": "a", "b-10": "b", "B-1": "B"}) == {
        "B": "B-1",
        "a": "a-1",
        "b": "b-10 b-2",
    }


def test_same_keys_names_what_differs(tmp_path):
    one, two = tmp_path / "text", tmp_path / "wav.scp"
    same_keys(one, two, ["a", "b"], ["b", "a"])
    with pytest.raises(DataError, match=r"wav.scp: 1 ids of .*text are missing, first 'a'"):
        same_keys(one, two, ["a", "b"], ["b"])
    with pytest.raises(DataError, match=r"wav.scp: 2 ids are not in .*text, first 'c'"):
        same_keys(one, two, ["b"], ["b", "d", "c"])


def lookups(folder):
    """A FeatureReader over two matrices, with checksums and an index beside them."""
    with ArkWriter(folder / "feats.1.ark", "f32") as ark:
        made = {utt: ark.write(utt, np.ones((2, 3), np.float32)) for utt in ("a", "b")}
    write_table(folder / "feats.scp", {utt: f"feats.1.ark:{entry.offset}" for utt, entry in made.items()})
    write_table(folder / "utt2crc", {utt: f"{entry.crc:08x}" for utt, entry in made.items()})


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("utt2crc", b"b ", b"b x"),
        ("utt2crc", b"b ", b"b \xff"),
        ("feats.scp", b"b feats", b"b \xff"),
        ("feats.scp", b"a feats", b"\xff\xfea feats"),
        ("feats.scp", b"b feats.1.ark:", b"b /dev/zero:"),
        ("feats.scp", b"b feats.1.ark:", b"b /dev/zero #"),
    ],
)
def test_tables_of_features_that_are_damaged(tmp_path, name, before, after):
    lookups(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes().replace(before, after))
    with pytest.raises(DataError):
        reader = FeatureReader(tmp_path / "feats.scp", tmp_path)
        for utt in [*reader, "b"]:
            reader[utt]


def test_a_byte_order_mark_is_no_part_of_an_id(tmp_path):
    lookups(tmp_path)
    path = tmp_path / "feats.scp"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    reader = FeatureReader(path, tmp_path)
    assert list(reader) == ["a", "b"] and reader["a"].shape == (2, 3)


@pytest.mark.parametrize(
    "line", [b"c 1 2\n", b"c x 2 00000000 4\n", b"\xff 0 2 00000000 4\n", b"c -9 2 00000000 4\n"]
)
def test_an_index_that_is_damaged(tmp_path, line):
    lookups(tmp_path)
    index = tmp_path / "feats.1.idx"
    index.write_bytes(index.read_bytes() + line)
    with raises(DataError, "xlt cache verify --repair", where="feats.1.idx:3"):
        ArkWriter(tmp_path / "feats.1.ark")
