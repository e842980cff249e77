"""The evidence of a promotion request as markdown: what an approver reads above the form."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC
from typing import Any

from plimsoll.approval import Request, may_approve
from plimsoll.judged_against import other_champion

SHORT = 12  # digits of a digest


def evidence_markdown(
    request: Request,
    champion: int | None,
    approvers: Sequence[str],
    page: str,
    refusal: str = "",
    given: Sequence[str] = (),
    enrolled: Collection[str] | None = None,
    mended: str = "",
    lapsed: str = "",
) -> str:
    """Return what an approver reads: the last refusal, who approved, gates, metrics beside the champion's, digests.

    champion is the champion now; a warning says so when the version was judged against another one. given: who has
    approved already. enrolled: who has a secret, None where that was not looked at. mended: what is said of
    pages that had been changed. lapsed: what is said of approvals that count no more.
    """
    parts = [
        f"> ### Not accepted\n> {refusal}" if refusal else "",
        f"## Shall {request.name} become champion?",
        _warning(request, champion),
        f"> **{mended}**" if mended else "",
        _deadline(request, approvers),
        _approvals(request, given),
        f"> **{lapsed}**" if lapsed else "",
        not_enrolled(may_approve(request, approvers), enrolled),
        _gates(request.summary),
        _metrics(request),
        _settings(request.summary),
        _left_out(request.summary),
        _digests(request),
        _reading(request.summary, page),
    ]
    return "\n\n".join(part for part in parts if part)


def _warning(request: Request, champion: int | None) -> str:
    said = other_champion(request, champion)
    return f"> **{said}**" if said else ""


def _deadline(request: Request, approvers: Sequence[str]) -> str:
    may = may_approve(request, approvers)
    until = f"{request.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"Asked by **{request.requested_by}** · expires **{until}** · may approve: **{', '.join(may) or 'nobody'}**"


def _approvals(request: Request, given: Sequence[str]) -> str:
    needed = request.policy.approvals
    who = ", ".join(given) or "nobody yet"
    return f"**{len(given)} of {needed} approvals**: {who}" if needed > 1 or given else ""


def not_enrolled(approvers: Sequence[str], enrolled: Collection[str] | None) -> str:
    """Return who of the approvers had no secret yet, in a line; nothing where that was not looked at.

    A form waits for days and is not drawn anew when somebody enrols, so the line says of when it is.
    """
    missing = [name for name in approvers if enrolled is not None and name not in enrolled]
    who = ", ".join(missing)
    return (
        f"Not enrolled when this was drawn, so without a code then: {who} (`plimsoll approver add NAME`)" if who else ""
    )


def _gates(summary: Mapping[str, Any]) -> str:
    return "\n".join(f"- {_gate(gate)}" for gate in summary.get("gates", ()))


def _gate(gate: Mapping[str, Any] | str) -> str:
    """Return what a gate said; requests made before gates could warn hold sentences, and gates that all passed."""
    told = {"pass": "passed", "warn": "**warned**", "fail": "**FAILED**"}
    return f"{told['pass']}: {gate}" if isinstance(gate, str) else f"{told[gate['verdict']]}: {gate['sentence']}"


def _metrics(request: Request) -> str:
    summary = request.summary
    champion = summary.get("champion") or {}
    rival = champion.get("metrics") or {}
    rival_name = f"champion v{champion['version']}" if champion else "no champion"
    rows = [f"| {name} | {_number(value)} | {_number(rival.get(name))} |" for name, value in _of(summary, "metrics")]
    if not rows:
        return ""
    judged = summary.get("judged_on") or {}
    where = f"On {judged['rows']:,} rows from {judged['from']} to {judged['to']}, " if judged else ""
    head = f"{where}of {summary['rows']:,} valid rows in all:" if summary.get("rows") else where
    return "\n".join([head, "", f"| | {request.name} | {rival_name} |", "|---|---|---|", *rows])


def _settings(summary: Mapping[str, Any]) -> str:
    return f"{summary['settings']}." if summary.get("settings") else ""


def _left_out(summary: Mapping[str, Any]) -> str:
    days = [f"- {date}: {reason}" for date, reason in _of(summary, "excluded_dates")]
    return "\n".join(["Left out by validation:", "", *days]) if days else ""


def _digests(request: Request) -> str:
    shown = [f"{name.replace('_', ' ')} `{digest[:SHORT]}`" for name, digest in sorted(request.evidence.items())]
    return f"Bound to {', '.join(shown)}: if one of them changes, an approval is void."


def _reading(summary: Mapping[str, Any], page: str) -> str:
    """Return links to the page, and to the card where the request says that there is one."""
    card = f" · [Model card]({page.removesuffix('.html')}-card.html)" if summary.get("card") else ""
    return f"[Full page]({page}){card}"


def _of(summary: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    return list((summary.get(name) or {}).items())


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "—"
