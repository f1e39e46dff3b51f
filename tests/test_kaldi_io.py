import numpy as np
import pytest
import soundfile

from xlt.errors import DataError
from xlt.kaldi_io import ArkWriter, FeatureReader, read_table, read_wav, same_keys, spk2utt, write_table


def matrices(count, seed=0):
    """``{"u0": (T, 4) float32, …}`` with T = 3, 4, …"""
    rng = np.random.default_rng(seed)
    return {f"u{i}": rng.normal(size=(3 + i, 4)).astype(np.float32) for i in range(count)}


def write_all(folder, mats, **kwargs):
    with ArkWriter(folder / "feats.ark", folder / "feats.scp", **kwargs) as writer:
        for key, matrix in mats.items():
            writer.write(key, matrix)


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


def test_scp_names_the_final_place(tmp_path):
    write_all(tmp_path, matrices(1), final=tmp_path / "later" / "feats.ark")
    assert read_table(tmp_path / "feats.scp") == {"u0": f"{tmp_path}/later/feats.ark:3"}


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_torn_archive_goes_on_behind_the_last_whole_matrix(tmp_path, cut):
    mats = matrices(3)
    write_all(tmp_path, mats)
    ark = tmp_path / "feats.ark"
    ark.write_bytes(ark.read_bytes()[:-cut])  # u2 takes 3 + 15 + 5 * 4 * 4 = 98 bytes: it is torn, u0 and u1 are whole
    with ArkWriter(ark, tmp_path / "feats.scp") as writer:
        assert list(writer.keys) == ["u0", "u1"]
        writer.write("u2", mats["u2"])
    check_all(tmp_path, mats)


def test_what_lies_behind_the_last_whole_matrix_is_cut_off(tmp_path):
    mats = matrices(3)
    write_all(tmp_path, mats)
    ark = tmp_path / "feats.ark"
    ark.write_bytes(ark.read_bytes()[:-1])
    with ArkWriter(ark, tmp_path / "feats.scp"):
        pass
    assert ark.stat().st_size == (3 + 15 + 3 * 4 * 4) + (3 + 15 + 4 * 4 * 4)  # "u0 ", header, 3 frames; "u1 ", …, 4


def test_torn_scp_line_is_dropped(tmp_path):
    mats = matrices(3)
    write_all(tmp_path, mats)
    scp = tmp_path / "feats.scp"
    scp.write_text(scp.read_text()[:-2])
    with ArkWriter(tmp_path / "feats.ark", scp) as writer:
        assert list(writer.keys) == ["u0", "u1"]
        writer.write("u2", mats["u2"])
    check_all(tmp_path, mats)


def test_unreadable_matrix_names_the_utterance_and_the_remedy(tmp_path):
    write_all(tmp_path, matrices(2))
    (tmp_path / "feats.ark").write_bytes((tmp_path / "feats.ark").read_bytes()[:-8])
    reader = FeatureReader(tmp_path / "feats.scp")
    with pytest.raises(DataError, match=r"feats.scp: u1: cannot read .*run stage 3"):
        reader["u1"]
    (tmp_path / "feats.ark").unlink()
    with pytest.raises(DataError, match="u0: cannot read"):
        reader["u0"]


@pytest.mark.parametrize("key", ["", "two words", "a\tb"])
def test_ids_that_kaldi_cannot_hold(tmp_path, key):
    with ArkWriter(tmp_path / "feats.ark", tmp_path / "feats.scp") as writer, pytest.raises(DataError, match="ids"):
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


@pytest.mark.parametrize(("raw", "said"), [
    (b"u1 a\n\nu2 b\n", "text:2: no key"),
    (b"u1 a\nu1 b\n", "text:2: 'u1' stands twice"),
    (b"u1 a\nu2 \xff\n", "text:2: not UTF-8"),
    (b" u1 a\n", "text:1: no key"),
])
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
    assert abs(np.sqrt(np.mean(middle**2)) - 0.25 / np.sqrt(2)) < 0.01  # mean of both channels: amplitude 0.25


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
    assert spk2utt({"b-2": "b", "a-1": "a", "b-10": "b", "B-1": "B"}) == {"B": "B-1", "a": "a-1", "b": "b-10 b-2"}


def test_same_keys_names_what_differs(tmp_path):
    one, two = tmp_path / "text", tmp_path / "wav.scp"
    same_keys(one, two, ["a", "b"], ["b", "a"])
    with pytest.raises(DataError, match=r"wav.scp: 1 ids of .*text are missing, first 'a'"):
        same_keys(one, two, ["a", "b"], ["b"])
    with pytest.raises(DataError, match=r"wav.scp: 2 ids are not in .*text, first 'c'"):
        same_keys(one, two, ["b"], ["b", "d", "c"])
