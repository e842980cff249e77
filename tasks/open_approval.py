"""Opening an approval: a Prefect run that waits, where a worker can hold one."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from tasks.candidates import Report
from tasks.prefect_api import start_run
from tasks.records import Run


@task(cache_policy=NO_CACHE)
def open_approval(run: Run, version: int, report: Report) -> str | None:
    """Start the run that waits for a person and return its id; without a deployment the ledger alone waits."""
    if not report.passed:
        return None
    model = run.config.model
    name = f"APPROVE? {model} v{version}"
    key = f"promote:{model}:{version}:{run.id}"
    flow_run = start_run("promote-model", model, {"model": model, "version": version}, key, ["approval"], name)
    where = f"Prefect run {flow_run}" if flow_run else f"plimsoll approve {model} {version} --as NAME"
    get_run_logger().info("%s v%d waits for a person: %s", model, version, where)
    return flow_run
