"""The demo as a newcomer meets it: killed half-way, run again, looked at in a browser, decided about, run again."""

import datetime as dt
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil
import pytest

from plimsoll.one_time_code import WINDOW, code_at, step_at
from tests.system.conftest import CHROMIUM

ROOT = Path(__file__).parents[2]
DEMO_SECONDS = 900
AS_TOLD = "as-told"  # beside the home: what the demo left
pytestmark = [pytest.mark.timeout(1200), pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")]


def plimsoll(environ: dict[str, str], *words: str) -> Any:
    """Run a command with --json and return what it printed."""
    command = [Path(sys.executable).with_name("plimsoll"), *words, "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=DEMO_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_demo_killed_half_way_starts_again_and_tells_its_story(
    start: Callable[..., Any], demo_environ: dict[str, str]
) -> None:
    killed = start(demo_environ, "demo", until="Trained v1")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    told = plimsoll(demo_environ, "demo")
    story = " ".join(event["what"] for event in told["story"])
    for chapter in (
        "Trained v1",
        "cut at noon",
        "delivered again",
        "informs",
        "Retrain on",
        "beats",
        "next batch",
        "waits",
    ):
        assert chapter in story
    entries = plimsoll(demo_environ, "history", "flight_delay")["entries"]
    by_date = {(e["kind"], e["facts"].get("date")): e for e in entries}
    cut = by_date["batch_rejected", "2013-03-12"]
    first_decision = next(e for e in entries if e["kind"] == "drift_decided" and e["facts"]["batch_entry"] == cut["n"])
    decided = first_decision["facts"]["decision"]
    assert (decided["retrain"], decided["rule"]) == (False, "batch_rejected")
    proposals = [
        e["facts"]["decision"]["rule"]
        for e in entries
        if e["kind"] == "drift_decided" and e["facts"]["decision"]["retrain"]
    ]
    assert proposals[0] == "recent_losses"
    assert [e["facts"]["version"] for e in entries if e["kind"] == "promoted"] == [1, 2]
    home = Path(demo_environ["PLIMSOLL_HOME"])
    shutil.copytree(home, home.with_name(AS_TOLD))


def test_the_pages_are_whole_without_internet_at_desk_and_phone_width(
    browser: Any, demo_environ: dict[str, str]
) -> None:
    reports = Path(demo_environ["PLIMSOLL_HOME"]) / "reports"
    pages = [
        reports / "index.html",
        *sorted((reports / "flight_delay").glob("[iv]*.html")),
        *reports.glob("data_docs/*/*.html"),
    ]
    assert len(pages) >= 6
    for width in (1400, 390):
        page = browser.new_page(viewport={"width": width, "height": 900})
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        for path in pages:
            page.goto(path.as_uri())
            assert page.locator("h1").inner_text()
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wider <= 0, f"{path.name} is {wider} px wider than a screen of {width}"
            for target in page.eval_on_selector_all("a[href]", "links => links.map(a => a.href)"):
                file = target.partition("#")[0].removeprefix("file://")
                assert Path(file).exists(), f"{path.name} links to {target}"
        assert not [url for url in asked if not url.startswith(("file:", "data:"))]
        page.close()


def test_a_person_refused_and_then_heard_in_the_browser(
    start: Callable[..., Any], browser: Any, demo_environ: dict[str, str]
) -> None:
    waiting = plimsoll(demo_environ, "pending")
    assert len(waiting) == 1
    version = waiting[0]["version"]
    up = start(demo_environ, "up", until="deployments are up")
    ui = f"http://127.0.0.1:{demo_environ['PLIMSOLL_PREFECT__PORT']}"
    run = wait_for_paused(ui)
    assert run["name"] == f"APPROVE? flight_delay v{version}"
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    form = open_form(page, ui, run)
    assert "Shall flight_delay" in form
    assert "champion v" in form
    assert "Not enrolled when this was drawn, so without a code then: you" in form
    shown, card = read_evidence(browser, page, f"/flight_delay/v{version}.html", f"/flight_delay/v{version}-card.html")
    assert "Gates" in shown
    assert "Where it stands" in card
    app = enrol(demo_environ)
    submit(page, "mallory", app.code())
    run = wait_for_paused(ui, after=run)
    form = open_form(page, ui, run)
    assert "'mallory' may not approve flight_delay. May approve: ada, grace, you" in form
    submit(page, "you", "000000")
    run = wait_for_paused(ui, after=run)
    assert "That is not the code of you now. After 4 more wrong ones" in open_form(page, ui, run)
    assert plimsoll(demo_environ, "models")[-2]["champion"] != version
    code = app.code()
    submit(page, "you", code)
    page.close()  # an open page of the UI draws without end and keeps a core busy
    assert champion_after(demo_environ, version) == version
    assert plimsoll(demo_environ, "pending") == []
    approved = [e for e in plimsoll(demo_environ, "history", "flight_delay")["entries"] if e["kind"] == "approved"][-1]
    assert (approved["by"], approved["facts"]["identity"], approved["facts"]["via"]) == ("you", "verified", "Prefect")
    kept = filled_in(ui, run)
    assert kept, "the forms themselves are there"
    assert not [text for text in kept if code in text], "what was filled in is deleted once it is read"
    up.send_signal(signal.SIGINT)
    assert up.wait(90) == 0


def test_a_request_outlives_the_server_and_its_database_and_is_approved_then(
    start: Callable[..., Any], browser: Any, demo_environ: dict[str, str]
) -> None:
    as_told(demo_environ)
    (waiting,) = plimsoll(demo_environ, "pending")
    for path in (Path(demo_environ["PLIMSOLL_HOME"]) / "prefect").glob("*.db*"):
        path.unlink()
    assert plimsoll(demo_environ, "pending") == [waiting]
    ui = f"http://127.0.0.1:{demo_environ['PLIMSOLL_PREFECT__PORT']}"
    up = start(demo_environ, "up", until="deployments are up")
    run = wait_for_paused(ui)
    assert run["name"] == f"APPROVE? flight_delay v{waiting['version']}"
    for process in psutil.Process(up.pid).children(recursive=True):
        process.kill()
    up.kill()
    up.wait()
    up = start(demo_environ, "up", until="deployments are up")
    assert wait_for_paused(ui)["id"] == run["id"], "the run is there still, so no other was opened"
    version, app = waiting["version"], enrol(demo_environ)
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    assert f"Shall flight_delay v{version}" in open_form(page, ui, run)
    submit(page, "you", app.code())
    page.close()
    assert champion_after(demo_environ, version) == version
    approved = [e for e in plimsoll(demo_environ, "history", "flight_delay")["entries"] if e["kind"] == "approved"][-1]
    assert (approved["by"], approved["facts"]["version"], approved["facts"]["via"]) == ("you", version, "Prefect")
    assert plimsoll(demo_environ, "pending") == []
    assert plimsoll(demo_environ, "verify", "flight_delay")["damage"] == []
    up.send_signal(signal.SIGINT)
    assert up.wait(90) == 0


def test_every_command_of_the_readme_runs(start: Callable[..., Any], demo_environ: dict[str, str]) -> None:
    text = (ROOT / "README.md").read_text()
    lines = [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    run_elsewhere = [line for line in lines if re.fullmatch(r"(\w+=\S+ )*make (demo|up|test)", line)]
    commands = [line for line in lines if line.startswith(".venv/bin/plimsoll ")]
    assert len(commands) >= 5
    assert sorted(lines) == sorted([*run_elsewhere, *commands]), "a line of the README that no test runs"
    as_told(demo_environ)
    up = start(demo_environ, "up", until="deployments are up")
    for line in commands:
        if line == ".venv/bin/plimsoll approver add you":
            app = enrol(demo_environ)
            continue
        words = shlex.split(line.replace(".venv/bin/plimsoll", str(Path(sys.executable).with_name("plimsoll")), 1))
        typed = f"{app.code()}\n" if "--as" in words else ""
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=demo_environ,
            input=typed,
            capture_output=True,
            text=True,
            timeout=DEMO_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    up.send_signal(signal.SIGINT)
    assert up.wait(90) == 0


def test_another_demo_keeps_what_the_last_one_left_and_begins_anew(
    start: Callable[..., Any], demo_environ: dict[str, str]
) -> None:
    home = Path(demo_environ["PLIMSOLL_HOME"])
    before = (home / "reports/index.html").read_bytes()
    again = start(demo_environ, "demo", until="Trained v1")
    assert home.with_name(f"{home.name}.previous").joinpath("reports/index.html").read_bytes() == before
    assert again.poll() is None, "it goes on; what started it stops it"
    assert [m["champion"] for m in plimsoll(demo_environ, "models") if m["model"] == "flight_delay"] in ([None], [1])


def as_told(environ: dict[str, str]) -> None:
    """Put the home back as the demo left it: a version waits, and the reader is invited."""
    home = Path(environ["PLIMSOLL_HOME"])
    shutil.rmtree(home)
    shutil.copytree(home.with_name(AS_TOLD), home)


class App:
    """An authenticator app, which knows the secret from the QR code's address."""

    def __init__(self, uri: str) -> None:
        self.secret = parse_qs(urlsplit(uri).query)["secret"][0]
        self.used = step_at(dt.datetime.now(dt.UTC)) - WINDOW - 1

    def code(self) -> str:
        """Return the next code that counts, of this half minute or the ones beside it."""
        while self.used >= step_at(dt.datetime.now(dt.UTC)) + WINDOW:
            time.sleep(1)
        self.used = max(self.used + 1, step_at(dt.datetime.now(dt.UTC)) - WINDOW)
        return code_at(self.secret, self.used)


def enrol(environ: dict[str, str], who: str = "you") -> App:
    """Enrol as the reader whom the demo invited, or as a first steward."""
    process = subprocess.Popen(
        [Path(sys.executable).with_name("plimsoll"), "approver", "add", who, "--uri"],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    uri = next(line for line in process.stderr if line.startswith("otpauth://"))
    app = App(uri.strip())
    out, err = process.communicate(f"{app.code()}\n", timeout=60)
    assert process.returncode == 0, out + err
    return app


def filled_in(ui: str, run: dict[str, Any]) -> list[str]:
    """Return all that Prefect keeps of what was filled in for a run."""
    asked = {"prefix": "", "limit": 200, "exclude_keys": []}
    return [str(one) for one in httpx.post(f"{ui}/api/flow_runs/{run['id']}/input/filter", json=asked).json()]


def wait_for_paused(ui: str, after: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the waiting run; after: once it has been resumed and waits anew."""
    paused = {"flow_runs": {"state": {"name": {"any_": ["Suspended"]}}}}
    end = time.monotonic() + 150
    while time.monotonic() < end:
        found = httpx.post(f"{ui}/api/flow_runs/filter", json=paused, timeout=20).json()
        fresh = [run for run in found if after is None or run["state_id"] != after["state_id"]]
        if fresh:
            return dict(fresh[0])
        time.sleep(1)
    raise AssertionError("no run waits in Prefect")


def champion_after(environ: dict[str, str], version: int) -> int | None:
    """Return the champion once it is that version, or after two minutes."""
    end = time.monotonic() + 120
    while True:
        champion: int | None = next(
            one["champion"] for one in plimsoll(environ, "models") if one["model"] == "flight_delay"
        )
        if champion == version or time.monotonic() > end:
            return champion
        time.sleep(2)


def read_evidence(browser: Any, form: Any, *endings: str) -> list[str]:
    """Follow links of an open form in a page of its own, as a person would, and return what stands there."""
    there = form.eval_on_selector_all("[role=dialog] a[href]", "links => links.map(a => a.href)")
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    words = []
    for ending in endings:
        page.goto(next(link for link in there if link.endswith(ending)))
        words.append(str(page.locator("body").inner_text()))
    page.close()
    return words


def open_form(page: Any, ui: str, run: dict[str, Any]) -> str:
    """Open a waiting run's form in the classic UI and return its words."""
    page.goto(f"{ui}/dashboard")
    page.wait_for_timeout(1500)
    page.goto(f"{ui}/runs/flow-run/{run['id']}")
    page.get_by_role("button", name="Resume").first.click()
    page.get_by_text("become champion?").wait_for(timeout=20_000)
    return str(page.locator("body").inner_text())


def box(page: Any, label: str) -> Any:
    """Return the box of the form below a label; Prefect's labels lead to no box."""
    labels = page.locator(".schema-form-property__label", has_text=re.compile(rf"^{label}\b"))
    return page.locator("[role=dialog] .schema-form-property").filter(has=labels).locator("textarea")


def submit(page: Any, who: str, code: str, **more: str) -> None:
    """Fill in the form as somebody who approves; more are further boxes by their labels."""
    page.wait_for_timeout(1000)  # the form takes its first values after it is drawn
    for label, words in {"Decision": "approve", "Who": who, "Code": code, **more}.items():
        box(page, label).fill(words)
    page.wait_for_timeout(500)
    with page.expect_response(lambda answer: answer.url.endswith("/resume")) as answer:
        page.get_by_role("button", name="Submit").click()
    assert answer.value.status == 201
