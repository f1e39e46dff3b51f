"""Fixtures for all tests. Nothing heavy is imported here: each xdist worker and each single test pays
for it.
"""

import gc
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import browser

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch read it
os.environ.pop("XLT_CWD", None)  # run.sh sets it; paths in tests count from the current directory
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # `pytest &` in a script ignores it, and so would all that tests start


TOOLKITS = {"espnet2", "s3prl", "transformers"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out the tests marked trains or slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--quick"):
        return
    long = [item for item in items if any(item.iter_markers("trains")) or any(item.iter_markers("slow"))]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in set(long)]
    loaded = TOOLKITS & sys.modules.keys()
    if loaded:
        raise pytest.UsageError(f"collecting the tests loads {', '.join(loaded)}: see tests/lazy.py")


@pytest.fixture(autouse=True)
def quick_tests_load_no_toolkit(request: pytest.FixtureRequest):
    """With --quick, a test that loads one fails: it must be marked, or every quick run is slow."""
    before = TOOLKITS & sys.modules.keys()
    yield
    if request.config.getoption("--quick"):
        assert TOOLKITS & sys.modules.keys() == before, "mark this test trains or slow"


@pytest.fixture(scope="module", autouse=True)
def what_stays_is_not_collected():
    """A worker that has loaded torch and ESPnet holds a million objects, and xlt collects garbage after each
    stage: a third of a second that tests of a stage spent on modules, which are never garbage.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def xlt(tmp_path):
    """Function that runs ``xlt WORDS…`` in a process of its own, in ``cwd``; returns the CompletedProcess."""

    def run(*words: str, cwd: Path = tmp_path, **env: str) -> subprocess.CompletedProcess:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return subprocess.run(
            [sys.executable, "-m", "xlt.cli", *words],
            cwd=cwd,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **env},
        )

    return run


@pytest.fixture(scope="module")
def browser_process(tmp_path_factory):
    command, profile = browser.find(), tmp_path_factory.mktemp("profile")
    if command is None:
        pytest.skip("chromium is missing, so pages were not looked at in a browser: apt-get install chromium")
    made = browser.Browser(command, profile)
    yield made
    made.close()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
def chromium(browser_process):
    """Chromium with a new page."""
    browser_process.fresh()
    return browser_process
