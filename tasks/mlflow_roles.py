"""Roles in MLflow's registry: trainers write `<model>_candidates`, only whoever promotes writes `<model>`.

MLflow has no permission on an alias, so a model has two registered models, and each its own permissions. Of
`<model>_candidates` the version number is that of the ledger, and its alias `challenger` the version that asks. Of
`<model>` the number only counts promoted versions: the tag `plimsoll.version` says which of the ledger it is, and the
alias `champion` points at the one that serves. The ledger is the truth; all of this mirrors it.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from plimsoll.archive import Head
from plimsoll.bundle import check_bundle
from plimsoll.errors import IntegrityError, ServerError
from tasks.mlflow_registry import FOLDER, connect, connected, read_files
from tasks.workspace import Workspace

SUFFIX = "_candidates"
VERSION = "plimsoll.version"  # tag of a version of <model>: its number in the ledger
HEAD = "plimsoll.ledger_head"  # tag of a registered model: a copy of the newest entry's digest outside the store
STRANGE = -1  # what an alias points at that names no version of the ledger


class Promoted(NamedTuple):
    """A version of `<model>` in MLflow."""

    number: int  # MLflow's
    version: int  # the ledger's; STRANGE where it names none
    source: str
    tags: dict[str, str]


def candidates_of(model: str) -> str:
    """Return the registered model that trainers write."""
    return f"{model}{SUFFIX}"


def register(workspace: Workspace, model: str, run_id: str, tags: Mapping[str, str], description: str) -> int:
    """Register a logged run's bundle as the next version of its model's candidates and return the number."""
    client, name = connect(workspace), candidates_of(model)
    make_registered(client, name)
    source = f"{client.get_run(run_id).info.artifact_uri}/{FOLDER}"
    version = client.create_model_version(name, source, run_id, tags=dict(tags), description=description)
    return int(version.version)


def make_registered(client: Any, name: str) -> None:
    """Make a registered model unless it is there."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise ServerError(f"MLflow refused to create the registered model {name}: {error.message}") from None


def require_numbers(workspace: Workspace, model: str, newest: int | None) -> None:
    """Raise IntegrityError where MLflow would give a new version a number that the ledger knows already.

    newest is the ledger's newest version. That is so where MLflow's database was lost, or holds another layout.
    """
    if newest is None:
        return
    name, client = candidates_of(model), connect(workspace)
    highest = max((int(v.version) for v in versions_of(client, name)), default=0)
    if highest < newest:
        found = f"found {f'v{highest}' if highest else 'none'}"
        raise IntegrityError(
            f"Expected v{newest} among the versions of {name} in MLflow, as the ledger has it, {found}. "
            f"{old_layout(workspace, model) or 'Restore the database of MLflow from a backup.'} Nothing was registered."
        )


def old_layout(workspace: Workspace, model: str) -> str:
    """Return in words that MLflow holds a model in the layout of before: trained versions in `<model>` itself."""
    client = connect(workspace)
    strange = [one for one in promoted_versions(client, model) if one.version == STRANGE]
    if not strange or any(True for _ in versions_of(client, candidates_of(model))):
        return ""
    numbers = ", ".join(f"v{one.number}" for one in strange)
    return (
        f"MLflow holds {numbers} of {model} and no {candidates_of(model)}: an earlier release of plimsoll wrote this "
        "home, and it is not converted. Go on with that release, or begin a new home."
    )


def promoted_versions(client: Any, model: str) -> list[Promoted]:
    """Return the versions of `<model>`, oldest first."""
    found = [Promoted(int(v.version), _number(v.tags), str(v.source), dict(v.tags)) for v in versions_of(client, model)]
    return sorted(found)


def mirror_alias(workspace: Workspace, model: str, alias: str, version: int | None) -> None:
    """Point an alias at a version of the ledger, or take it away; a champion is copied to `<model>` first."""
    name = _home_of(model, alias)
    with connected(workspace, f"move the alias {alias} of {name}") as client:
        if version is None:
            client.delete_registered_model_alias(name, alias)
            return
        number = _promoted_copy(client, model, version) if alias == "champion" else version
        client.set_registered_model_alias(name, alias, str(number))


def read_alias(workspace: Workspace, model: str, alias: str) -> int | None:
    """Return the ledger's version that an alias points at, None without such an alias, STRANGE where it names none."""
    from mlflow.exceptions import MlflowException

    try:
        found = connect(workspace).get_model_version_by_alias(_home_of(model, alias), alias)
    except MlflowException:
        return None
    return _number(found.tags) if alias == "champion" else int(found.version)


def mirror_head(workspace: Workspace, registered: str, head: Head) -> None:
    """Leave a copy of a ledger's head beside a registered model, unless a further one lies there."""
    seen = read_head_tag(workspace, registered)
    if seen is None or seen.n < head.n:
        with connected(workspace, f"tag {registered}") as client:
            client.set_registered_model_tag(registered, HEAD, f"{head.n}:{head.digest}")


def read_head_tag(workspace: Workspace, registered: str) -> Head | None:
    """Return the furthest head of a ledger that a registered model has seen, None when it has seen none.

    Raises IntegrityError when the tag is no head: somebody wrote over it.
    """
    from mlflow.exceptions import MlflowException

    try:
        tags = connect(workspace).get_registered_model(registered).tags
    except MlflowException:
        return None
    if HEAD not in tags:
        return None
    if not (found := re.fullmatch(r"([0-9]+):([0-9a-f]{64})", tags[HEAD])):
        raise IntegrityError(
            f"MLflow's tag {HEAD} of {registered} should be an entry and its digest, found {tags[HEAD]!r}: it was "
            f"changed by hand. Look at the ledger with `plimsoll verify {registered.removesuffix(SUFFIX)}`, then "
            "delete the tag."
        )
    return Head(int(found[1]), found[2])


def check_copy(workspace: Workspace, model: str, version: int, digest: str) -> None:
    """Raise IntegrityError unless MLflow's copy of a bundle is the one that the ledger names, signature and all."""
    name = candidates_of(model)
    where = f"MLflow {name} v{version}"
    check_bundle(read_files(connect(workspace), name, version, where), model, digest, workspace.archive.seal, where)


def _promoted_copy(client: Any, model: str, version: int) -> int:
    """Return the number of a version's copy in `<model>`, made on its first promotion from the same run and files."""
    there = promoted_versions(client, model)
    if found := next((one for one in there if one.version == version), None):
        return found.number
    if not there:
        make_registered(client, model)
    mine = client.get_model_version(candidates_of(model), str(version))
    tags = {**mine.tags, VERSION: str(version)}
    made = client.create_model_version(model, mine.source, mine.run_id, tags=tags, description=mine.description)
    return int(made.version)


def _home_of(model: str, alias: str) -> str:
    return model if alias == "champion" else candidates_of(model)


def _number(tags: Mapping[str, str]) -> int:
    said = str(tags.get(VERSION, ""))
    return int(said) if re.fullmatch(r"[1-9][0-9]{0,8}", said) else STRANGE


def versions_of(client: Any, name: str) -> list[Any]:
    """Return the versions of a registered model, in any order; none where there is no such model."""
    found, token = [], None
    while True:
        page = client.search_model_versions(f"name='{name}'", page_token=token)
        found += page
        if not (token := page.token):
            return found
