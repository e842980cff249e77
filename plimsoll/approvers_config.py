"""The approvers: who may decide about which models."""

from typing import Annotated

from pydantic import Field, model_validator

from plimsoll.config_part import Part

ALL = "*"


class Approver(Part):
    """One person and the models they may decide about."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,62}$")]
    models: Annotated[list[str], Field(min_length=1)]


class ApproversConfig(Part):
    """Everyone who may approve or reject."""

    approvers: Annotated[list[Approver], Field(min_length=1)]

    @model_validator(mode="after")
    def _once(self) -> "ApproversConfig":
        names = [approver.name for approver in self.approvers]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"approvers names {', '.join(sorted(twice))} twice")
        return self

    def names_for(self, model: str) -> tuple[str, ...]:
        """Return who may decide about a model, sorted."""
        return tuple(sorted(a.name for a in self.approvers if ALL in a.models or model in a.models))
