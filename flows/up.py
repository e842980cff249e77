"""up: Prefect, MLflow, the reports, a worker and, if asked, a Dask cluster, until Ctrl-C."""

import os
from datetime import UTC, datetime
from functools import partial

from rich.console import Console
from rich.table import Table

from flows.deploy import deploy
from flows.output import tell_faults
from tasks.dask_servers import dask_scheduler, dask_variables, dask_workers
from tasks.open_approval import reopen_approvals
from tasks.prefect_api import ui_url
from tasks.processes import fleet
from tasks.readable import readable_models
from tasks.servers import drain, local_servers, prefect_workers
from tasks.workspace import Workspace


def up(workspace: Workspace, dask: int = 0) -> None:
    """Start every local server, deploy every model that can be read, start a worker, and wait until asked to stop.

    With dask, that many processes score for the worker, whatever the config says of its engine. Raises ServerError
    when a server does not start or ends by itself; all others are stopped then.
    """
    console = Console()
    tell_faults(readable_models(workspace).faults)  # a mistake in a config is better said now than in half a minute
    began = datetime.now(UTC)
    with fleet(workspace.home, partial(drain, workspace.platform.api_url)) as ships:
        console.print("Starting Prefect, MLflow and the reports; the first start takes half a minute.")
        ships.start(*local_servers(workspace))
        if dask:
            os.environ.update(dask_variables(workspace))  # the deployments and the worker have them from here
            ships.start(dask_scheduler(workspace))
            ships.start(dask_workers(workspace, dask))
        deployed = deploy(workspace)
        reopen_approvals(workspace, None if workspace.platform.prefect.api_url else began)
        ships.start(*prefect_workers(workspace))
        console.print(addresses(workspace, dask))
        by = "two workers run" if len(workspace.platform.prefect.pools) > 1 else "a worker runs"
        console.print(f"{len(deployed)} deployments are up, {by} them. Ctrl-C stops everything.")
        ships.watch()
    console.print("Stopped.")


def addresses(workspace: Workspace, dask: int = 0) -> Table:
    """Return the table of what answers where."""
    config = workspace.platform
    ui = ui_url(config.api_url)
    mlflow = config.mlflow.tracking_uri
    table = Table("what", "where", title="Plimsoll is up")
    table.add_row("Prefect: schedules, runs, logs", ui)
    table.add_row("Prefect, classic: approvals (Resume button)", f"{ui}/dashboard")
    table.add_row(
        "MLflow: experiments, versions", mlflow if "http" in mlflow else f"http://127.0.0.1:{config.mlflow.port}"
    )
    table.add_row("Reports", f"{config.reports_address}/")
    if dask:
        table.add_row(f"Dask: {dask} workers", dask_variables(workspace)["PLIMSOLL_DASK__SCHEDULER"])
    table.add_row("Logs", str(workspace.home / "logs"))
    return table
