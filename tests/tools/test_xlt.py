"""The script tools/xlt: makes the environment, then runs the command in it, from any folder."""

import shlex

import pytest


@pytest.fixture
def place(checkout):
    """A checkout with stand-ins for the installer and for Python, which write down how they are called."""
    checkout.log = checkout.root.parent / "calls.log"
    log = shlex.quote(str(checkout.log))
    checkout.script(checkout.root / "tools" / "install.sh", f'echo "install $*" >>{log}\n')
    checkout.script(
        checkout.root / ".venv" / "bin" / "python", f'echo "$*|$PWD|$OMP_NUM_THREADS|$PYTHONPATH" >>{log}\n'
    )
    return checkout


def test_it_can_be_called_from_any_folder(place, tmp_path):
    here = tmp_path / "some where"
    here.mkdir()
    done = place.run(place.root / "tools" / "xlt", "transcribe", "my bundle", "a.wav", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    calls = [f"-m xlt.cli transcribe my bundle a.wav|{here}|1|{place.root}"]
    assert place.log.read_text().splitlines() == ["install --quiet", *calls]


def test_environment_named_by_a_relative_path(place, tmp_path):
    (place.root / ".venv").rename(tmp_path / "shared")
    assert place.run(place.root / "tools" / "xlt", "--help", cwd=tmp_path, XLT_VENV="shared").returncode == 0
    assert "-m xlt.cli --help|" in place.log.read_text()


def test_failed_installation(place):
    place.script(place.root / "tools" / "install.sh", "echo 'install: no Python' >&2; exit 2\n")
    done = place.run(place.root / "tools" / "xlt", "--help")
    assert (done.returncode, done.stderr) == (2, "install: no Python\n") and not place.log.exists()
