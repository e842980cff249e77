"""Types of columns that a source does not say: from the config, or settled once from the data and kept.

A type is never guessed file by file: a column that looks otherwise on another day is an error, not another type.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from plimsoll.archive import Archive, get_sealed, put_sealed
from plimsoll.config_loading import nearest
from plimsoll.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

Guess = Callable[[list[str]], dict[str, str]]
WHOLE = r"^-?(0|[1-9][0-9]{0,17})$"  # no leading zeros: 007 is a name
NUMBER = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"
TRUTH = r"^(true|false|True|False|TRUE|FALSE)$"
TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
PATTERNS = {
    "boolean": TRUTH,
    "integer": WHOLE,
    "number": NUMBER,
    "utc_time": rf"{TIME}(Z|[-+][0-9]{{2}}:?[0-9]{{2}})$",
    "time": rf"{TIME}$",
}  # the first that fits every value; else text
LEADING_ZERO = r"^[-+]?0[0-9]"


def arrow_type(word: str) -> "pa.DataType":
    """Return the arrow type of a word of the config."""
    import pyarrow as pa

    return {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "time": pa.timestamp("us"),
        "utc_time": pa.timestamp("us", "UTC"),
    }[word]


def settle_types(
    archive: Archive, place: str, stated: Mapping[str, str], columns: list[str], guess: Guess
) -> dict[str, str]:
    """Return a word for the type of every column, in order.

    What the config states comes first; what was settled under this place before is kept; for the rest `guess` looks
    at the data, and its answer is settled: the first writer's, when two settle at once.
    """
    while True:
        settled, count = _settled(archive, place)
        known = {**settled, **stated}
        if not (unknown := [name for name in columns if name not in known]):
            return {name: known[name] for name in columns}
        put_sealed(archive, _key(place, count), guess(unknown))


def guess_types(batches: Iterable["pa.RecordBatch"], columns: list[str]) -> dict[str, str]:
    """Return the narrowest word that fits every value of each column of text; text for a column without values."""
    fits = {name: list(PATTERNS) for name in columns}
    seen: set[str] = set()
    for batch in batches:
        for name in columns:
            values = batch.column(name).drop_null()
            if len(values) and fits[name]:
                seen.add(name)
                fits[name] = [word for word in fits[name] if _all_fit(values, word)]
    return {name: (fits[name] or ["text"])[0] if name in seen else "text" for name in columns}


def check_stated(stated: Mapping[str, str], columns: list[str], where: str) -> None:
    """Raise DataError when a type is stated for a column that is not there."""
    for name in stated:
        if name not in columns:
            raise DataError(f"{where}: column {name} is missing, and types names it.{nearest(name, columns)}")


def _all_fit(values: "pa.Array", word: str) -> bool:
    import pyarrow.compute as pc

    fits = pc.all(pc.match_substring_regex(values, PATTERNS[word])).as_py()
    if word == "number" and fits:
        return not pc.any(pc.match_substring_regex(values, LEADING_ZERO)).as_py()
    return bool(fits)


def _settled(archive: Archive, place: str) -> tuple[dict[str, str], int]:
    """Return what was settled for a place, and how many times."""
    settled: dict[str, str] = {}
    count = 0
    while body := get_sealed(archive, _key(place, count)):
        settled = {**body, **settled}
        count += 1
    return settled, count


def _key(place: str, n: int) -> str:
    return f"types/{place}/{n:04d}.json"
