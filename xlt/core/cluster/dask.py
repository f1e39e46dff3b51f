"""Tasks on a Dask cluster of any kind. Dask carries a command and its status; messages and answers go through
the shared folder, so that no worker needs xlt in its own process, and what a lost worker has done stays done.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import threading
import uuid
from typing import Any

from xlt.core.cluster.driver import LOST, Cluster, End
from xlt.core.cluster.shards import Shards
from xlt.core.errors import ConfigError
from xlt.core.executor import Workers

_CONNECT_S = 30.0


def _connected(where: Any) -> Any:
    """A client of the scheduler ``where``. A separate thread makes it, since it would wait for ever on the
    port of another program, which takes the connection and says nothing.
    """
    from distributed import Client

    found: list[Any] = []

    def connect() -> None:
        try:
            found.append(Client(where, timeout=_CONNECT_S))
        except Exception as err:
            found.append(err)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(2 * _CONNECT_S)
    made = found[0] if found else TimeoutError("it takes the connection, and says nothing")
    if isinstance(made, Exception):
        raise made
    return made


class Dask(Cluster):
    """``cluster.scheduler`` says which: an address, ``slurm`` (dask-jobqueue), or null, threads of this
    process that start the tasks.
    """

    name = "dask"

    def __init__(self, kind: str, setup: Any, workers: Workers):
        super().__init__(kind, setup, workers)
        self._stack = contextlib.ExitStack()
        self._client: Any = None
        self._futures: dict[int, Any] = {}

    @property
    def client(self) -> Any:
        """A ``distributed.Client``; ConfigError if there is no such cluster."""
        if self._client is None:
            try:
                from distributed import LocalCluster
            except ImportError:
                raise ConfigError(
                    "executor=dask: the package distributed is not installed; run tools/install.sh cluster"
                ) from None
            where = self.cluster.scheduler
            if where is None:
                made = LocalCluster(
                    n_workers=1,
                    threads_per_worker=self.cluster.tasks,
                    processes=False,
                    dashboard_address=None,
                )
                where = self._stack.enter_context(made)
            elif where == "slurm":
                where = self._stack.enter_context(self._jobqueue())
            try:
                self._client = self._stack.enter_context(_connected(where))
            except (OSError, ValueError) as err:
                raise ConfigError(
                    f"cluster.scheduler={self.cluster.scheduler}: no Dask scheduler answers there"
                    f" ({' '.join(str(err).split())[:200]}); correct the address, e.g. tcp://10.0.0.1:8786"
                ) from None
        return self._client

    def _jobqueue(self) -> Any:
        try:
            from dask_jobqueue import SLURMCluster
        except ImportError:
            raise ConfigError(
                "cluster.scheduler=slurm: dask-jobqueue is not installed; run tools/install.sh cluster"
            ) from None
        cluster = self.cluster
        made = SLURMCluster(
            queue=cluster.partition,
            cores=1,
            processes=1,
            job_cpu=cluster.cpus,
            memory=f"{cluster.memory_gb:g}GB",
            walltime=f"{math.ceil(cluster.time_h * 60)}",
            job_script_prologue=list(map(str, cluster.setup)),
            job_extra_directives=[
                *map(str, cluster.options),
                *([f"--gres=gpu:{cluster.gpus}"] if cluster.gpus else []),
            ],
        )
        made.scale(jobs=cluster.tasks)
        return made

    def submit(self, shards: Shards, numbers: list[int]) -> None:
        for number in numbers:
            words = ["bash", "-c", f'bash "$0/task.sh" {number} >"$0/logs/{number}.$$.txt" 2>&1']
            self._futures[number] = self.client.submit(
                subprocess.call,
                [*words, str(shards.folder)],
                pure=False,
                key=f"xlt-{number}-{uuid.uuid4().hex}",  # a key that is known is not run again
            )

    def ended(self, shards: Shards, numbers: set[int]) -> dict[int, End]:
        found = {}
        for number in numbers:
            future = self._futures.get(number)
            status = future.status if future else "unknown"
            if future and status == "error":
                status = f"{type(future.exception()).__name__}: {future.exception()}"[:300]
            if status != "pending":
                found[number] = End(LOST, status)
        return found

    def cancel(self, shards: Shards) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):  # the cluster may be what is broken
                self._client.cancel(list(self._futures.values()), force=True)

    def close(self) -> None:
        super().close()
        self._futures = {}
        self._client = None
        self._stack.close()
