"""The demo's story: what the policy and the people did, in the order in which they did it."""

import datetime as dt
import time
from typing import Any

from flows.demo_data import cut_at_noon, redeliver
from flows.demo_facts import MODEL, decisions, gates_of, last_scored, newest, request_of
from flows.demo_people import READER, Phone, enrol_team, invite_to
from flows.output import say
from tasks.workspace import Workspace

FIRST = dt.date(2013, 3, 1)  # the morning after the days that v1 is trained on
CUT = dt.date(2013, 3, 12)
LAST = dt.date(2013, 7, 14)  # summer has come by then; the story ends earlier when the policy has decided twice
DAY = dt.timedelta(days=1)
WEEK = dt.timedelta(days=7)
WAIT_SECONDS = 60
Phones = dict[str, Phone]


class Story:
    """Tells what happens, with the simulated date and the seconds since the demo began."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.begun = time.monotonic()
        self.told: list[dict[str, Any]] = []
        self.informed: set[int | None] = set()  # versions under which input drift was told of

    def tell(self, date: dt.date | str | None, what: str, why: str = "") -> None:
        """Print one event and keep it."""
        seconds = time.monotonic() - self.begun
        date = date or ""
        self.told.append({"date": str(date), "what": what, "why": why, "seconds": round(seconds, 1)})
        if not self.quiet:
            say(f"{seconds:4.0f} s  {date!s:10}  {what}" + (f"\n{'':20}{why}" if why else ""))

    def begin(self, what: str) -> None:
        """Print what begins, where it takes a while; it is no event, so it is not kept."""
        if not self.quiet:
            say(f"{time.monotonic() - self.begun:4.0f} s  {'':10}  {what} …")


def tell_story(workspace: Workspace, story: Story) -> None:
    """Live through winter, a broken feed, the seasons, a rollback, and trace one prediction."""
    phones = people(workspace, story)
    winter(workspace, story, phones)
    march(workspace, story)
    day, approved = dt.date(2013, 4, 1), False
    while end := seasons(workspace, story, day):
        compare(workspace, story, newest(workspace), end)
        day = end + DAY
        if not request_of(workspace, newest(workspace)):
            continue
        if approved:
            waiting(workspace, story, end)
            break
        retrained(workspace, story, end, phones)
        approved = True
    rollback(workspace, story, phones)
    trace(workspace, story)
    pages(workspace, story)
    invitation(workspace, story, phones)


def people(workspace: Workspace, story: Story) -> Phones:
    """Enrol the two who decide."""
    story.begin("Enrolling the two who decide")
    phones = enrol_team(workspace)
    story.tell(None, "ada enrolled as the first approver, and invited grace, who enrolled too: both have a code now.")
    return phones


def invitation(workspace: Workspace, story: Story, phones: Phones) -> None:
    """Let the reader in."""
    invite_to(workspace, phones["ada"], READER)
    story.tell(None, f"ada invited you. Enrol with: plimsoll approver add {READER}")


def winter(workspace: Workspace, story: Story, phones: Phones) -> None:
    """Train the first version on January and February and have it approved."""
    story.begin("Training v1: validation of 59 days, fit, gates, pages")
    result = run("train_model", as_of=FIRST, requested_by="data team", cause="first version")
    evidence = request_of(workspace, result["version"])
    story.tell(
        FIRST,
        f"Trained v1 on January and February: AUC {evidence['auc']:.3f} on the last fourteen days.",
        result["sentence"],
    )
    for date, reason in evidence["excluded"].items():
        story.tell(None, f"Left out {date}: {reason}")
    approve(workspace, story, 1, phones["ada"], FIRST, "the gates passed and I read the page")


def march(workspace: Workspace, story: Story) -> None:
    """Score March; one night the feed is cut at noon."""
    score_and_check(story, FIRST, CUT - DAY)
    cut_at_noon(workspace.data, CUT.isoformat())
    stopped, _ = score_and_check(story, CUT, CUT)
    story.tell(CUT, "The feed was cut at noon: the batch was stopped before anything was scored.", stopped)
    decision = decisions(workspace)[-1]
    story.tell(CUT, decision["sentence"])
    redeliver(workspace.data, CUT.isoformat())
    score_and_check(story, CUT, CUT)
    story.tell(CUT + DAY, f"The export of {CUT} was delivered again and scored: once, and wholly.")
    said, _ = score_and_check(story, CUT + DAY, dt.date(2013, 3, 31))
    story.tell(dt.date(2013, 3, 31), said)


def seasons(workspace: Workspace, story: Story, day: dt.date) -> dt.date | None:
    """Live week by week until the policy decides to retrain; return that week's last day, None when it never does."""
    while day <= LAST:
        end = min(day + WEEK - DAY, LAST)
        said, retrain = score_and_check(story, day, end)
        story.tell(end, said)
        for decision in decisions(workspace, day, end):
            inform(story, decision)
        if retrain:
            story.tell(decisions(workspace)[-1]["date"], retrain["decision"])
            return end
        day = end + DAY
    return None


def inform(story: Story, decision: dict[str, Any]) -> None:
    """Tell the first night on which input drift alarms under a champion; the pages show them all."""
    version = decision.get("version")
    if not (decision["inputs"] or {}).get("alarm") or version in story.informed:
        return
    story.informed.add(version)
    story.tell(decision["date"], "Input drift informs; by itself it retrains nothing.", decision["inputs"]["sentence"])


