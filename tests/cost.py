"""What each test costs in CPU time, its own and that of the processes that it started and waited for.

Wall time tells little on a machine that others use as well. ``python -m pytest -p tests.cost -p no:xdist …``
ends with the dearest tests, fixtures counted with the test that makes them, and the sum.
"""

from __future__ import annotations

import resource

import pytest

SHOWN = 60
_costs: dict[str, float] = {}


def cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    before = cpu_s()
    try:
        return (yield)
    finally:
        _costs[item.nodeid] = cpu_s() - before


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    dearest = sorted(_costs.items(), key=lambda pair: -pair[1])
    files: dict[str, float] = {}
    for name, cost in dearest:
        file = name.split("::")[0]
        files[file] = files.get(file, 0.0) + cost
    terminalreporter.section(f"CPU seconds: {sum(_costs.values()):.1f} of tests, {cpu_s():.1f} in all")
    for title, rows in (("files", sorted(files.items(), key=lambda pair: -pair[1])), ("tests", dearest)):
        terminalreporter.line(f"dearest {title}:")
        for name, cost in rows[:SHOWN]:
            terminalreporter.line(f"{cost:8.2f}  {name}")
