"""Own rows: a version scores and is judged with the features and joins of its training, beside those of today."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from plimsoll.assembly import KEY
from plimsoll.bundle import Bundle
from plimsoll.encoder import Encoder
from plimsoll.errors import DataError
from plimsoll.model_config import Features, ModelConfig
from plimsoll.source_config import JOINING, Source


def own_features(today: Features, then: Features) -> Features:
    """Return the features that a version was trained with; today's where they are the same inputs.

    What today's config says of a column of the same name and kind holds: its reason, and whether it may be empty.
    """
    now = {(one.name, one.kind): one for one in today.columns}
    whole = today.whole_batch if today.function == then.function else then.whole_batch
    columns = [now.get((one.name, one.kind), one) for one in then.columns]
    return then.model_copy(update={"columns": columns, "whole_batch": whole})


def own_source(today: Source, then: Source) -> Source:
    """Return the source by whose times and joins a version's rows were made, where today's tables lie.

    A lookup that today's config does not name any more is left out: `lost_lookups` tells of it.
    """
    now = {one.name: one for one in today.lookups}
    joins = [
        now[one.name].model_copy(update={name: getattr(one, name) for name in JOINING})
        for one in then.lookups
        if one.name in now
    ]
    times = {"event_time": then.event_time or today.event_time, "decision_lead_minutes": then.decision_lead_minutes}
    return today.model_copy(update={**times, "lookups": joins})


def lost_lookups(today: Source, then: Source) -> list[str]:
    """Return the lookups that a version was trained with and that today's config does not name."""
    return sorted({one.name for one in then.lookups} - {one.name for one in today.lookups})


def not_its_own(today: ModelConfig, own: ModelConfig) -> frozenset[str]:
    """Return the columns of today that a version does not have: nobody can ask that its rows have them."""
    return _columns(today) - _columns(own)


def _columns(config: ModelConfig) -> frozenset[str]:
    return frozenset(config.feature_names).union(*(one.columns for one in config.source.lookups))


def beside_name(key: str, column: str) -> str:
    """Return the name of a column of other features among the rows of today's."""
    return f"__{key}__{column}"


def put_beside(
    chunks: Iterable[pd.DataFrame], others: Iterable[pd.DataFrame] | None, config: ModelConfig
) -> Iterator[pd.DataFrame]:
    """Yield chunks with the columns of another config's features, from the same rows assembled with that config.

    The chunks may be cut otherwise; without others the columns are null. Raises DataError unless the rows and their
    order are the same.
    """
    names = {name: beside_name(config.features_key, name) for name in config.feature_names}
    if others is None:
        yield from (chunk.assign(**dict.fromkeys(names.values(), float("nan"))) for chunk in chunks)
        return
    supply = iter(others)
    waiting = next(supply, pd.DataFrame({KEY: []}))
    for chunk in chunks:
        while len(waiting) < len(chunk) and (more := next(supply, None)) is not None:
            waiting = pd.concat([waiting, more], ignore_index=True)
        mine, waiting = waiting.iloc[: len(chunk)], waiting.iloc[len(chunk) :]
        if list(mine[KEY]) != list(chunk[KEY]):
            raise DataError(f"{config.model}: features.function {config.features.function} gives other rows, or order.")
        added = mine[[*names]].rename(columns=names).set_axis(chunk.index)
        yield pd.concat([chunk, added], axis=1)


def without_beside(frame: pd.DataFrame, config: ModelConfig | None) -> pd.DataFrame:
    """Return rows as they are without the columns of another config's features."""
    if config is None:
        return frame
    return frame.drop(columns=[beside_name(config.features_key, name) for name in config.feature_names])


def reading_beside(bundle: Bundle, config: ModelConfig) -> Bundle:
    """Return a bundle that reads its inputs where `put_beside` put them."""
    key, encoder = config.features_key, bundle.encoder
    columns: Sequence[str] = [beside_name(key, name) for name in encoder.columns]
    words = {beside_name(key, name): known for name, known in encoder.words.items()}
    return replace(bundle, encoder=Encoder(tuple(columns), words))
