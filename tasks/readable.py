"""Which models can be read: one that cannot harms no other, and is named with the reason."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from plimsoll.errors import ConfigError, DataError, IntegrityError, PlimsollError
from plimsoll.model_config import ModelConfig
from tasks.workspace import Workspace

Found = TypeVar("Found")


class Fault(NamedTuple):
    """A model, or a family by its own name, of which nothing can be told, and why."""

    name: str
    error: PlimsollError


class Readable(NamedTuple):
    """The configs that can be read, and why the others cannot."""

    configs: tuple[ModelConfig, ...]
    faults: tuple[Fault, ...]


def readable_models(workspace: Workspace) -> Readable:
    """Return the config of every model that can be read, by name; a family whose template cannot is one fault."""
    return Readable(*each_readable(workspace, lambda config: config))


def each_readable(
    workspace: Workspace, look: Callable[[ModelConfig], Found], names: Sequence[str] | None = None
) -> tuple[tuple[Found, ...], tuple[Fault, ...]]:
    """Return what look says of each of some models, or of all, in their order, and of which it cannot say anything.

    What is wrong with no single model, as a server that does not answer, is raised.
    """
    found, faults = list[Found](), list[Fault]()
    for name in workspace.listed if names is None else names:
        try:
            found.append(look(workspace.model(name)))
        except (ConfigError, DataError, IntegrityError) as error:
            faults.append(Fault(name, error))
    return tuple(found), tuple(faults)
