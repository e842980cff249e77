"""deploy: one deployment per model and flow and one for the upkeep; run again, it changes nothing."""

import importlib
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from flows.running import PLATFORM, family_deployment
from plimsoll.model_config import ModelConfig
from tasks.prefect_api import connected, ui_url
from tasks.readable import readable_models
from tasks.secrecy import is_secret
from tasks.servers import telemetry_off
from tasks.workspace import PREFIX, Workspace

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.flows import Flow

Kind = Literal["train", "promote", "score", "check", "backtest"]
ON_DEMAND = ("promote", "backtest")
FLOWS: tuple[tuple[str, Kind], ...] = (
    ("flows.train_model.train_model", "train"),
    ("flows.promote_model.promote_model", "promote"),
    ("flows.score_batch.score_batch", "score"),
    ("flows.check_drift.check_drift", "check"),
    ("flows.backtest_policy.backtest_policy", "backtest"),
)
SCHEDULED = ("train", "score", "check")
FAMILY, ASKS = "flows.run_family.run_family", "flows.promote_family.promote_family"
PROMOTES = frozenset({"flows.promote_model.promote_model", ASKS})
UPKEEP = "flows.maintain_store.maintain_store"


class Deployed(NamedTuple):
    """One deployment: its name, its cron line (UTC, empty without a schedule) and its page."""

    name: str
    cron: str
    url: str


class Subject(NamedTuple):
    """What a deployment is about: a model, or the platform as a whole."""

    name: str
    description: str
    tags: list[str]
    parameters: dict[str, Any]
    cron: str | None
    alone: bool  # a second run that comes meanwhile is cancelled


def deploy(workspace: Workspace, flows: Sequence[tuple[str, Kind]] = FLOWS) -> list[Deployed]:
    """Create or update the work pools, every model's deployments of a table of flows, and that of the upkeep.

    A deployment that is as it should be is left alone, so that its planned runs and a schedule that
    someone paused stay as they are. A model whose config cannot be read is left out, and harms no other.
    """
    api_url = workspace.platform.api_url
    with connected(api_url) as client:
        for pool in workspace.platform.prefect.pools:
            ensure_pool(client, pool)
        configs = readable_models(workspace).configs
        wanted = [*_of_models(workspace, configs, flows), (_about_platform(workspace), UPKEEP)]
        return [_apply(client, workspace, about, path) for about, path in wanted]


def _of_models(
    workspace: Workspace, configs: Sequence[ModelConfig], flows: Sequence[tuple[str, Kind]]
) -> Iterator[tuple[Subject, str]]:
    """Yield what is deployed for each model by itself, and for each family, and the flow."""
    for config in (one for one in configs if not one.family):
        yield from ((_about_model(config, kind), path) for path, kind in flows)
    first = {config.family: config for config in reversed(configs) if config.family}
    for family in sorted(first):
        yield from _of_family(family, len(workspace.members(family)), first[family], flows)


def _of_family(
    family: str, members: int, first: ModelConfig, flows: Sequence[tuple[str, Kind]]
) -> Iterator[tuple[Subject, str]]:
    """Yield a deployment a flow, which is told which model, one a step for all its models, and one that asks."""
    about = f"**{family}**: {members} models, one for each {first.segment and first.segment.column}."
    tags = [family, first.owner]
    for path, kind in flows:
        yield Subject(family, f"{about} Name one of them.", tags, {}, None, False), path
        if kind in SCHEDULED:
            given = {"family": family, "step": path.rpartition(".")[2]}
            name = family_deployment(family, given["step"])
            yield Subject(name, f"{about} All of them.", tags, given, _cron(first, kind), True), FAMILY
        if kind == "promote":
            yield Subject(family, f"{about} All that wait.", tags, {"family": family}, None, False), ASKS


def ensure_pool(client: "SyncPrefectClient", name: str) -> None:
    """Create a process work pool unless a pool of that name exists."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound
    from prefect.workers.process import ProcessWorker

    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=name, type="process", base_job_template=template))


def job_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a run is given: this project's settings, never a secret."""
    settings = {k: v for k, v in environ.items() if k.startswith(PREFIX) and not is_secret(k, v)}
    return {**settings, f"{PREFIX}DISPATCH": "deployment", **telemetry_off()}


