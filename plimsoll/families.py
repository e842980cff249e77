"""Families: one config template makes many similar models, each of them about the rows with one value of a column."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, field_validator

from plimsoll.config_loading import check_config
from plimsoll.config_part import Name, Part
from plimsoll.errors import ConfigError

Value = str | int | bool
LONGEST = 63  # characters of a model's name
OF_ALL = frozenset({"model", "segment", "owner", "schedule", "for_each"})  # a family has one of each
NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


class Segment(Part):
    """The rows that a model is about: those with one value of a column, the batch's own or one that is joined."""

    column: str
    value: Value
    family: Name | None = None  # the template that made this model; its suite judges the whole batch


class ForEach(Part):
    """What makes a family: a column, and the values that each get a model, with what is different for one of them."""

    column: str
    values: dict[Value, dict[str, Any]] = Field(min_length=1)

    @field_validator("values", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        """Return a list of values as values for which nothing is different."""
        if not isinstance(given, list):
            return {value: own or {} for value, own in given.items()} if isinstance(given, dict) else given
        if strange := [one for one in given if not isinstance(one, str | int | bool)]:
            raise ValueError(f"lists {strange[0]!r}; with something of their own values are a mapping, as EWR: {{}}")
        if twice := sorted({str(value) for value in given if given.count(value) > 1}):
            raise ValueError(f"names {', '.join(twice)} twice")
        return {value: {} for value in given}

    @field_validator("values")
    @classmethod
    def _of_one(cls, values: dict[Value, dict[str, Any]]) -> dict[Value, dict[str, Any]]:
        for value, own in values.items():
            if shared := sorted(OF_ALL & set(own)):
                raise ValueError(f"gives {value} its own {', '.join(shared)}, which all members have in common")
        return values


def members_of(body: Mapping[str, Any], where: str) -> dict[str, dict[str, Any]]:
    """Return the config of every member of a template by its model name, in the order of the values.

    `{column}` in a text of the template becomes the member's value. Raises ConfigError for a for_each that cannot be
    read, and for two values that would give one name.
    """
    family = str(body.get("model", ""))
    if "segment" in body:
        raise ConfigError(f"{where}: segment and for_each exclude each other, found both. Take one of them out.")
    asked = check_config(ForEach, _mapping(body["for_each"], where), f"{where}: for_each")
    found: dict[str, dict[str, Any]] = {}
    for value, own in asked.values.items():
        name = member_name(family, value)
        if name in found or len(name) > LONGEST:
            why = "two values give this name" if name in found else f"a name has {LONGEST} characters at most"
            raise ConfigError(f"{where}: for_each makes the model {name!r}, and {why}. Found the value {value!r}.")
        template = {key: _filled(part, asked.column, value) for key, part in body.items() if key != "for_each"}
        segment = {"column": asked.column, "value": value, "family": family}
        found[name] = {**dict(_merged(template, own)), "model": name, "segment": segment}
    return found


def member_name(family: str, value: Value) -> str:
    """Return the name of a family's model for a value: the family's, and the value in small letters and digits."""
    return f"{family}_{NOT_IN_NAMES.sub('_', str(value).lower()).strip('_')}"


def segment_value(cell: Any) -> Value | None:
    """Return a cell of a column as a value of for_each; None for what can be none: moments, fractions."""
    plain = cell.item() if hasattr(cell, "item") else cell
    if isinstance(plain, float) and plain.is_integer():
        return int(plain)  # a whole number beside missing ones
    return plain if isinstance(plain, str | int | bool) else None


def _mapping(found: Any, where: str) -> Mapping[str, Any]:
    if isinstance(found, dict):
        return found
    raise ConfigError(
        f"{where}: for_each needs a column and its values, found {found!r}. Their list, to paste here: "
        "plimsoll segments MODEL --by COLUMN"
    )


def _filled(part: Any, column: str, value: Value) -> Any:
    if isinstance(part, dict):
        return {key: _filled(inner, column, value) for key, inner in part.items()}
    if isinstance(part, list):
        return [_filled(inner, column, value) for inner in part]
    return part.replace(f"{{{column}}}", str(value)) if isinstance(part, str) else part


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the items of a template with what is different for one member; of mappings key by key."""
    for key in dict.fromkeys((*below, *above)):
        one, other = below.get(key), above.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield key, dict(_merged(one, other))
        else:
            yield key, other if key in above else one
