"""A family compared: each member's champion beside the models of the whole batch, on the member's rows."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from plimsoll.compared import Compared, Facts, gain_cell, losses
from plimsoll.errors import PlimsollError
from plimsoll.side_by_side import Beside
from tasks.comparing import compare_versions
from tasks.same_rows import SHELF_ROWS, Shelf
from tasks.workspace import Workspace

HEADS = ["model", "loss", "its own", "gain over its own", "do"]
ACTS = ("promote", "retire")


@dataclass(frozen=True)
class MemberCompared:
    """What was found of one member, or why nothing was."""

    model: str
    found: Compared | None
    fault: str = ""

    @property
    def rows(self) -> list[list[str]]:
        """The member as lines of a table: its champion, and below it what else scored its rows."""
        if self.found is None:
            return [[self.model, "", "", "", "see below"]]
        return [
            [_name(self.model, facts, beside), *losses(beside), gain_cell(facts, beside), what.action]
            for facts, beside, what in self.found.versions
        ]

    @property
    def asked(self) -> list[tuple[str, str]]:
        """What a person has to know or do about it: why nothing was found, whom to promote or retire, and why."""
        if self.found is None:
            return [(self.model, self.fault)]
        return [(self.model, what.sentence) for _, _, what in self.found.versions if what.action in ACTS]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"model": self.model, **(self.found.to_json() if self.found else {"fault": self.fault})}


def compare_family(
    workspace: Workspace, family: str, days: int, until: dt.date | None, now: dt.datetime
) -> list[MemberCompared]:
    """Compare every member of a family, all of them held to one chance of a mistake; one that cannot be is told why."""
    members, shelf = workspace.members(family), Shelf(SHELF_ROWS)
    return [_compared(workspace, name, days, until, now, len(members), shelf) for name in members]


def _compared(
    workspace: Workspace, model: str, days: int, until: dt.date | None, now: dt.datetime, tables: int, shelf: Shelf
) -> MemberCompared:
    try:
        return MemberCompared(model, compare_versions(workspace, model, days, until, now, tables, shelf))
    except PlimsollError as error:
        return MemberCompared(model, None, str(error))


def _name(model: str, facts: Facts, beside: Beside) -> str:
    """Return a version's name in the table: the champion's with its model, below it the others."""
    if facts.role == "champion":
        return f"{model} {beside.name}"
    return f"  {beside.name}" if facts.role == "other" else f"  {beside.name}, {facts.ended or facts.role}"


def family_sentence(found: list[MemberCompared]) -> str:
    """Return for how many members a model of the whole batch is surely better or worse than their own."""
    others = [
        contender
        for member in found
        if member.found  # the others say why not, in their line
        for facts, beside, _ in member.found.versions
        if facts.role == "other" and (contender := facts.contender(beside, 0))
    ]
    if not others:
        return "No model of the whole batch scored the same rows, so nothing says whether one for all would do as well."
    judged = [one for one in others if one.gain is not None]
    better, worse = (sum(one.surely == word for one in judged) for word in ("worse", "better"))
    early = f" {len(others) - len(judged)} have too few nights to say." if len(judged) < len(others) else ""
    return (
        f"Of {len(judged)} comparisons with a model of the whole batch, the member's own is surely better in {better}, "
        f"surely worse in {worse}, and not surely different in {len(judged) - better - worse}; that any of this is "
        f"said by chance has a probability of at most 5 %, each time that somebody looks.{early} "
        "Where a member's own is not surely better after a month, one model for all is enough."
    )
