"""Downloads, with an apt-get and a pip of our own on PATH: no network is used."""

import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.errors import raises
from tests.fetch.test_deb import make_deb
from xlt.core.errors import DataError
from xlt.fetch import files
from xlt.fetch import packages as fetch

NAME = "stamps_1.0_all.deb"


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """``apt(download=…, update=…, show=…)`` puts shell scripts on PATH as apt-get and apt-cache.

    Their calls are recorded in ``apt.calls()``; ``apt.deb`` is a package that they can copy.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    deb = make_deb(tmp_path / "good.deb", {"a/1.ogg": random.Random(0).randbytes(5000)})
    log = tmp_path / "calls"
    log.touch()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def script(name: str, body: str) -> None:
        path = folder / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >> "{log}"\n{body}\n', encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IEXEC)

    def install(download: str, update: str = "exit 0", show: str | None = None) -> None:
        good = f"Package: stamps\nVersion: 1.0\nSize: {deb.stat().st_size}\nSHA256: {files.sha256(deb)}"
        script("apt-get", f'case " $* " in *" update "*) {update};; *" download "*) {download};; esac')
        script("apt-cache", show if show is not None else f'echo "{good}"')

    install.deb, install.calls = deb, lambda: log.read_text().splitlines()
    return install


def downloads(apt) -> int:
    return sum(" download " in call for call in apt.calls())


def test_a_download_is_checked_and_kept_and_not_repeated(apt, tmp_path):
    apt(f"cp {apt.deb} {NAME}")
    got = fetch.apt_download("stamps", None, tmp_path / "cache")
    assert got == tmp_path / "cache" / NAME
    assert got.read_bytes() == apt.deb.read_bytes()
    assert fetch.apt_download("stamps", None, tmp_path / "cache") == got
    assert downloads(apt) == 1


@pytest.mark.parametrize("left", [0, 1000])
def test_a_file_that_is_not_whole_is_fetched_again(apt, tmp_path, left, capsys):
    apt(f"cp {apt.deb} {NAME}")
    got = fetch.apt_download("stamps", None, tmp_path / "cache")
    got.write_bytes(got.read_bytes()[:left])
    assert fetch.apt_download("stamps", None, tmp_path / "cache").read_bytes() == apt.deb.read_bytes()
    assert downloads(apt) == 2
    assert "is incomplete" in capsys.readouterr().out


def test_half_a_download_is_an_error_and_the_next_run_mends_it(apt, tmp_path):
    apt(f"head -c 1000 {apt.deb} > {NAME}")
    with pytest.raises(DataError, match="cut short: 1000 bytes"):
        fetch.apt_download("stamps", None, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.deb"))
    apt(f"cp {apt.deb} {NAME}")
    assert fetch.apt_download("stamps", None, tmp_path / "cache").exists()


def test_a_wrong_hash_is_an_error_and_nothing_is_kept(apt, tmp_path):
    apt(f"cp {apt.deb} {NAME}", show='echo "Version: 1.0"; echo "Size: 5"; echo "SHA256: ' + "0" * 64 + '"')
    with pytest.raises(DataError, match="wrong SHA-256: found .* expected 0000"):
        fetch.apt_download("stamps", None, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.deb"))


def test_no_network_names_the_ways_out(apt, tmp_path):
    apt("echo 'E: Failed to fetch http://mirror/x.deb  Could not resolve mirror'; exit 100")
    with pytest.raises(
        DataError, match=r"(?s)Could not resolve mirror.*data.archive=FILE.deb.*data.dir=FOLDER"
    ):
        fetch.apt_download("stamps", None, tmp_path / "cache")
    assert not any(" update" in call for call in apt.calls())  # lists are not the trouble


@pytest.mark.parametrize(
    "said",
    [
        "E: Unable to locate package stamps",
        "E: Can't select candidate version",
        "Err:1 http://mirror 404  Not Found [IP: ::1 80]",
    ],
)
def test_empty_or_old_lists_are_refreshed_without_touching_the_system(apt, tmp_path, said):
    cache = tmp_path / "cache"
    apt(f'case "$*" in *Dir::State={cache}*) cp {apt.deb} {NAME};; *) echo "{said}"; exit 100;; esac')
    assert fetch.apt_download("stamps", None, cache).exists()
    updates = [call for call in apt.calls() if call.endswith(" update")]
    assert len(updates) == 1
    assert f"Dir::State::lists={cache}/state/lists" in updates[0]


def test_lists_that_cannot_be_refreshed(apt, tmp_path):
    apt("echo 'E: Unable to locate package stamps'; exit 100", update="echo 'E: it is not signed'; exit 100")
    with pytest.raises(DataError, match="not signed"):
        fetch.apt_download("stamps", None, tmp_path / "cache")


def test_no_apt_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="no apt-get on this machine.*Ways out"):
        fetch.apt_download("stamps", None, tmp_path / "cache")


def test_two_recipes_fetch_once(apt, tmp_path):
    apt(f"sleep 0.5; cp {apt.deb} {NAME}")
    code = (
        "import sys; from pathlib import Path; from xlt.fetch.packages import apt_download; "
        "apt_download('stamps', None, Path(sys.argv[1]))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "cache")]) for _ in range(2)]
    assert [run.wait() for run in runs] == [0, 0]
    assert downloads(apt) == 1


def ended(pid: int) -> bool:
    """Whether the process is gone, or dead and only not yet collected by its new parent."""
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(500):
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.slow
def test_ctrl_c_while_fetching_leaves_no_process_and_the_next_run_goes_on(apt, recipe, tmp_path):
    pid = tmp_path / "pid"
    apt(f"sleep 0.5; echo $$ > {pid}; echo half > {NAME}; exec sleep 600")  # by then xlt waits for it
    command = [sys.executable, "-m", "xlt.cli", "data", "--recipe", str(recipe.dir)]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not pid.exists() or not pid.read_text():
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate()
    assert run.returncode == 130
    assert "interrupted; the same command continues from here" in stderr
    assert ended(int(pid.read_text()))
    apt(f"cp {apt.deb} {NAME}")
    assert fetch.apt_download("stamps", None, tmp_path / "cache/apt").exists()


def make_wheel(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("part/data/model.bin", bytes(range(256)) * 40)
    return path


@pytest.fixture
def pip(tmp_path, monkeypatch):
    """``pip(body)`` makes a shell script the Python that runs pip."""
    script, log = tmp_path / "python", tmp_path / "pip-calls"
    log.touch()

    def install(body: str) -> None:
        script.write_text(f'#!/bin/bash\necho "$*" >> "{log}"\n{body}\n', encoding="utf-8")
        script.chmod(0o755)

    monkeypatch.setattr(fetch.sys, "executable", str(script))
    install.calls = lambda: log.read_text().splitlines()
    return install


WHEEL = "my_part1-1.0.0-py3-none-any.whl"


def test_a_wheel_is_fetched_once(pip, tmp_path):
    good = make_wheel(tmp_path / "good.whl")
    pip(f"cp {good} {WHEEL}")
    for _ in range(2):
        assert fetch.pip_download("my-part1==1.0.0", tmp_path / "cache") == tmp_path / "cache" / WHEEL
    assert len(pip.calls()) == 1
    assert "download --no-deps" in pip.calls()[0]
    assert hashlib.sha256((tmp_path / "cache" / WHEEL).read_bytes()).hexdigest() == files.sha256(good)


def test_a_damaged_wheel_is_refused_and_fetched_again(pip, tmp_path):
    good = make_wheel(tmp_path / "good.whl")
    raw = good.read_bytes().replace(bytes(range(100, 120)), bytes(20), 1)
    (tmp_path / "bad.whl").write_bytes(raw)
    pip(f"cp {tmp_path}/bad.whl {WHEEL}")
    with pytest.raises(DataError, match="damaged in the download"):
        fetch.pip_download("my-part1==1.0.0", tmp_path / "cache")
    pip(f"head -c 900 {good} > {WHEEL}")
    with raises(DataError, where=WHEEL):
        fetch.pip_download("my-part1==1.0.0", tmp_path / "cache")
    pip(f"cp {good} {WHEEL}")
    assert fetch.pip_download("my-part1==1.0.0", tmp_path / "cache").exists()


def test_pip_without_network(pip, tmp_path):
    pip("echo 'ERROR: No matching distribution found for my-part1==1.0.0'; exit 1")
    with pytest.raises(
        DataError, match="pip could not fetch it .*No matching distribution.*connect this machine"
    ):
        fetch.pip_download("my-part1==1.0.0", tmp_path / "cache")


def test_cache_root(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "env"))
    assert files.cache_root(None) == tmp_path / "env"
    assert files.cache_root(str(tmp_path / "set")) == tmp_path / "set"
    monkeypatch.delenv("XLT_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert files.cache_root(None) == tmp_path / "home/.cache/xlt"
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is not a folder"):
        files.cache_root(str(tmp_path / "file"))
