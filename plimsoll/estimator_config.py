"""The estimator's part of a model config: which learner, or which model from elsewhere."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from plimsoll.config_part import Part
from plimsoll.estimator_params import param_faults

Positive = Annotated[int, Field(ge=1)]
Memory = Literal["in_memory", "external", "dask"]
BYTES_A_CELL = 30  # of rows × features, at the peak of a training in memory
EXTERNAL_CELLS = 100_000_000  # from so many on rows lie in files: some 3 GB in memory
FIT_IN_MEMORY = frozenset({"logistic", "ridge"})


class External(Part):
    """A model that was trained elsewhere: a file of XGBoost (.ubj, .json) or skops, named by its digest."""

    path: str  # from the project folder
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    allow_pickle: bool = False  # true: the file may be a pickle; it runs code once, when it is converted


class Estimator(Part):
    """The learner and its settings."""

    kind: Literal["xgboost", "logistic", "ridge", "external"]
    external: External | None = None  # with kind external only
    params: dict[str, float | int | str | bool] = {}
    rounds: Positive = 200
    seed: int = 7
    threads: Positive = 2
    memory: Literal["auto", "in_memory", "external", "dask"] = "auto"  # where rows lie while they train
    workers: Positive = 2  # with memory dask: how many workers of the cluster train; another number, other bytes

    @field_validator("params")
    @classmethod
    def _are_known(cls, params: dict[str, float | int | str | bool], info: ValidationInfo) -> Any:
        if "kind" in info.data and (faults := param_faults(info.data["kind"], params)):
            raise ValueError(faults)
        return params

    @model_validator(mode="after")
    def _external_is_named(self) -> "Estimator":
        if (self.kind == "external") != (self.external is not None):
            raise ValueError("kind external and the part external (path, sha256) go together")
        if self.memory in ("external", "dask") and self.kind in FIT_IN_MEMORY:
            raise ValueError(f"memory {self.memory} is for xgboost: {self.kind} is fitted by scikit-learn, in memory")
        return self

    def memory_for(self, rows: int, columns: int) -> Memory:
        """Return where so many rows lie while they train: as asked, else in files from EXTERNAL_CELLS values on."""
        if self.memory != "auto":
            return self.memory
        return "external" if rows * columns >= EXTERNAL_CELLS else "in_memory"
