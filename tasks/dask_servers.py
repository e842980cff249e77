"""A Dask cluster of this machine: a scheduler and workers on 127.0.0.1, for `plimsoll up --dask`."""

import os
import sys

from tasks.processes import Server
from tasks.servers import LOOPBACK, telemetry_off
from tasks.workspace import Workspace

ANY_PORT = f"{LOOPBACK}:0"  # of their pages, which nobody is told of


def dask_variables(workspace: Workspace) -> dict[str, str]:
    """Return the variables that make whoever scores here use the cluster of this machine."""
    address = f"tcp://{LOOPBACK}:{workspace.platform.dask.port}"
    return {"PLIMSOLL_ENGINE": "dask", "PLIMSOLL_DASK__SCHEDULER": address}


def dask_scheduler(workspace: Workspace) -> Server:
    """Return the scheduler."""
    port = workspace.platform.dask.port
    where = ("--host", LOOPBACK, "--port", str(port), "--dashboard-address", ANY_PORT)
    return Server(
        name="dask-scheduler",
        title="The Dask scheduler",
        command=(sys.executable, "-m", "dask", "scheduler", *where),
        cwd=workspace.root,
        env=telemetry_off(),
        port=port,
        port_variable="PLIMSOLL_DASK__PORT",
        says="Scheduler at:",
    )


def dask_workers(workspace: Workspace, count: int) -> Server:
    """Return so many workers, each one thread in a process of its own that is started anew when it dies.

    One thread, since DuckDB's view and the share of cores are a process's; what overlaps in a date has its own threads.
    """
    address = dask_variables(workspace)["PLIMSOLL_DASK__SCHEDULER"]
    many = ("--nworkers", str(count), "--nthreads", "1", "--local-directory", str(workspace.home / "dask"))
    where = ("--host", LOOPBACK, "--dashboard-address", ANY_PORT, "--preload", "tasks.dask_worker")
    return Server(
        name="dask-workers",
        title="The Dask workers",
        command=(sys.executable, "-m", "dask", "worker", address, *many, *where),
        cwd=workspace.root,
        env={**telemetry_off(), "OMP_THREAD_LIMIT": str(max(1, (os.cpu_count() or 1) // count))},
        says="Registered to:",
    )
