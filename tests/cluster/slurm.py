"""A real Slurm of one node, from Debian's packages, for tests: neither installed, nor started by the system.

usage: python -m tests.cluster.slurm start DIR [SLOTS] | stop DIR

``start`` unpacks the packages below the cache folder, starts munged, slurmctld and slurmd as this user, bound
to 127.0.0.1, and prints what to export so that sbatch is found; ``stop`` ends them.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from xlt.core.errors import DataError
from xlt.fetch.files import cache_root
from xlt.fetch.packages import apt_download

PACKAGES = (
    "slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge libmunge2 libhwloc15 liblua5.1-0".split()
)
LIBRARIES = f"usr/lib/{platform.machine()}-linux-gnu"
DAEMONS = ("slurmd", "slurmctld", "munged")
CONF = """ClusterName=xlt
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
PluginDir={root}/{libraries}/slurm-wlm
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SchedulerParameters=sched_min_interval=1,batch_sched_delay=1
ReturnToService=2
KillWait=2
MinJobAge=300
NodeName=one NodeAddr=127.0.0.1 CPUs={slots} RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=one Default=YES MaxTime=INFINITE State=UP
"""


def unpacked() -> Path:
    """The folder with the unpacked packages; DataError if they cannot be had."""
    if not shutil.which("dpkg-deb"):
        raise DataError("slurm: this machine has no dpkg-deb; run this test on Debian or Ubuntu")
    folder = cache_root() / "slurm"
    debs = [apt_download(name, None, folder) for name in PACKAGES]
    root = folder / "root"
    if not root.is_dir():
        partial = folder / f".root.{os.getpid()}.partial"
        for deb in debs:
            subprocess.run(["dpkg-deb", "-x", str(deb), str(partial)], check=True)
        with contextlib.suppress(OSError):  # another process was first
            partial.rename(root)
        shutil.rmtree(partial, ignore_errors=True)
    return root


def commands(root: Path, folder: Path) -> dict[str, str]:
    """Write ``folder/bin/sbatch`` and its like, which find libraries and configuration; the environment with
    them.
    """
    (folder / "bin").mkdir(exist_ok=True)
    for name in ("sbatch", "squeue", "scancel", "scontrol", "sinfo"):
        path = folder / "bin" / name
        places = (
            f"LD_LIBRARY_PATH={root}/{LIBRARIES}:{root}/{LIBRARIES}/slurm-wlm SLURM_CONF={folder}/slurm.conf"
        )
        path.write_text(f'#!/bin/sh\nexec env {places} {root}/usr/bin/{name} "$@"\n')
        path.chmod(0o755)
    return {"PATH": f"{folder}/bin:{os.environ['PATH']}"}


def start(folder: Path, slots: int = 2) -> dict[str, str]:
    """Start the daemons with their files in ``folder`` and wait until the node is idle; what
    :func:`commands` gives. DataError if they do not start.
    """
    root = unpacked()
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # munged asks for it
    user = "root" if os.geteuid() == 0 else os.environ.get("USER", str(os.geteuid()))
    more = {"folder": folder, "root": root, "libraries": LIBRARIES, "slots": slots}
    (folder / "slurm.conf").write_text(CONF.format(user=user, ports=_free_ports(2), **more))
    key = folder / "munge.key"
    key.write_bytes(os.urandom(64))
    key.chmod(0o600)
    names = ("socket", "pid-file", "log-file", "seed-file")
    places = [f"--{name}={folder}/munge.{name.removesuffix('-file')}" for name in names]
    env = {
        "LD_LIBRARY_PATH": f"{root}/{LIBRARIES}:{root}/{LIBRARIES}/slurm-wlm",
        "SLURM_CONF": f"{folder}/slurm.conf",
    }
    stepd = f"{root}/usr/sbin/slurmstepd-wlm"
    for words in (
        [f"{root}/usr/sbin/munged", "--force", f"--key-file={key}", *places],
        [f"{root}/usr/sbin/slurmctld-wlm", "-c"],
        [f"{root}/usr/sbin/slurmd-wlm", "-N", "one", "-d", stepd],
    ):
        done = subprocess.run(words, env={**os.environ, **env}, capture_output=True, text=True, check=False)
        if done.returncode:
            stop(folder)
            raise DataError(f"slurm: {Path(words[0]).name} does not start: {done.stderr.strip()[-300:]}")
    for _ in range(60):
        words = [f"{root}/usr/bin/sinfo", "-h", "-o", "%t"]
        done = subprocess.run(words, env={**os.environ, **env}, capture_output=True, text=True, check=False)
        if done.stdout.strip() == "idle":
            return commands(root, folder)
        time.sleep(0.5)
    said = (folder / "slurmd.log").read_text() if (folder / "slurmd.log").exists() else done.stderr
    stop(folder)
    raise DataError(f"slurm: its node is not ready: {said[-300:]}")


def stop(folder: Path) -> None:
    """End the daemons that :func:`start` has started in ``folder``, and their jobs."""
    for name in DAEMONS:
        path = folder / ("munge.pid" if name == "munged" else f"{name}.pid")
        with contextlib.suppress(OSError, ValueError):
            pid = int(path.read_text())
            if name in Path(f"/proc/{pid}/comm").read_text():
                os.kill(pid, signal.SIGTERM)


@contextlib.contextmanager
def running(folder: Path, slots: int = 2) -> Iterator[dict[str, str]]:
    """:func:`start`, and :func:`stop` at the end."""
    env = start(folder, slots)
    try:
        yield env
    finally:
        stop(folder)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in opened:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in opened]


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2]).absolute()
    if what == "start":
        with contextlib.redirect_stdout(sys.stderr):
            found = start(where, int(sys.argv[3]) if len(sys.argv) > 3 else 2)
        print("".join(f"export {name}={shlex.quote(value)}\n" for name, value in found.items()), end="")
    else:
        stop(where)
