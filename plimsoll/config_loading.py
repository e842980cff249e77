"""From YAML to a frozen config, or one sentence that says what is wrong and what is allowed."""

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from plimsoll.errors import ConfigError

Config = TypeVar("Config", bound=BaseModel)
Location = tuple[int | str, ...]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where PyYAML was built with it: 3 ms, not 30


def parse_config(schema: type[Config], text: str, where: str) -> Config:
    """Return the config that a YAML text holds.

    Raises ConfigError naming file, field, what was found, what is allowed and the nearest right key.
    """
    return check_config(schema, parse_yaml(text, where), where)


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Return the mapping that a YAML text holds; ConfigError when it is not one."""
    try:
        body = yaml.load(text, Loader=LOADER)  # noqa: S506  # both are safe
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{where}{line}: expected YAML, found {_problem(error, text)}.") from None
    if not isinstance(body, dict):
        raise ConfigError(f"{where}: expected a mapping of keys to values, found {type(body).__name__}.")
    return body


def _problem(error: yaml.YAMLError, text: str) -> str:
    """Return what was found in place of YAML; a tab cannot be seen, so it is named."""
    said, mark = (
        str(getattr(error, "problem", None) or error).removeprefix("found "),
        getattr(error, "problem_mark", None),
    )
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    indented = line[: len(line) - len(line.lstrip())]
    return "a tab at the beginning of the line; indent with spaces" if "\t" in indented else said


def check_config(schema: type[Config], body: Mapping[str, Any], where: str) -> Config:
    """Return body as a checked config; ConfigError with one line per mistake otherwise."""
    try:
        return schema.model_validate(body)
    except ValidationError as error:
        lines = [_sentence(schema, e["type"], e["loc"], e["msg"], e["input"]) for e in error.errors()]
        raise ConfigError("\n".join(f"{where}: {line}" for line in dict.fromkeys(lines))) from None


def nearest(found: str, allowed: list[str]) -> str:
    """Return ' Did you mean x?' for the nearest allowed word, else the list of what is allowed."""
    close = difflib.get_close_matches(found, allowed, n=1)
    return f" Did you mean {close[0]}?" if close else f" Allowed: {', '.join(sorted(allowed))}."


def _sentence(schema: type[BaseModel], kind: str, loc: Location, message: str, found: Any) -> str:
    field = ".".join(str(part) for part in loc) or "(whole file)"
    if kind == "extra_forbidden":
        near = nearest(str(loc[-1]), _siblings(schema, loc[:-1]))
        cut = " If it is the rest of a text, quote the text: it has a comma." if found is None else ""
        return f"unknown key {field}.{near}{cut}"
    if kind == "missing":
        return f"{field} is missing; it has no default."
    said = message.removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
    if isinstance(found, dict | list):
        return f"{field}: {said}{'' if said.endswith('?') else '.'}"
    return f"{field}: {said}; found {found!r}."


def _siblings(schema: type[BaseModel], loc: Location) -> list[str]:
    """Return the keys allowed at a place inside a schema."""
    here: type[BaseModel] | None = schema
    for part in loc:
        if isinstance(part, int) or here is None:
            continue
        here = _model_in(here.model_fields[part].annotation) if part in here.model_fields else None
    return list(here.model_fields) if here else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)


def overlay(body: Mapping[str, Any], environ: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """Return body with the values of prefixed environment variables laid over it.

    `PREFIX_A__B=x` sets body["a"]["b"]; values are read as YAML scalars, so numbers stay numbers.
    Raises ConfigError for a name that goes below a plain value, or a value that is not YAML.
    """
    merged: dict[str, Any] = dict(body)
    for name in sorted(n for n in environ if n.startswith(prefix)):
        *parents, leaf = name.removeprefix(prefix).lower().split("__")
        here = merged
        for parent in parents:
            if not isinstance(below := here.get(parent) or {}, Mapping):
                raise ConfigError(f"{name}: {parent} is a plain value, so nothing can be set below it.")
            here[parent] = dict(below)
            here = here[parent]
        here[leaf] = _scalar(environ[name], name)
    return merged


def _scalar(text: str, name: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: expected a YAML value, found {_problem(error, text)}.") from None
