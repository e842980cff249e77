"""What a trace says of where a score came from: data, code, environment, validation, and how each is checked."""

from collections.abc import Mapping
from typing import Any

from plimsoll.page import Child, Html, badge, code, day, digest, el, facts, join, more, section, table

WHOLE = 64  # digits of a digest: all of them, so that it can be copied from paper
Trace = Mapping[str, Any]


def trace_command(trace: Trace, *options: str) -> str:
    """Return the command that gives a trace again."""
    about = trace["prediction"]
    return " ".join(
        ["plimsoll trace", f"'{about['key']}'", "--date", about["date"], "--model", about["model"], *options]
    )


def trained_on(data: Mapping[str, Any], version: Mapping[str, Any]) -> Html:
    """Return the section about the rows that the version was trained on."""
    span = f"{data['from']} to {data['to']}, {data['dates']} dates" if data["dates"] else "one table, no time axis"
    known = facts(
        [
            ("Snapshot", digest(data["snapshot"], WHOLE)),
            ("Dates", span),
            ("Trained through", day(version["trained_through"]) if version["trained_through"] else "no time axis"),
            ("Valid rows", f"{data['rows']:,}"),
            ("Outcomes known", join("as of ", day(data["outcomes_as_of"]))),
            ("Model bundle", digest(version["bundle"], WHOLE)),
            ("Why it was trained", version["cause"]),
        ]
    )
    rows = [(f["table"], f["name"], f"{f['bytes']:,}", digest(f["digest"], WHOLE)) for f in data["files"]]
    files = table(["Table", "File", "Bytes", "SHA-256"], rows, numbers=(2,), empty="The snapshot has no files.")
    learned = (
        "the earlier days and was judged on the later ones" if data["dates"] else "most of them and judged on the rest"
    )
    lead = f"The exact rows behind the version, kept by digest: it learned from {learned}. The source may have changed."
    return section("Training data", known, more(f"All {len(rows)} files by digest", files), lead=lead)


def run_section(title: str, run: Mapping[str, Any]) -> Html:
    """Return the section about a run's code and environment."""
    if "record" in run:
        return section(title, el("p", badge("bad", f"Run {run['run']} has no record."), class_="empty"))
    pairs: list[tuple[str, Child]] = [
        ("Run", code(run["run"])),
        ("Started", clock(run["started_at"])),
        ("Commit", code(run["commit"])),
        ("Remote", run["remote"] or "none"),
        ("Uncommitted", _changes(run)),
        ("Source tree", digest(run["source_tree"], WHOLE)),
        ("Config", digest(run["config"], WHOLE)),
        *([("Settings", run["settings"])] if run.get("settings") else []),
        ("Lock file", digest(run["lock"], WHOLE)),
        *([("Packages", digest(run["packages"], WHOLE))] if run["packages"] else []),
        ("Python", run["python"]),
        ("Machine", f"{run['cpu'] or run['platform']}, {run['cores']} cores"),
        ("Seed, threads", f"{run['seed']}, {run['threads']}"),
        ("Prefect run", code(run["prefect_run"] or "none")),
    ]
    return section(title, facts(pairs))


def _changes(run: Mapping[str, Any]) -> Html:
    """Return what the code had that no commit holds."""
    if run["uncommitted_changes"] != "none":
        return join("kept as ", digest(run["uncommitted_changes"], WHOLE))
    if run["source_kept"]:
        return badge("good", "Every source file is kept by digest")
    return badge("good", "none")


def clock(time: str) -> str:
    """Return a time of the wall clock to the second."""
    return f"{time[:19].replace('T', ' ')} UTC"


def validation_section(trace: Trace) -> Html:
    """Return the section about the verdict on the row's batch."""
    batch = trace["batch"]
    if batch["entry"] is None:
        return section("Validation", el("p", "The ledger has no entry about this batch.", class_="empty"))
    expectations = f"{batch['expectations']} expectations" if batch["expectations"] else "its suite"
    aside = "; rows that broke one were set aside" if batch["quarantined_rows"] else ""
    known = facts(
        [
            ("Verdict", badge("good", f"The batch passed {expectations}{aside}")),
            ("Rows scored", f"{batch['rows']:,}"),
            ("Rows set aside", f"{batch['quarantined_rows']:,}"),
            ("Data snapshot", digest(batch["snapshot"], WHOLE)),
            ("Full result", digest(batch["validation"], WHOLE)),
            ("Scores", digest(batch["scores"], WHOLE)),
            ("Ledger entry", f"{batch['entry']}, recorded {clock(batch['recorded_at'])}"),
        ]
    )
    return section("Validation of its batch", known, lead="Judged before anything was scored.")


def checks_section(trace: Trace) -> Html:
    """Return the section that says how each claim is checked."""
    rows = [(claim, said, code(command)) for claim, said, command in checks(trace)]
    lead = (
        "Nothing here has to be believed. Each command reads the kept bytes again and ends with exit code 3 if not so."
    )
    return section(
        "How each claim is checked", table(["Claim", "What is done", "Command"], rows, empty="None."), lead=lead
    )


WORDS = (
    ("Champion", "The version whose scores count. A challenger, or the champion before, scores beside it to compare."),
    ("Digest", "64 digits computed from bytes (SHA-256). Other bytes have another digest."),
    ("Snapshot", "The exact input data of a run, copied and named by its digest."),
    ("Bundle", "The files of a trained model, named by their digest."),
    ("Gate, load line", "A measure of a version on rows that it did not learn from, and the limit it is held to."),
    ("Ledger", "The signed list of decisions, where each entry holds the digest of the one before."),
    ("Identity stated", "The name was given by whoever decided. It was not verified."),
    ("Recorded, started", "Times of the computer's clock. All other dates are those of the data."),
)
LOG_ODDS = ("Log-odds", "The scale on which inputs add up: 0 stands for a score of 0.5, −1.1 for 0.25, +1.1 for 0.75.")


def words_section(trace: Trace) -> Html:
    """Return the section that explains this page's words to whoever sees them for the first time."""
    told = trace.get("explanation", {}).get("unit") == "log-odds"
    return section("Words on this page", facts([*WORDS, LOG_ODDS] if told else WORDS))


def checks(trace: Trace) -> list[tuple[str, str, str]]:
    """Return each claim of a trace, how it is checked, and the command that does it."""
    model = trace["prediction"]["model"]
    found = [
        (
            "Nothing was changed afterwards",
            "The ledger's chain and signatures, run records, snapshots, bundles and the predictions' digests are "
            "computed again and compared.",
            f"plimsoll verify {model}",
        )
    ]
    if trace["state"] == "quarantined":
        return found
    return [
        *found,
        (
            "The version comes from this data, code and environment",
            "Snapshot, code and lock are restored and the version is trained again: the same bytes, or the first "
            "input that differs is named.",
            f"plimsoll reproduce {trace['training_run']['run']}",
        ),
        (
            "It was champion by this decision",
            "The ledger is read as of the date.",
            f"plimsoll history {model} --at {trace['prediction']['date']}",
        ),
        (
            "The reasons are the model's own",
            "The bundle is fetched, checked against its digest, and gives score and contributions again.",
            trace_command(trace),
        ),
    ]