def retrained(workspace: Workspace, story: Story, end: dt.date, phones: Phones) -> None:
    """Have the challenger approved, and its first batch scored."""
    version = newest(workspace)
    approve(workspace, story, version, phones["grace"], end, "better on the same fourteen days; spring is not winter")
    said, _ = score_and_check(story, end + DAY, end + DAY)
    story.tell(end + DAY, f"The next batch was scored by v{version}.", said)


def waiting(workspace: Workspace, story: Story, end: dt.date) -> None:
    """Leave the last challenger to the reader."""
    from tasks.prefect_api import waiting_runs

    version = newest(workspace)
    story.begin(f"Waiting for the run that asks about v{version}")
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until and not waiting_runs("promote-model", MODEL, {"model": MODEL, "version": version}):
        time.sleep(0.5)
    story.tell(end, f"v{version} waits for a person, in the ledger and as a suspended run in Prefect: for you.")


def rollback(workspace: Workspace, story: Story, phones: Phones) -> None:
    """Go back one version, and forward again: one drills, the other ends it."""
    from tasks.champion import standing_of
    from tasks.rollback import roll_back_as

    day, standing = last_scored(workspace), standing_of(workspace, MODEL)
    drill = (standing.previous, "ada", "a drill"), (standing.champion, "grace", "the drill is over")
    for to, who, reason in drill if standing.previous else ():
        story.begin(f"Rolling back to v{to}, once it scores as it did then")
        done = roll_back_as(workspace, MODEL, to, who, day.isoformat(), reason, code=phones[who].code())
        facts = done.entry.facts
        story.tell(day, f"Rolled back from v{facts['from']} to v{facts['version']}: {reason}.", done.proof.sentence)


def trace(workspace: Workspace, story: Story) -> None:
    """Trace the riskiest flight of the last day."""
    from tasks.delta import read_predictions
    from tasks.trace import trace_prediction

    day = last_scored(workspace).isoformat()
    rows = read_predictions(workspace, MODEL, date=day)
    rows = rows[rows["role"] == "champion"].sort_values("score")
    key = str(rows["key"].iloc[-1])
    found = trace_prediction(workspace, key, day, MODEL)
    score, late = found["prediction"]["score"], found["outcome"]["outcome"]
    happened = {1.0: "it was late", 0.0: "it was on time", None: "it never arrived"}[late]
    reasons = ", ".join(f"{r['feature']} {r['value']}" for r in found["reasons"][:3])
    story.tell(
        last_scored(workspace),
        f"Traced {key}: v{found['version']['version']} said {score:.0%}, and {happened}.",
        f"Because of {reasons}. Approved by {found['approval']['by']}. All of it: plimsoll trace {key}",
    )


def pages(workspace: Workspace, story: Story) -> None:
    """Write the pages."""
    from tasks.data_docs import build_data_docs
    from tasks.index_page import publish_index

    story.begin("Writing the pages")
    build_data_docs(workspace, MODEL)
    publish_index(workspace)
    story.tell(None, "Wrote the timeline, a page per version, and what validation said of the cut night.")


def score_and_check(story: Story, start: dt.date, end: dt.date) -> tuple[str, dict[str, Any] | None]:
    """Score a range and decide about its nights; return what was said, and what was retrained."""
    story.begin(f"Scoring and checking {start}" + (f" to {end}" if end > start else ""))
    said = run("score_batch", start=start, end=end, as_of=end)["sentence"]
    checked = run("check_drift", as_of=end)
    retrain = checked["retrain"]
    return said, {**retrain, "decision": checked["sentence"]} if retrain else None


def run(name: str, **parameters: Any) -> dict[str, Any]:
    """Run a flow in this process and return its result, or the sentence of the state it ended in."""
    from flows.running import run_here

    state, result = run_here(name, {"model": MODEL, **parameters})
    if isinstance(result, BaseException):
        raise result
    return {"sentence": state.message, **(result or {})}


def approve(workspace: Workspace, story: Story, version: int, phone: Phone, day: dt.date, comment: str) -> None:
    """Approve as `plimsoll approve` does, on a simulated day."""
    from tasks.approvals import release_waiting, submit_decision

    outcome = submit_decision(
        workspace, MODEL, version, "approve", phone.owner, comment, as_of=day.isoformat(), code=phone.code()
    )
    release_waiting(workspace, MODEL, version)
    story.tell(day, outcome.sentence, f"“{comment}”")


def compare(workspace: Workspace, story: Story, version: int, day: dt.date) -> None:
    """Say how the challenger did against the champion."""
    found = request_of(workspace, version)
    if not found:
        failed = [gate["sentence"] for gate in gates_of(workspace, version) if not gate["passed"]]
        return story.tell(day, f"The gates refused v{version}; the champion stays.", "; ".join(failed))
    mine, rival = found["log_loss"], found["champion"]
    theirs = rival["metrics"]["log_loss"]
    how = "beats" if mine < theirs else "is within the margin of"
    said = f"v{version} {how} v{rival['version']} on the same fourteen days: log loss {mine:.4f} against {theirs:.4f}."
    return story.tell(day, said)
