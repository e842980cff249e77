"""One line of the fleet: what a person has to know about a model among a hundred, folded from its ledger.

A line is kept beside the pages with the newest entry that it knows, so that a page about a hundred models reads a
hundred small files. What depends on the time of day, as that a request expired, is left to the reading.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from plimsoll.agreement import Agreement
from plimsoll.anytime import Anytime
from plimsoll.approval import open_requests
from plimsoll.business_date import business_dates, reached
from plimsoll.contenders import ALARMS, WINDOW_DAYS, contenders_of, last_judged
from plimsoll.model_config import ModelConfig
from plimsoll.outcomes import NightlyQuality, refused_words
from plimsoll.paired_bootstrap import Gain
from plimsoll.recommendation import Contender, Recommendation, recommend
from plimsoll.side_by_side import ERROR
from plimsoll.standing import Standing
from plimsoll.telling import rejected_last

INFORMS = ALARMS["inputs"]
FORMAT = 4  # lines of another one are folded anew
NIGHTS_NOW = 7  # whose mean loss is the quality now
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)  # before any request expired


@dataclass(frozen=True)
class Waiting:
    """A request that waits for a person until it expires."""

    version: int
    expires_at: str


@dataclass(frozen=True)
class FleetLine:
    """A model in short."""

    model: str
    purpose: str
    owner: str
    head: str  # digest of the newest entry that is told of; empty: none was written yet
    entries: int
    champion: int | None
    since: str  # business date; empty without a champion
    age_days: int | None  # of the champion, at the ledger's last business date
    max_age_days: int
    batch: str  # date of the last one that was scored
    rejected: str  # why the batch after it was not
    checked: str  # date of the last night that was judged
    alarms: tuple[str, ...]  # that were open then
    loss: float | None  # mean of the last nights with outcomes
    reference_loss: float | None  # median of the reference's nights
    waiting: tuple[Waiting, ...]
    contenders: tuple[Contender, ...]  # the champion and what scores beside it
    fault: str = ""  # why nothing is known of it
    refused: str = ""  # which outcomes of the last weeks cannot be used, and why
    format: int = FORMAT

    def at(self, now: datetime) -> "FleetLine":
        """Return the line as it is at a time: without requests that have expired by then."""
        waiting = tuple(one for one in self.waiting if datetime.fromisoformat(one.expires_at) > now)
        asks = {one.version for one in waiting}
        contenders = tuple(replace(one, asks=one.version in asks) for one in self.contenders)
        return replace(self, waiting=waiting, contenders=contenders)

    def among(self, models: int) -> "FleetLine":
        """Return the line with its bounds held to one chance of a mistake together with those of so many models."""
        count = max(len(self.contenders) - 1, 1)
        asked, was = ERROR / (count * max(models, 1)), ERROR / count
        held = (replace(one, lasting=one.lasting and one.lasting.held_to(asked, was)) for one in self.contenders)
        return replace(self, contenders=tuple(held))

    @property
    def recommended(self) -> list[tuple[Contender, Recommendation]]:
        """What to do about each version that scores beside the champion."""
        told = zip(self.contenders, recommend(self.contenders), strict=True)
        return [(one, what) for one, what in told if one.role != "champion"]

    @property
    def harms(self) -> tuple[str, ...]:
        """The alarms about losses; that inputs moved informs, and harms nobody by itself."""
        return tuple(alarm for alarm in self.alarms if alarm != INFORMS)

    @property
    def urgency(self) -> int:
        """How soon a person is needed; 0 is first."""
        acts = [what.action for _, what in self.recommended]
        old = self.age_days is not None and self.age_days > self.max_age_days
        asked = (
            self.fault,
            self.rejected,
            self.waiting,
            self.harms,
            self.refused,
            "promote" in acts,
            "retire" in acts,
            self.alarms or old,
        )
        last = len(asked) + (0 if self.champion is None and self.entries else 1 if self.champion else 2)
        return next((at for at, found in enumerate(asked) if found), last)

    def to_json(self) -> dict[str, Any]:
        """Return the line as JSON."""
        return asdict(self)


def fold_line(
    config: ModelConfig,
    standing: Standing,
    quality: Mapping[int, Sequence[NightlyQuality]] | None = None,
    refused: Mapping[str, str] | None = None,
) -> FleetLine:
    """Return the line of a model.

    quality holds late losses by version, of the last days at least; refused says of which dates they cannot be told.
    """
    last = standing.entries[-1] if standing.entries else None
    champion = standing.version(standing.champion) if standing.champion else None
    moved, batch, stopped = (
        standing.last("promoted", "rolled_back"),
        standing.newest("batch_committed"),
        rejected_last(standing),
    )
    judged = last_judged(standing)
    today = reached(standing.entries)
    age = (date.fromisoformat(today) - date.fromisoformat(champion.trained.as_of)).days if champion else None
    requests = open_requests(standing.entries, BEGINNING)
    return FleetLine(
        model=config.model,
        purpose=config.purpose.strip(),
        owner=config.owner,
        head=last.digest if last else "",
        entries=len(standing.entries),
        champion=standing.champion,
        since=business_dates(standing.entries)[moved.n] if moved else "",
        age_days=age,
        max_age_days=config.retrain.max_age_days,
        batch=str(batch.facts["date"]) if batch else "",
        rejected=str(stopped.facts["reason"]) if stopped else "",
        checked=str(judged.get("date", "")),
        alarms=tuple(word for name, word in ALARMS.items() if (judged.get(name) or {}).get("alarm")),
        loss=_loss_now((quality or {}).get(standing.champion or 0, ())),
        reference_loss=(judged.get("quality") or {}).get("reference_median"),
        waiting=tuple(Waiting(r.version, r.expires_at.isoformat()) for r in requests),
        contenders=tuple(contenders_of(config, standing, quality or {}, today, age)) if champion else (),
        refused=refused_words({date: why for date, why in (refused or {}).items() if date >= _window(today)}),
    )


def unknown_line(model: str, fault: str) -> FleetLine:
    """Return the line of a model of which nothing can be told, with the reason."""
    return FleetLine(model, "", "", "", 0, None, "", None, 0, "", "", "", (), None, None, (), (), fault)


def line_from_json(body: Any) -> FleetLine | None:
    """Return a kept line, None when it is of another format or no line at all."""
    try:
        if body["format"] != FORMAT:
            return None
        contenders = tuple(_contender(one) for one in body["contenders"])
        waiting = tuple(Waiting(**one) for one in body["waiting"])
        return FleetLine(**{**body, "alarms": tuple(body["alarms"]), "waiting": waiting, "contenders": contenders})
    except (KeyError, TypeError, ValueError):
        return None


def together(lines: Iterable[FleetLine]) -> list[FleetLine]:
    """Return lines that are looked at together: of however many models, 5 % is the chance that any is misjudged."""
    told = list(lines)
    models = sum(len(line.contenders) > 1 for line in told)
    return [line.among(models) for line in told]


def in_order(lines: Iterable[FleetLine]) -> list[FleetLine]:
    """Return lines in the order in which they need a person, by name among equals."""
    return sorted(lines, key=lambda line: (line.urgency, line.model))


def _contender(body: Mapping[str, Any]) -> Contender:
    gain = Gain(**body["gain"]) if body["gain"] else None
    lasting = Anytime(**body["lasting"]) if body["lasting"] else None
    agreement = Agreement(**body["agreement"]) if body["agreement"] else None
    made = {"gain": gain, "lasting": lasting, "agreement": agreement, "alarms": tuple(body["alarms"])}
    return Contender(**{**body, **made})


def _window(today: str) -> str:
    """Return since when outcomes that cannot be used are a reason to look: an older date is never mended."""
    return (date.fromisoformat(today) - timedelta(days=WINDOW_DAYS)).isoformat() if today else ""


def _loss_now(nights: Sequence[NightlyQuality]) -> float | None:
    """Return the mean loss of the rows of the last nights whose outcomes have come."""
    known = [night for night in nights if night.loss is not None][-NIGHTS_NOW:]
    rows = sum(night.outcomes for night in known)
    return sum((night.loss or 0.0) * night.outcomes for night in known) / rows if rows else None
