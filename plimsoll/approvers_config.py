"""The approvers: who may do what about which models."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from plimsoll.config_part import Part

FILE = "configs/approvers.yaml"
RESERVED = frozenset({"policy"})  # decides where approval.policy is automatic, and is nobody
Role = Literal["approver", "reviewer", "steward"]
MAY: dict[Role, frozenset[str]] = {
    "approver": frozenset({"approve", "reject", "roll back", "retire"}),
    "reviewer": frozenset({"reject"}),
    "steward": frozenset({"invite", "remove"}),
}


class Approver(Part):
    """One person, the models they may decide about, and what they may do."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,62}$")]
    models: Annotated[list[str], Field(min_length=1)]  # names, or patterns such as late_from_*; * is all of them
    roles: Annotated[list[Role], Field(min_length=1)] = ["approver"]

    def may(self, act: str) -> bool:
        """Return whether one of the roles allows an act: approve, reject, roll back, retire, invite, remove."""
        return any(act in MAY[role] for role in self.roles)


class ApproversConfig(Part):
    """Everyone who has a say about models, or about who has one."""

    approvers: Annotated[list[Approver], Field(min_length=1)]

    @model_validator(mode="after")
    def _once(self) -> "ApproversConfig":
        names = [approver.name for approver in self.approvers]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"approvers names {', '.join(sorted(twice))} twice")
        if reserved := RESERVED & set(names):
            raise ValueError(f"approvers names {', '.join(reserved)}, which is no person's name here")
        if not self.stewards:
            roles = ", ".join(get_args(Role))
            raise ValueError(f"approvers needs one with the role steward, who lets others in; roles are {roles}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Everyone, sorted."""
        return tuple(sorted(a.name for a in self.approvers))

    @property
    def stewards(self) -> tuple[str, ...]:
        """Who may let others in, sorted."""
        return tuple(sorted(a.name for a in self.approvers if a.may("invite")))

    def names_for(self, model: str, act: str = "approve") -> tuple[str, ...]:
        """Return who may do something about a model, sorted."""
        mine = (a for a in self.approvers if any(fnmatchcase(model, one) for one in a.models))
        return tuple(sorted(a.name for a in mine if a.may(act)))


def approver_named(who: str, approvers: Sequence[str]) -> str | None:
    """Return the approver that a typed name means, None when it means nobody."""
    return next((name for name in approvers if name.casefold() == who.strip().casefold()), None)


def too_few(model: str, needed: int, approvers: Sequence[str], requester: str, not_requester: bool) -> str:
    """Return in a sentence that a model asks for more approvals than people may give, else nothing.

    requester is who asks for the promotion, empty where nobody is known yet; not_requester: they may not approve it.
    """
    own = approver_named(requester, approvers) if not_requester else None
    may = [name for name in approvers if name != own]
    if len(may) >= needed:
        return ""
    people = "1 person" if len(may) == 1 else f"{len(may) or 'no'} people"
    named = f" ({', '.join(may)})" if may else ""
    but = f"; {own} asks, and may not approve that" if own else ""
    return (
        f"{model} needs {needed} approval{'s' if needed > 1 else ''}, and {people} may approve it{named}{but}: its "
        f"request could only expire. Add approvers to {FILE}, or ask for fewer in approval.approvals."
    )


def not_allowed(who: str, act: str, about: str, approvers: Sequence[str]) -> str:
    """Return the sentence for someone who may not do something, listing who may."""
    may = f"May {act}: {', '.join(approvers)}" if approvers else "Nobody may yet"
    if not who.strip():
        return f"Expected the name of whoever wants to {act} {about}, found none. {may} ({FILE})."
    return f"{who.strip()!r} may not {act} {about}. {may} ({FILE})."
