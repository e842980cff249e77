"""What a candidate was made of: data, features, code, environment, config."""

import yaml

from plimsoll.candidate import Candidate
from plimsoll.model_config import ModelConfig
from plimsoll.page import Child, Html, badge, code, digest, el, facts, join, more, section, table


def data_section(candidate: Candidate) -> Html:
    """Return the section about the rows it was made from and the dates left out."""
    dates, excluded = candidate.dates, candidate.report.get("excluded_dates") or {}
    span = f"{dates[0]} to {dates[-1]}, {len(dates)} dates" if dates else "one table, no time axis"
    segment = candidate.config.segment
    known = facts(
        [
            ("Snapshot", digest(candidate.digests.get("snapshot", ""))),
            *([("Segment", f"only rows with {segment.column} {segment.value}")] if segment else []),
            ("Dates", span),
            ("Valid rows", f"{candidate.rows:,}"),
            ("Set aside", f"{candidate.quarantined:,} rows that validation did not accept"),
        ]
    )
    left_out = table(["Date left out", "Reason"], list(excluded.items()), empty="No date was left out.")
    return section("Data", known, el("h3", "Dates left out"), left_out)


def features_section(config: ModelConfig) -> Html:
    """Return the section about its inputs and why each is known in time."""
    rows = [(code(f.name), f.kind, f.because) for f in config.features.columns]
    lead = "Nothing may be an input that is not known when the prediction is asked; each says why it is."
    return section("Features", table(["Feature", "Kind", "Known in time because"], rows, empty="None."), lead=lead)


def origin_section(candidate: Candidate) -> Html:
    """Return the section about who asked, why, and the code, environment and digests."""
    version, machine = candidate.code, candidate.environment
    state = badge("wait", "with uncommitted changes, kept") if version.diff else badge("good", "clean")
    commit = join(digest(version.commit), "  ", state) if version.commit else "outside git"
    pairs: list[tuple[str, Child]] = [
        ("Why", candidate.cause),
        ("Asked by", candidate.requested_by),
        ("Commit", commit),
        ("Source tree", digest(version.tree)),
        ("Lock file", digest(machine.lock)),
        ("Python", machine.python),
        ("Machine", f"{machine.cpu or machine.platform}, {machine.cores} cores"),
        *((name.capitalize(), digest(value)) for name, value in candidate.digests.items() if name != "snapshot"),
        ("MLflow run", code(candidate.mlflow_run) if candidate.mlflow_run else "–"),
        ("Run", code(candidate.run)),
    ]
    lead = "An approval is bound to bundle, snapshot, source tree, config and gate report; if one changes, it is void."
    return section("Where it comes from", facts(pairs), lead=lead)


def config_section(config: ModelConfig) -> Html:
    """Return the section about the effective config."""
    body = config.model_dump(mode="json", exclude={"features", "purpose"})
    text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)
    shown = more(f"configs/models/{config.deployment}.yaml, with every default filled in", el("pre", text))
    return section("Config", shown)