def _about_model(config: ModelConfig, kind: Kind) -> Subject:
    # a suspended request holds no slot, and several may wait at once: promote has no limit
    return Subject(
        name=config.model,
        description=f"**{config.model}**: {config.purpose.strip()}",
        tags=[config.model, config.owner],
        parameters={"model": config.model},
        cron=_cron(config, kind),
        alone=kind != "promote",
    )


def _about_platform(workspace: Workspace) -> Subject:
    cron = workspace.platform.retention.schedule
    return Subject(PLATFORM, "The policy is `retention` in configs/platform.yaml.", [PLATFORM], {}, cron, True)


def _apply(client: "SyncPrefectClient", workspace: Workspace, about: Subject, path: str) -> Deployed:
    flow = _load(path)
    wanted = _wanted(workspace, about, flow, path)
    there = _existing(client, f"{flow.name}/{about.name}")
    same = there is not None and _same(there, wanted, about.cron)
    deployment_id = there.id if there and same else _create(client, flow, wanted, about.cron, there)
    page = f"{ui_url(workspace.platform.api_url)}/deployments/deployment/{deployment_id}"
    return Deployed(f"{flow.name}/{about.name}", about.cron or "", page)


def _load(path: str) -> "Flow[..., Any]":
    module, _, name = path.rpartition(".")
    flow: Flow[..., Any] = getattr(importlib.import_module(module), name)
    return flow


def _wanted(workspace: Workspace, about: Subject, flow: "Flow[..., Any]", path: str) -> dict[str, Any]:
    """Return the fields of a deployment, as the client takes them."""
    from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
    from prefect.utilities.callables import parameter_schema

    pools = workspace.platform.prefect.pools
    options = ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    return {
        "name": about.name,
        "entrypoint": path,  # dotted: a path would leave its folder on sys.path
        # without a pull step the worker copies the whole project folder, .venv included, for every run
        "pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": str(workspace.root)}}],
        "parameters": about.parameters,
        "parameter_openapi_schema": parameter_schema(flow.fn).model_dump_for_openapi(),
        "enforce_parameter_schema": True,
        "description": f"{_first_line(flow)}\n\n{about.description}",
        "tags": about.tags,
        "work_pool_name": pools[-1] if path in PROMOTES else pools[0],
        "job_variables": {"env": job_environment(os.environ), "working_dir": str(workspace.root)},
        "concurrency_limit": 1 if about.alone else None,
        "concurrency_options": options if about.alone else None,
    }


def _first_line(flow: "Flow[..., Any]") -> str:
    return (inspect.getdoc(flow.fn) or flow.name).splitlines()[0]


def _cron(config: ModelConfig, kind: Kind) -> str | None:
    return None if kind in ON_DEMAND else getattr(config.schedule, kind)


def _existing(client: "SyncPrefectClient", name: str) -> "DeploymentResponse | None":
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None


def _same(there: "DeploymentResponse", wanted: Mapping[str, Any], cron: str | None) -> bool:
    limit = there.global_concurrency_limit
    found = {name: getattr(there, name) for name in wanted if name != "concurrency_limit"}
    found["concurrency_limit"] = limit.limit if limit else None
    return found == wanted and [getattr(s.schedule, "cron", None) for s in there.schedules] == ([cron] if cron else [])


def _create(
    client: "SyncPrefectClient",
    flow: "Flow[..., Any]",
    wanted: Mapping[str, Any],
    cron: str | None,
    there: "DeploymentResponse | None",
) -> Any:
    """Write a deployment with its schedule; a schedule that was paused by hand stays paused."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule

    paused = there is not None and any(not schedule.active for schedule in there.schedules)
    schedules = (
        [DeploymentScheduleCreate(schedule=CronSchedule(cron=cron, timezone="UTC"), active=not paused)] if cron else []
    )
    return client.create_deployment(flow_id=client.create_flow(flow), schedules=schedules, **wanted)
