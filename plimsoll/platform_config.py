"""The platform config: every difference between a laptop and a company's installation, in one file.

Any field can be set by an environment variable with the prefix PLIMSOLL_ and two underscores between
levels: PLIMSOLL_PREFECT__PORT=4300 sets prefect.port.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from plimsoll.config_part import Part
from plimsoll.model_config import Cron

Days = Annotated[int, Field(ge=1)]
FlowName = Literal[
    "train_model",
    "promote_model",
    "promote_family",
    "score_batch",
    "check_drift",
    "backtest_policy",
    "maintain_store",
]
PoolName = Annotated[str, Field(pattern=r"^[^/%&<>\s]+$")]  # what Prefect takes for a name
Port = Annotated[int, Field(ge=1, le=65535)]


def _web_address(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@?#()<>|]+(/[^\s?#@()<>|]*)?", text):  # it stands in markdown
        raise ValueError("expected an address such as https://reports.example.com/plimsoll, with no password in it")
    return text


ReportsUrl = Annotated[str, AfterValidator(_web_address)]


class StoreConfig(Part):
    """The object store: records, ledger, snapshots, profiles."""

    url: str = "{home}/store"  # a folder, or s3://bucket/prefix
    endpoint_url: str | None = None  # an S3 server that is not Amazon's; keys come from the usual AWS variables
    retries: Annotated[int, Field(ge=0, le=20)] = 8  # after the first try, each after a random wait that grows
    timeout_seconds: Annotated[float, Field(gt=0)] = 30  # to connect, and between two bytes of an answer
    sse: Literal["AES256", "aws:kms"] | None = None  # how the S3 server encrypts; null: as the bucket says
    sse_kms_key_id: str | None = None  # with aws:kms; null: the bucket's own key

    @model_validator(mode="after")
    def _key_needs_kms(self) -> Self:
        if self.sse_kms_key_id and self.sse != "aws:kms":
            raise ValueError("sse_kms_key_id is used with sse: aws:kms only")
        return self


class SnapshotConfig(Part):
    """How sources are read into snapshots."""

    paranoid: bool = False  # true: read every file again, even one that its source proves unchanged
    endpoint_url: str | None = None  # the S3 server of sources; null: the store's


class PredictionsConfig(Part):
    """The Delta table of predictions."""

    url: str = "{home}/predictions"  # a folder, or s3://bucket/prefix


class SigningConfig(Part):
    """Who signs ledger and records, and whose signatures count."""

    file: str = "{home}/keys/signing.key"  # made on first use beside a local store; PLIMSOLL_SIGNING_KEY goes first
    trusted: list[Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = []  # public keys of others who write here


class MlflowConfig(Part):
    """Experiments and the model registry."""

    tracking_uri: str = "sqlite:///{home}/mlflow/mlflow.db"  # or postgresql+psycopg2://…, or http://…
    artifacts: str = "{home}/mlflow/artifacts"
    port: Port = 5000


class PrefectConfig(Part):
    """The server that plans and shows runs."""

    host: str = "127.0.0.1"
    port: Port = 4200
    database_url: str = "sqlite+aiosqlite:///{home}/prefect/prefect.db"  # or postgresql+asyncpg://…
    api_url: str | None = None  # null: http://host:port/api
    work_pool: PoolName = "plimsoll"
    promote_pool: PoolName | None = None  # of the flows that promote; null: work_pool

    @property
    def pools(self) -> tuple[str, ...]:
        """The work pools, that of the flows that promote last where it is another one."""
        return tuple(dict.fromkeys((self.work_pool, self.promote_pool or self.work_pool)))


class RetentionConfig(Part):
    """What the upkeep of the store removes, and when; null keeps it for ever. Ages count from when it was recorded."""

    schedule: Cron | None = "0 3 * * 0"  # UTC; null: on demand only
    runs_days: Days | None = None  # run records, with the data that nothing else needs
    runs_days_of: dict[FlowName, Days | None] = {}  # flows with days of their own
    predictions_days: Days | None = None  # batches of versions that no longer serve
    caches_days: Days | None = 180  # what can be computed again: verdicts, backtests, quality by night, files seen
    orphans_grace_hours: Annotated[float, Field(ge=1)] = 48  # must be more than the longest run takes

    def days_of(self, flow: str) -> int | None:
        """Return for how many days a flow's run records are kept, None for ever."""
        own: Mapping[Any, int | None] = self.runs_days_of
        return own.get(flow, self.runs_days)


class NotifyConfig(Part):
    """Which of Prefect's notification blocks tell people of drift decisions, and of which."""

    blocks: list[Annotated[str, Field(pattern=r"^[a-z0-9-]+/[^/\s]+$")]] = []  # type/name, such as slack-webhook/ops
    about: Literal["retrains", "alarms", "decisions"] = "alarms"  # alarms: retrains, and alarms that are new that night


class DaskConfig(Part):
    """The cluster that `engine: dask` scores on."""

    scheduler: Annotated[str, Field(pattern=r"^(tcp|tls)://[^\s/]+:\d+$")] | None = (
        None  # null: this machine's own port
    )
    port: Port = 8786  # of the scheduler that `plimsoll up --dask` starts, on this machine alone
    retries: Annotated[int, Field(ge=0, le=20)] = 2  # of a date that failed for want of a server or of room
    wait_seconds: Annotated[float, Field(gt=0)] = 30  # for the scheduler to answer, and for a worker to be there

    @property
    def address(self) -> str:
        """The address of the scheduler."""
        return self.scheduler or f"tcp://127.0.0.1:{self.port}"


class PlatformConfig(Part):
    """Where everything lives and how runs are started."""

    home: str = ".plimsoll"  # relative to the project folder
    data: str = "{home}/landing"  # the data root that model configs' paths start from
    dispatch: Literal["inline", "deployment"] = "inline"  # commands and retrains: in this process, or by a worker
    engine: Literal["local", "dask"] = "local"  # where dates are scored: on this machine, or on a cluster
    processes: Annotated[int, Field(ge=1, le=256)] = 1  # with engine local: how many dates are scored at once
    reports_port: Port = 4280
    reports_url: ReportsUrl | None = None  # where other machines see the pages; null: this machine's own port
    store: StoreConfig = StoreConfig()
    signing: SigningConfig = SigningConfig()
    snapshot: SnapshotConfig = SnapshotConfig()
    predictions: PredictionsConfig = PredictionsConfig()
    retention: RetentionConfig = RetentionConfig()
    mlflow: MlflowConfig = MlflowConfig()
    prefect: PrefectConfig = PrefectConfig()
    dask: DaskConfig = DaskConfig()
    notify: NotifyConfig = NotifyConfig()

    @property
    def reports_address(self) -> str:
        """The address under which people see the pages, without a slash at its end."""
        return (self.reports_url or f"http://127.0.0.1:{self.reports_port}").rstrip("/")

    @property
    def api_url(self) -> str:
        """The address of the Prefect API."""
        return self.prefect.api_url or f"http://{self.prefect.host}:{self.prefect.port}/api"
