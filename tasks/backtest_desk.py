"""The desk of a backtest: replays ask, it answers from what is kept, or has it made by processes of this machine.

Work is parallel over models, not over policies: what two policies ask for is made once, and a policy that trains every
week does not hold up the others.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from functools import cached_property
from typing import Any

from plimsoll.backtest_parts import (
    Course,
    Duel,
    Fight,
    History,
    Look,
    Model,
    NightLoss,
    Request,
    Seen,
    Study,
    Train,
    block_of,
    known_dates,
)
from plimsoll.gate_result import GateResult
from plimsoll.night_verdict import NIGHTS_SEEN
from tasks.backtest_crew import Crew, result_of
from tasks.backtest_keys import Made
from tasks.backtest_work import Bench, Looking, Training, assemble_dates, fight, look, study, train
from tasks.stage import get_run_logger

DATES_TOGETHER = 7  # that a worker assembles at once
Replay = Generator[Request, Any, Course]


class Desk:
    """Answers what replays ask. No dataclass: it holds processes, and what it has answered."""

    def __init__(self, bench: Bench, made: Made, history: History, crew: Crew) -> None:
        self.bench, self.made, self.history, self.crew = bench, made, history, crew
        self.kept = bench.kept
        self.models: dict[str, Model] = {}
        self.laid: set[str] = set()  # dates whose rows workers were asked to assemble

    @cached_property
    def nights(self) -> list[str]:
        """The dates of the nights that validation let pass."""
        return [night.date for night in self.history.nights if not night.stopped]

    def answer(self, request: Request) -> Any | None:
        """Return what is asked for when it is kept, else None."""
        if isinstance(request, Train):
            return self._model(request)
        if isinstance(request, Study):
            return self._folds(request.model)
        if isinstance(request, Fight):
            return self._duel(request)
        return self._seen(request)

    def order(self, request: Request) -> Future[Any]:
        """Have a worker make what is asked for."""
        if isinstance(request, Train):
            order = self._training(request)
            self._lay_rows([*order.dates, *order.nights])
            return self.crew.pool.submit(train, self.bench, order)
        if isinstance(request, Study):
            return self.crew.pool.submit(study, self.bench, self._training(request.model))
        if isinstance(request, Fight):
            sides = self._sides(request)
            name = f"the champion of {request.champion.name}" if request.champion else ""
            return self.crew.pool.submit(fight, self.bench, self.made.duel(*sides), *sides, name)
        return self.crew.pool.submit(look, self.bench, self._looking(request))

    def _lay_rows(self, dates: list[str]) -> None:
        """Have all workers assemble rows that do not lie ready, before one of them needs them all."""
        known = self.bench.stopped | self.laid
        missing = [date for date in dates if date not in known and not self.bench.path(date).exists()]
        self.laid.update(missing)
        for start in range(0, len(missing), DATES_TOGETHER):
            self.crew.pool.submit(assemble_dates, self.bench, missing[start : start + DATES_TOGETHER])

    def _training(self, asked: Train) -> Training:
        dates = self._dates(asked)
        nights, key = [date for date in self.nights if date > asked.as_of], self.made.model(dates)
        return Training(tuple(dates), tuple(nights), key, self.made.losses(key, nights))

    def _dates(self, asked: Train) -> list[str]:
        delay, window = self.bench.config.outcome.delay_days, self.bench.config.split.window_days
        return known_dates(self.made.snapshot.dates, asked.as_of, delay, window, asked.start)

    def _key(self, asked: Train) -> str:
        return self.made.model(self._dates(asked))

    def _sides(self, request: Fight) -> tuple[str, str]:
        return self._key(request.challenger), self._key(request.champion) if request.champion else ""

    def _model(self, asked: Train) -> Model | None:
        if asked.name in self.models:
            return self.models[asked.name]
        order = self._training(asked)
        body = self.kept.get("model", order.key)
        if body is None:
            return None
        if body["refused"]:
            return Model(asked.as_of, refused=body["refused"], start=asked.start)
        if (losses := self.kept.get("losses", order.losses_key)) is None:
            return None
        told = body["trained_through"], body["judged"][-1], body["rows"], ()
        by_night = {date: NightLoss(*one) for date, one in losses.items()}
        self.models[asked.name] = Model(asked.as_of, *told, by_night, start=asked.start)
        return self.models[asked.name]

    def _folds(self, asked: Train) -> tuple[float, ...] | None:
        key = self._key(asked)
        if (folds := self.kept.get("folds", key)) is None:
            return None
        reference = tuple(loss for _, loss in folds["losses"])
        self.models[asked.name] = replace(self.models[asked.name], reference=reference)
        return reference

    def _duel(self, request: Fight) -> Duel | None:
        if (body := self.kept.get("duel", self.made.duel(*self._sides(request)))) is None:
            return None
        return Duel(tuple(GateResult(**result) for result in body))

    def _looking(self, request: Look) -> Looking:
        training = self._training(request.model)
        blocks = [self._block(request.since, n) for n in range(request.block + 1)]
        nights = blocks[-1]
        last = nights[-1] if nights else request.since
        served = [date for date in self.nights if request.since <= date <= last]
        profiles = tuple((self.made.profiles(training.key, [*block]), block) for block in last_blocks(blocks))
        seen = self.made.seen(training.key, request.drift, served, [*nights], [*request.waiting], request.serves)
        keys = training.key, training.losses_key
        return Looking(*keys, profiles, seen, request.drift, tuple(served), nights, request.waiting, request.serves)

    def _block(self, since: str, block: int) -> tuple[str, ...]:
        return tuple(night.date for night in block_of(self.history, since, block) if not night.stopped)

    def _seen(self, request: Look) -> dict[str, Seen] | None:
        body = self.kept.get("seen", self._looking(request).seen)
        return None if body is None else {date: _seen_of(one) for date, one in body.items()}


def last_blocks(blocks: Sequence[tuple[str, ...]]) -> Sequence[tuple[str, ...]]:
    """Return the last block of nights, and so many before it that each of its nights sees all that a check sees."""
    at = len(blocks) - 1
    while at and sum(map(len, blocks[at:-1])) < NIGHTS_SEEN - 1:
        at -= 1
    return blocks[at:]


def _seen_of(body: Mapping[str, Any]) -> Seen:
    lists = {name: tuple(body[name]) for name in ("quality_alarms", "alarmed_slices", "pooled")}
    return Seen(**{**body, **lists})


def run_replays(desk: Desk, replays: Mapping[str, Replay], ahead: Iterable[str]) -> dict[str, Course]:
    """Return the course of every replay; ahead are models that some replay will surely ask for.

    Raises the first PlimsollError of a worker.
    """
    board = _Board(desk, dict(replays), list(ahead))
    for name in replays:
        board.advance(name, None)
    while board.busy:
        board.fill()
        board.take()
    return board.courses


class _Board:
    """Who waits for what."""

    def __init__(self, desk: Desk, replays: dict[str, Replay], ahead: list[str]) -> None:
        self.desk, self.replays, self.ahead = desk, replays, ahead
        self.waiting: dict[Request, list[str]] = {}  # in the order in which they were first asked for
        self.running: dict[Future[Any], Request] = {}
        self.courses: dict[str, Course] = {}

    @property
    def busy(self) -> bool:
        """Whether a replay still waits."""
        return bool(self.waiting)

    def advance(self, name: str, answer: Any) -> None:
        """Let a replay go on until it asks for what is not there."""
        try:
            request = self.replays[name].send(answer)
            while (known := self._known(request)) is not None:
                request = self.replays[name].send(known)
        except StopIteration as end:
            self.courses[name] = end.value
            return
        self.waiting.setdefault(request, []).append(name)

    def fill(self) -> None:
        """Give every worker something to do: first what is waited for, then what will be."""
        under_way = set(self.running.values())
        asked = [request for request in self.waiting if request not in under_way]
        while len(self.running) < self.desk.crew.processes and (request := self._next(asked, under_way)):
            self.running[self.desk.order(request)] = request
            under_way.add(request)

    def take(self) -> None:
        """Wait until something was made, and let go on who waited for it."""
        for future in wait(self.running, return_when=FIRST_COMPLETED).done:
            request = self.running.pop(future)
            result_of(future)
            self.desk.kept.made[type(request).__name__.lower()] += 1
            answer = self.desk.answer(request)
            if isinstance(request, Train):
                get_run_logger().info("Trained as of %s (%d)", request.name, self.desk.kept.made["train"])
            for name in self.waiting.pop(request, []):
                self.advance(name, answer)

    def _known(self, request: Request) -> Any | None:
        if request in self.running.values():
            return None
        known = self.desk.answer(request)
        self.desk.kept.found[type(request).__name__.lower()] += known is not None
        return known

    def _next(self, asked: list[Request], under_way: set[Request]) -> Request | None:
        if asked:
            return asked.pop(0)
        while self.ahead:
            request = Train(self.ahead.pop(0))
            if request not in under_way and self.desk.answer(request) is None:
                return request
        return None
