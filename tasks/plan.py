"""The way a model's rows take from file to prediction, told before anything runs."""

from typing import Any

from plimsoll.assembled import CHUNK_ROWS
from plimsoll.model_config import ModelConfig
from plimsoll.platform_config import PlatformConfig
from plimsoll.standing import Standing
from tasks.batches import roles_of
from tasks.champion import standing_of
from tasks.workspace import Workspace


def explain_scoring(workspace: Workspace, model: str) -> dict[str, Any]:
    """Return each step of scoring one batch of a model, in order, with its reason."""
    config = workspace.model(model)
    standing = standing_of(workspace, model)
    return {
        "model": _who(config, standing),
        "read": _read(config),
        "assemble": _assemble(config),
        "validate": "Great Expectations on DuckDB, over Arrow or parquet in place; bad rows are looked for by key only "
        "where a rule was broken",
        "encode": f"{_count(len(config.categories), 'category', 'categories')} to codes in Arrow, "
        f"{_count(len(config.feature_names), 'column', 'columns')} in one float32 matrix",
        "predict": _predict(config),
        "write": "one part file for each version, staged in the predictions table; one Delta commit "
        "makes the champion's visible, another one those of its shadows",
        "engine": f"{_engine(workspace.platform)}; within a date, the next chunk is read and the last one written "
        "while one is predicted",
    }


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _engine(platform: PlatformConfig) -> str:
    if platform.engine == "dask":
        return f"dask: each date by a worker of {platform.dask.address}, as engine says; it commits for itself"
    if platform.processes == 1:
        return "local: dates one after the other in the run's own process, since processes is 1"
    return f"local: up to {platform.processes} dates at once, each by a process of its own, as processes says"


def _who(config: ModelConfig, standing: Standing) -> str:
    if standing.champion is None:
        return f"{config.model} has no champion yet, so nothing would be scored"
    roles = ", ".join(f"v{number} ({role})" for number, role in roles_of(config, standing, standing.champion))
    after = (
        "; the champion is committed first, the others follow in one pass over the same rows" if "," in roles else ""
    )
    return f"{config.model}: {roles}{after}"


def _read(config: ModelConfig) -> str:
    if config.source.as_delivered:
        return f"{config.source.where}: parquet kept byte for byte, its digest checked, then read"
    return f"{config.source.where}: written once as canonical parquet, then read"


def _assemble(config: ModelConfig) -> str:
    steps = [f"lookup {one.name}" for one in config.source.lookups]
    steps += [f"function {config.features.function}"] if config.features.function else []
    if config.features.whole_batch:
        return f"{', '.join(steps)}; the whole batch in memory, since features.whole_batch is true"
    return (
        f"{', '.join(steps) or 'nothing to join or compute'}; up to {CHUNK_ROWS:,} rows in memory, a larger batch in "
        "chunks of as many through a scratch file"
    )


def _predict(config: ModelConfig) -> str:
    kind, threads = config.estimator.kind, config.estimator.threads
    if kind == "xgboost" or (config.estimator.external and not config.estimator.external.path.endswith(".skops")):
        return f"fast path: XGBoost's inplace_predict on the matrix, {threads} threads"
    return f"general path: scikit-learn on the matrix ({kind}), as it has no faster way"
