"""Names of flow runs: what, which model, which dates, so that a list of runs reads like a diary."""

from collections.abc import Callable


def dated(verb: str) -> Callable[[], str]:
    """Return a function that names a run by its verb, its model and the dates it was asked for."""

    def name() -> str:
        from prefect.runtime import flow_run

        given = flow_run.parameters
        dates = [str(given[which])[:10] for which in ("start", "end") if given.get(which)]
        days = " to ".join(dict.fromkeys(dates)) or (f"as of {str(given['as_of'])[:10]}" if given.get("as_of") else "")
        return f"{verb} {given['model']} {days}".rstrip()

    return name
