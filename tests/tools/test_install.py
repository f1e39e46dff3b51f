"""tools/install.sh, with stand-ins for Python and pip: what is looked for, said, kept and resumed."""

import os
import re
import runpy
import shlex
import signal
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def place(checkout):
    """A checkout with an extra "more", in which Pythons can be put; ``log`` collects the pip calls."""
    setup = checkout.root / "setup.py"
    setup.write_text(setup.read_text().replace("EXTRAS = {", 'EXTRAS = {\n    "more": ["example-of-more"],'))
    checkout.log = checkout.root.parent / "pip.log"
    checkout.venv = checkout.root / ".venv"
    checkout.script(checkout.bin / "cc", "exit 0\n")

    def python(path, version="3.13", pip="true"):
        """A Python that makes environments of itself and whose pip runs the shell command ``pip``."""
        if not version.startswith(("3.12", "3.13")):
            return checkout.script(path, f"case $1 in -c) echo 'is Python {version}' ;; *) exit 1 ;; esac\n")
        return checkout.script(
            path,
            f"""
case "$*" in
  "-m venv "*) target=${{!#}}; rm -rf "$target"/*; mkdir -p "$target/bin"; touch "$target/pyvenv.cfg"
               cp "$0" "$target/bin/python"; exit ;;
  "-m pip --version") exit ;;
  "-m pip "*) echo "$*" >>{shlex.quote(str(checkout.log))}; {pip}; exit ;;
  "-c import numpy"*) exit ;;
  *) exec {sys.executable} "$@" ;;
esac
""",
        )

    checkout.python = python
    checkout.install = lambda *words, **env: checkout.run("tools/install.sh", *words, **env)
    checkout.calls = lambda: checkout.log.read_text().splitlines() if checkout.log.exists() else []
    return checkout


