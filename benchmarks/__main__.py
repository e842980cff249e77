"""Run benchmarks: `python -m benchmarks [names…] [--full]`; figures go to results/ and docs/performance.md."""

import argparse
import importlib
import sys
import time
import traceback
from datetime import UTC, datetime

from benchmarks.figures import Figure, load, save
from benchmarks.page import NAMES, write_page


def main() -> int:
    """Run the named benchmarks, all of them without a name; return 1 when one of them broke."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}; all without one")
    parser.add_argument("--full", action="store_true", help="more repeats and draws")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(NAMES)):
        parser.error(f"no benchmark named {', '.join(unknown)}; there are {', '.join(NAMES)}")
    whole = [run(name, given.full) for name in given.names or NAMES]
    print(f"Wrote {write_page(datetime.now(UTC).date())}.")
    return 0 if all(whole) else 1


def run(name: str, full: bool) -> bool:
    """Run one benchmark and keep its figures; one that breaks is told of and leaves its earlier figures."""
    begun = time.monotonic()
    print(f"{name}:", flush=True)
    figures: list[Figure] = []
    try:
        benchmark = importlib.import_module(f"benchmarks.{name}")
        for figure in benchmark.measure(full):
            figures.append(figure)
            print(f"  {figure.line}", flush=True)
    except Exception:  # the other benchmarks are worth running
        traceback.print_exc()
        return False
    if full or not getattr(benchmark, "KEPT_WHOLE", False) or not load(name):
        save(name, figures)
    else:
        print(f"  Not kept: results/{name}.json is of a whole run; add --full to measure it anew.")
    print(f"  ({time.monotonic() - begun:.0f} s)", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
