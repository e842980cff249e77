"""What an upkeep freed, beside its run in Prefect."""

from tasks.maintenance import freed_rows
from tasks.prefect_api import publish_markdown
from tasks.records import Recorded

HEAD = "| what | how many | bytes | for example | |\n|---|---|---|---|---|\n"


def publish_freed(run: Recorded) -> None:
    """Show the table of what was freed, or would be, beside the run."""
    rows = [
        "| " + " | ".join(cell.replace("\n", "<br>") for cell in row) + " |" for row in freed_rows(run.outputs["freed"])
    ]
    publish_markdown("maintain-store", f"{run.sentence}\n\n{HEAD}" + "\n".join(rows), "What the upkeep freed")
