"""The platform config: every difference between a laptop and a company's installation, in one file.

Any field can be set by an environment variable with the prefix PLIMSOLL_ and two underscores between
levels: PLIMSOLL_PREFECT__PORT=4300 sets prefect.port.
"""

from typing import Annotated, Literal

from pydantic import Field

from plimsoll.model_config import Part

Port = Annotated[int, Field(ge=1, le=65535)]


class StoreConfig(Part):
    """The object store: records, ledger, snapshots, profiles."""

    url: str = "{home}/store"  # a folder, or s3://bucket/prefix
    endpoint_url: str | None = None  # an S3 server that is not Amazon's; keys come from the usual AWS variables


class PredictionsConfig(Part):
    """The Delta table of predictions."""

    url: str = "{home}/predictions"  # a folder, or s3://bucket/prefix


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
    work_pool: str = "plimsoll"


class PlatformConfig(Part):
    """Where everything lives and how runs are started."""

    home: str = ".plimsoll"  # relative to the project folder
    data: str = "{home}/landing"  # the data root that model configs' paths start from
    dispatch: Literal["inline", "deployment"] = "inline"  # commands and retrains: in this process, or by a worker
    engine: Literal["local"] = "local"  # what computes: this machine; a cluster is not supported yet
    reports_port: Port = 4280
    store: StoreConfig = StoreConfig()
    predictions: PredictionsConfig = PredictionsConfig()
    mlflow: MlflowConfig = MlflowConfig()
    prefect: PrefectConfig = PrefectConfig()

    @property
    def api_url(self) -> str:
        """The address of the Prefect API."""
        return self.prefect.api_url or f"http://{self.prefect.host}:{self.prefect.port}/api"
