"""What an approver reads about all members of a family that ask at once, and which of them an answer is about."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from plimsoll.approval import Request, Status, may_approve
from plimsoll.approval_page import not_enrolled
from plimsoll.config_loading import nearest
from plimsoll.errors import ApprovalError
from plimsoll.judged_against import champion_judged

Key = tuple[str, int, int]  # a request: model, version, ledger entry
ALL = "all"
TOLD = 12  # gates that warned, and refusals, which are written out
LOSSES = ("log_loss", "mae")


@dataclass(frozen=True)
class Asked:
    """One member's request as it stands now."""

    request: Request
    status: Status
    champion: int | None  # of now
    given: tuple[str, ...]  # who has approved so far
    approvers: tuple[str, ...]  # who may approve it
    page: str  # address of the version's page
    lapsed: str = ""  # what is said of approvals that count no more

    @property
    def waits(self) -> bool:
        """Whether a decision about it can be taken."""
        return self.status.state == "waiting"

    @property
    def key(self) -> Key:
        """Which request it is."""
        return self.request.model, self.request.version, self.request.n


def chosen(said: str, shown: Sequence[Key]) -> list[Key]:
    """Return those of the shown requests that an answer names, as `model` or `model v2`; all by `all` or nothing.

    Raises ApprovalError for a model that is not among them: an answer that is partly misspelt decides nothing.
    """
    words = [word.strip().casefold() for word in said.replace(";", ",").split(",") if word.strip()]
    if not words or words == [ALL]:
        return [*shown]
    names = [name for one in shown for name in _names(one)]
    if strange := [word for word in words if word not in names]:
        raise ApprovalError(f"{strange[0]!r} is not in the table. Nothing was decided.{nearest(strange[0], names)}")
    return [one for one in shown if any(name in words for name in _names(one))]


def require_one_each(requests: Sequence[Request]) -> None:
    """Raise ApprovalError where an approval covers two versions of one model: only one can be champion."""
    for model in dict.fromkeys(request.model for request in requests):
        if len(mine := [request.name for request in requests if request.model == model]) > 1:
            raise ApprovalError(
                f"{' and '.join(mine)} cannot both become champion. Nothing was decided. Name one of them in the "
                f"form, as {mine[-1]!r}, or: plimsoll approve {mine[-1].replace(' v', ' ')} --as NAME"
            )


def _names(one: Key) -> tuple[str, str]:
    model, version, _ = one
    return model, f"{model} v{version}"


def family_markdown(
    family: str, asked: Sequence[Asked], refusal: str = "", enrolled: Collection[str] | None = None
) -> str:
    """Return what an approver reads: what became of the last answer, and a line per member with gates and evidence."""
    waits = [one for one in asked if one.waits]
    parts = [
        f"> ### What became of the last answer\n> {refusal}" if refusal else "",
        f"## Shall {_count(waits)} of {family} become champion?",
        _who(waits),
        not_enrolled(_approvers(waits), enrolled),
        _table(waits),
        _lapsed(waits),
        _warnings(waits),
        _void([one for one in asked if not one.waits]),
        "Each line is bound to its digests of model, data, code, config and gate report: if one of them changes, that "
        "line is refused by name, and the others are decided.",
    ]
    return "\n\n".join(part for part in parts if part)


def _count(waits: Sequence[Asked]) -> str:
    return "this version" if len(waits) == 1 else f"these {len(waits)} versions"


def _who(waits: Sequence[Asked]) -> str:
    first = min((one.request.expires_at for one in waits), default=None)
    who = ", ".join(sorted({one.request.requested_by for one in waits}))
    may = ", ".join(_approvers(waits)) or "nobody"
    until = f" · the first expires **{first.astimezone(UTC):%Y-%m-%d %H:%M} UTC**" if first else ""
    return f"Asked by **{who}**{until} · may approve some or all: **{may}** · one code decides about all lines named"


def _approvers(waits: Sequence[Asked]) -> list[str]:
    return sorted({name for one in waits for name in may_approve(one.request, one.approvers)})


def _table(waits: Sequence[Asked]) -> str:
    """Return a line per request in few columns: the dialog in which Prefect shows it is narrow, and breaks no line."""
    several = any(one.request.policy.approvals > 1 for one in waits)
    heads = ["model", "gates", "loss", "champion's", *(["approved by"] if several else [])]
    rows = [_cells(one, several) for one in waits]
    return "\n".join(_line(cells) for cells in [heads, ["---"] * len(heads), *rows])


def _cells(one: Asked, several: bool) -> list[str]:
    request, summary = one.request, one.request.summary
    given = f"{len(one.given)} of {request.policy.approvals} {', '.join(one.given)}".strip()
    card = f" · [card]({one.page.removesuffix('.html')}-card.html)" if summary.get("card") else ""
    name = f"[{request.name}]({one.page}){card}"
    losses = [_loss(summary.get("metrics")), _rival(one)]
    return [name, _gates(summary), *losses, *([given] if several else [])]


def _rival(one: Asked) -> str:
    """Return the champion's loss on the same rows; a warning where another one stands by now."""
    rival, judged = one.request.summary.get("champion") or {}, champion_judged(one.request)
    if judged != one.champion:
        now, against = (f"v{number}" if number else "none" for number in (one.champion, judged))
        return f"**{now} now**, judged against {against}"
    return f"{_loss(rival.get('metrics'))} (v{judged})" if judged else "none yet"


def _loss(metrics: Mapping[str, Any] | None) -> str:
    """Return the loss that rows are judged by: log loss of a yes or no, else the mean absolute error."""
    value = next((metrics[name] for name in LOSSES if name in metrics), None) if metrics else None
    return f"{value:.4f}" if isinstance(value, int | float) else "—"


def _gates(summary: Mapping[str, Any]) -> str:
    verdicts = [gate.get("verdict", "pass") if isinstance(gate, Mapping) else "pass" for gate in _of(summary)]
    words = {"pass": "{} passed", "warn": "**{} warned**", "fail": "**{} FAILED**"}
    return ", ".join(words[word].format(verdicts.count(word)) for word in words if word in verdicts) or "none"


def _warnings(waits: Sequence[Asked]) -> str:
    said = [
        f"- {one.request.name}: {gate['sentence']}"
        for one in waits
        for gate in _of(one.request.summary)
        if isinstance(gate, Mapping) and gate.get("verdict") != "pass"
    ]
    return "\n".join(["Gates that did not pass:", "", *few_lines(said)]) if said else ""


def _lapsed(waits: Sequence[Asked]) -> str:
    said = [f"- {one.request.name}: {one.lapsed}" for one in waits if one.lapsed]
    return "\n".join(["Approvals that count no more:", "", *few_lines(said)]) if said else ""


def _void(others: Sequence[Asked]) -> str:
    said = [f"- {one.status.sentence}" for one in others]
    return "\n".join(["Not to be decided:", "", *few_lines(said)]) if said else ""


def few_lines(lines: Sequence[str]) -> list[str]:
    """Return the first lines of a list, and how many more there are."""
    more = [f"- and {len(lines) - TOLD} more"] if len(lines) > TOLD else []
    return [*lines[:TOLD], *more]


def _of(summary: Mapping[str, Any]) -> Sequence[Any]:
    gates: Sequence[Any] = summary.get("gates") or ()
    return gates


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
