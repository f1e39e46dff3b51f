"""tools/test.sh and .ci/run, with stand-ins for the tools that they call."""

import shlex
import shutil

import pytest


@pytest.fixture
def place(checkout, root):
    """A checkout whose checkers only write down that they were called; ``.venv`` holds them."""
    checkout.log = checkout.root.parent / "calls.log"
    for folder in (".ci", "tests"):
        (checkout.root / folder).mkdir()
    for name in ("tools/test.sh", ".ci/run"):
        shutil.copy(root / name, checkout.root / name)
    for name in ("sctk", "sclite", "chromium-browser", "google-chrome", "apt-get"):
        (checkout.bin / name).unlink(missing_ok=True)
    checkout.script(checkout.bin / "chromium", "exit 0\n")
    checkout.script(
        checkout.root / "tools" / "install.sh",
        f'echo "install $* venv=${{XLT_VENV:-}}" >>{shlex.quote(str(checkout.log))}\n',
    )
    checkout.script(checkout.bin / "sudo", 'shift; exec "$@"\n')  # sudo -n COMMAND…

    def tool(name, then="exit 0", folder=checkout.root / ".venv" / "bin"):
        checkout.script(folder / name, f'echo "{name} $*" >>{shlex.quote(str(checkout.log))}\n{then}\n')

    checkout.tool = tool
    for name in ("ruff", "mypy", "shellcheck", "python"):
        tool(name)
    checkout.calls = lambda: checkout.log.read_text().splitlines()
    return checkout


def test_all_checks_run_and_arguments_go_to_pytest(place):
    place.tool("sctk", folder=place.bin)
    done = place.run("tools/test.sh", "tests/test_x.py", "-k", "a b")
    assert done.returncode == 0 and done.stdout.endswith("test: all passed\n")
    calls = place.calls()
    assert [c.split()[0] for c in calls] == ["install", "ruff", "mypy", "shellcheck", "python"]
    assert calls[0].startswith("install --quiet test")
    assert {".ci/run", "tools/install.sh", "egs/common/asr.sh", "egs/TEMPLATE/run.sh"} <= set(
        calls[3].split()
    )
    assert calls[4].endswith("tests/test_x.py -k a b")


def test_quick_is_an_option_of_pytest(place):
    place.tool("sctk", folder=place.bin)
    done = place.run("tools/test.sh", "--quick", "-x")
    assert done.returncode == 0 and place.calls()[-1].endswith(" --quick -x")


@pytest.mark.parametrize("script, words", [("tools/test.sh", ["--other_cpu", "-x"]), (".ci/run", ["-x"])])
def test_what_trains_runs_once_with_another_arithmetic(place, script, words):
    place.tool("sctk", folder=place.bin)
    place.tool("python", f'echo "${{ATEN_CPU_CAPABILITY:-own}}" >>{shlex.quote(str(place.log))}')
    assert place.run(script, *words, XLT_VENV=str(place.root / ".venv")).returncode == 0
    first, own, second, other = place.calls()[-4:]
    assert (own, other) == ("own", "default")
    assert second.endswith(" -m trains -x") and first.endswith(" -m not trains -x")


def test_help_names_the_options(place):
    said = place.run("tools/test.sh", "--help").stdout
    assert "--quick" in said and "--other_cpu" in said and not place.log.exists()


@pytest.mark.parametrize("broken", ["ruff", "mypy", "shellcheck", "python"])
def test_a_failure_is_named_and_the_other_checks_still_run(place, broken):
    place.tool("sctk", folder=place.bin)
    place.tool(broken, "exit 1")
    done = place.run("tools/test.sh")
    assert done.returncode == 1 and len(place.calls()) == 5
    assert done.stderr == f"test: failed: {'pytest' if broken == 'python' else broken}\n"


def test_sclite_comes_by_apt_get_after_its_lists_are_refreshed(place):
    sctk = shlex.quote(str(place.bin / "sctk"))
    fresh = shlex.quote(str(place.home / "fresh"))
    place.tool(
        "apt-get",
        f"case $* in *update*) touch {fresh} ;; *install*sctk*) [[ -e {fresh} ]] || exit 100; "
        f"printf '#!/bin/sh\\n' >{sctk}; chmod +x {sctk} ;; esac",
        folder=place.bin,
    )
    done = place.run("tools/test.sh")
    assert done.returncode == 0, done.stderr
    assert [c.split()[2] for c in place.calls() if c.startswith("apt-get")] == [
        "install",
        "update",
        "install",
    ]


@pytest.mark.parametrize("apt", [None, "exit 100"])
def test_without_sclite_it_says_how_to_get_it(place, apt):
    if apt:
        place.tool("apt-get", apt, folder=place.bin)
    done = place.run("tools/test.sh")
    assert done.returncode == 2 and "apt-get install sctk" in done.stderr
    assert not any(c.startswith("python") for c in place.calls())


def test_without_a_browser_it_says_so_and_goes_on(place):
    (place.bin / "chromium").unlink()
    place.tool("sctk", folder=place.bin)
    place.tool("apt-get", "exit 100", folder=place.bin)
    done = place.run("tools/test.sh")
    assert done.returncode == 0 and "no Chromium, and apt-get gives none" in done.stdout
    assert any(c.endswith("install -y chromium") for c in place.calls())


def test_ci_shares_one_environment_a_set_of_pins(place):
    place.tool("sctk", folder=place.bin)
    place.run(".ci/run")
    place.run(".ci/run")
    with (place.root / "tools" / "constraints.txt").open("a") as handle:
        handle.write("example==1.0\n")
    place.run(".ci/run")
    first, again, other = (c.split("venv=")[1] for c in place.calls() if c.startswith("install"))
    assert first == again != other
    assert first.startswith(str(place.home / ".cache" / "xlt" / "venv-"))