def test_installs_once_then_says_up_to_date_and_touches_nothing(place):
    place.python(place.bin / "python3.13")
    first = place.install("test")
    assert first.returncode == 0, first.stderr
    assert "7 GB" in first.stdout and "done" in first.stdout
    calls = place.calls()
    assert len(calls) == 4 and all(f"-c {place.root}/tools/constraints.txt" in call for call in calls[:3])
    assert "espnet[asr]==202611" in calls[2] and "kaldiio" in calls[2] and "pytest-xdist" in calls[2]
    assert "example-of-more" not in calls[2]  # the extra was not asked for
    assert calls[3].endswith(f"-e {place.root}")
    second = place.install("test")
    assert (second.returncode, second.stdout) == (0, f"install: {place.venv} is up to date\n")
    quiet = place.install("--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert place.calls() == calls


def test_an_extra_that_is_gone_is_forgotten(place):
    place.python(place.bin / "python3.13")
    place.install("more")
    setup = place.root / "setup.py"
    setup.write_text(setup.read_text().replace('    "more": ["example-of-more"],', ""))
    before = len(place.calls())
    done = place.install()
    assert done.returncode == 0, done.stderr
    assert "example-of-more" not in place.calls()[before + 2]


@pytest.mark.parametrize("change", ["constraints", "setup.py", "index", "extra"])
def test_what_the_environment_is_made_from_counts(place, change):
    place.python(place.bin / "python3.13")
    place.install("test")
    before = len(place.calls())
    words, env = [], {}
    if change == "constraints":
        with (place.root / "tools" / "constraints.txt").open("a") as handle:
            handle.write("example==1.0\n")
    elif change == "setup.py":
        with (place.root / "setup.py").open("a") as handle:
            handle.write("# changed\n")
    elif change == "index":
        env = {"XLT_TORCH_INDEX": "https://index.example/cpu"}
    else:
        words = ["more"]
    done = place.install(*words, **env)
    assert done.returncode == 0 and len(place.calls()) > before
    assert "pytest-xdist" in place.calls()[before + 2]  # extras that were there stay
    assert ("--extra-index-url https://index.example/cpu" in place.calls()[before + 2]) is (change == "index")
    assert ("example-of-more" in place.calls()[before + 2]) is (change == "extra")


def test_a_shim_that_fails_is_passed_over(place):
    place.script(place.bin / "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127\n")
    place.python(place.bin / "python3.12", "3.12")
    done = place.install()
    assert done.returncode == 0 and f"with {place.bin}/python3.12" in done.stdout


def test_newest_of_pyenv_s_versions(place):
    place.python(place.bin / "python3", "3.11")
    for version in ("3.12.4", "3.13.2", "3.13.10"):
        place.python(place.home / ".pyenv" / "versions" / version / "bin" / "python")
    done = place.install()
    assert done.returncode == 0 and "versions/3.13.10/bin/python" in done.stdout
    again = place.install(XLT_VENV=str(place.root / "other"), PYENV_ROOT=str(place.home / "nowhere"))
    assert again.returncode == 2  # PYENV_ROOT says where pyenv is


def test_python_named_by_the_user_comes_first(place):
    place.python(place.bin / "python3.13")
    mine = place.python(place.home / "my python")
    assert f"with {mine}" in place.install(PYTHON=str(mine)).stdout


def test_no_python_is_one_message_with_what_was_tried_and_the_ways_out(place):
    place.script(place.bin / "python3.13", "exit 127\n")
    place.python(place.bin / "python3", "3.11")
    done = place.install(PYTHON="/nowhere/python")
    assert done.returncode == 2
    for part in (
        "/nowhere/python (PYTHON) is not there",
        "python3.13 does not run",
        "python3 is Python 3.11",
        "apt-get install",
        "uv python install",
        "PYTHON=/path",
    ):
        assert part in done.stderr
    assert not (place.venv / "xlt-stamp").exists()


def test_uv_fetches_a_python_where_there_is_none(place):
    fetched = place.python(place.home / "uv" / "bin" / "python3.13")
    place.script(place.bin / "uv", f'case "$*" in *find*) echo {shlex.quote(str(fetched))} ;; esac\n')
    done = place.install()
    assert done.returncode == 0 and f"with {fetched}" in done.stdout


def test_failed_pip_shows_its_words_and_a_remedy_and_the_next_run_goes_on(place):
    place.python(
        place.bin / "python3.13",
        pip="case $* in *torch*) echo 'ERROR: Failed to establish a new connection'; exit 1 ;; esac",
    )
    done = place.install()
    assert done.returncode == 2
    assert "Failed to establish a new connection" in done.stderr and "check the network" in done.stderr
    assert not (place.venv / "xlt-stamp").exists()
    place.python(place.venv / "bin" / "python")  # the network is back
    assert place.install().returncode == 0


def test_update_that_failed_half_way_is_not_taken_for_the_old_state(place):
    place.python(place.bin / "python3.13")
    place.install()
    constraints = place.root / "tools" / "constraints.txt"
    before = constraints.read_text()
    constraints.write_text(before + "example==1.0\n")
    place.python(place.venv / "bin" / "python", pip="exit 1")
    assert place.install().returncode == 2
    constraints.write_text(before)  # the old pins again, but the environment may hold some of the new ones
    place.python(place.venv / "bin" / "python")
    calls = len(place.calls())
    assert place.install().returncode == 0 and len(place.calls()) == calls + 4


def test_full_disk_is_seen_before_the_start(place):
    place.python(place.bin / "python3.13")
    place.script(place.bin / "df", "echo Filesystem 1024-blocks Used Available\necho x 9 9 3145728 100% /\n")
    done = place.install()
    assert done.returncode == 2 and "3 GB are free" in done.stderr and "XLT_VENV=DIR" in done.stderr
    assert place.calls() == []


def test_no_compiler_is_seen_before_the_start(place):
    place.python(place.bin / "python3.13")
    for tool in ("cc", "gcc"):
        (place.bin / tool).unlink(missing_ok=True)
    done = place.install()
    assert done.returncode == 2 and "build-essential" in done.stderr and place.calls() == []


def test_broken_environment_is_made_anew(place):
    place.python(place.bin / "python3.13")
    place.install()
    (place.venv / "bin" / "python").unlink()
    (place.venv / "bin" / "python").symlink_to("/nowhere/python3.13")
    done = place.install()
    assert done.returncode == 0 and "making" in done.stdout
    assert place.install("--quiet").stdout == ""


def test_half_unpacked_package_is_dropped(place):
    place.python(place.bin / "python3.13")
    place.install()
    packages = place.venv / "lib" / "python3.13" / "site-packages"
    for name, files in {"whole-1.0": ["METADATA", "RECORD"], "torn-1.0": ["METADATA"]}.items():
        (packages / f"{name}.dist-info").mkdir(parents=True)
        for file in files:
            (packages / f"{name}.dist-info" / file).write_text("x")
    (place.venv / "xlt-stamp").unlink()
    assert place.install().returncode == 0
    assert [p.name for p in packages.iterdir()] == ["whole-1.0.dist-info"]


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_install_leaves_no_stamp_and_goes_on(place, sig):
    place.python(place.bin / "python3.13", pip=f"echo >{shlex.quote(str(place.home))}/runs; exec sleep 600")
    os.mkfifo(place.home / "runs")
    child = place.start("tools/install.sh")
    (place.home / "runs").read_text()
    os.killpg(child.pid, sig)
    _, said = child.communicate()
    if sig == signal.SIGINT:
        assert child.returncode == 130
        assert said == "install: interrupted; the same command continues from here\n"
    assert not (place.venv / "xlt-stamp").exists()
    place.python(place.venv / "bin" / "python")
    assert place.install().returncode == 0


def test_second_installer_waits_for_the_first(place):
    fifo = place.home / "go"
    os.mkfifo(fifo)
    place.python(
        place.bin / "python3.13", pip=f"case $* in *wheel*) read -r _ <{shlex.quote(str(fifo))} ;; esac"
    )
    first = place.start("tools/install.sh")
    while "1/3" not in first.stdout.readline():
        pass
    second = place.start("tools/install.sh")
    assert "another process is installing" in second.stdout.readline()
    fifo.write_text("go\n")
    first.communicate()
    said, _ = second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert said == f"install: {place.venv} is up to date\n" and len(place.calls()) == 4


def test_shared_environment_is_tied_to_no_checkout(place):
    place.python(place.bin / "python3.13")
    shared = place.home / "shared"
    done = place.install(XLT_VENV=str(shared))
    assert done.returncode == 0 and not place.venv.exists()
    assert len(place.calls()) == 3 and not any("-e" in call.split() for call in place.calls())
    moved = place.root.rename(place.root.parent / "second checkout")
    assert place.run(moved / "tools" / "install.sh", "--quiet", cwd=moved, XLT_VENV=str(shared)).stdout == ""
    assert len(place.calls()) == 3


def test_folder_with_other_things_is_left_alone(place):
    place.python(place.bin / "python3.13")
    (place.home / "thesis.tex").write_text("x")
    done = place.install(XLT_VENV=str(place.home))
    assert done.returncode == 2 and "neither empty nor a Python environment" in done.stderr
    assert sorted(p.name for p in place.home.iterdir()) == ["thesis.tex"]


def test_environment_of_another_python_is_left_alone(place):
    place.python(place.venv / "bin" / "python", "3.11")
    (place.venv / "pyvenv.cfg").write_text("")
    done = place.install()
    assert done.returncode == 2 and "is Python 3.11; remove it" in done.stderr


def test_words_that_it_does_not_know(place):
    place.python(place.bin / "python3.13")
    assert "--nosuch: no such option" in place.install("--nosuch").stderr
    done = place.install("nosuch")
    assert done.returncode == 2 and "no extra 'nosuch'" in done.stderr and "more" in done.stderr
    assert place.install("--help").stdout.startswith("Installs xlt's Python environment")


def test_every_requirement_is_pinned(root):
    pins = [
        line.split("==")[0]
        for line in (root / "tools" / "constraints.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    ]

    def plain(name):
        return re.sub(r"[-_.]+", "-", name).lower()

    assert len({plain(p) for p in pins}) == len(pins) > 100
    settings = runpy.run_path(str(root / "setup.py"))
    wanted = settings["REQUIRES"] + sum(settings["EXTRAS"].values(), [])
    assert {plain(re.match(r"[\w.-]+", r)[0]) for r in wanted} <= {plain(p) for p in pins}
