"""An edit of a feature function: which ones change what it computes."""

import pytest

from plimsoll.feature_source import Source
from plimsoll.feature_source import means_the_same as mean_the_same


def means_the_same(one: bytes, other: bytes, function: str) -> bool:
    return mean_the_same(Source(one), Source(other), function)


SOURCE = b'''"""Features."""

WEEK = 7


def build(batch):
    """Return the batch."""
    return batch.assign(day=batch["at"].dt.weekday % WEEK)
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Features.", b"Features of a flight."),
        (b'    """Return the batch."""\n', b""),
        (b"    return", b"    # why\n\n    return"),
        (b"return batch.assign(", b"return batch.assign(\n        "),
        (b"WEEK = 7", b"WEEK = 7  # days"),
        (b'"at"', b"'at'"),
    ],
)
def test_words_and_layout_change_nothing(old: bytes, new: bytes) -> None:
    assert old in SOURCE
    assert means_the_same(SOURCE, SOURCE.replace(old, new), "build")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"WEEK = 7", b"WEEK = 8"),
        (b".weekday", b".month"),
        (b"batch.assign", b"batch.copy().assign"),
        (b"def build", b"def built"),
        (b'"at"', b'"AT"'),
        (b"def build", b"def build("),
        (b"WEEK = 7", b"WEEK = \xff"),
    ],
)
def test_anything_that_is_computed_otherwise_is_seen(old: bytes, new: bytes) -> None:
    assert old in SOURCE
    assert not means_the_same(SOURCE, SOURCE.replace(old, new), "build")


def test_a_text_that_is_no_docstring_counts() -> None:
    one, other = b"def f():\n    x = 'a'\n    return x", b"def f():\n    x = 'b'\n    return x"
    assert not means_the_same(one, other, "f")
    assert means_the_same(b"def f():\n    'only words'", b"def f():\n    pass", "f")


SHARED = b"""
import numpy as np
import pandas as pd, json
from math import floor, ceil
from plans import *

WEEK = 7
MONTH = 30
DAYS = {"week": WEEK}
TABLE = [1]


def marked(function):
    return function


def helper(x, by=DAYS):
    return floor(x / by["week"]) + pd.NA


class Clock:
    hours = MONTH


def other(batch):
    return ceil(np.mean(batch)) + Clock.hours


@marked
def build(batch, table=TABLE):
    def inner(x):
        return helper(x)
    return inner(batch)


pd.set_option("mode.copy_on_write", True)
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"def other", b"def third(batch):\n    return batch\n\n\ndef other"),
        (b"ceil(np.mean(batch))", b"floor(batch)"),
        (b"MONTH = 30", b"MONTH = 31"),
        (b"MONTH = 30", b"MONTH = 30\nYEAR = 365\nNAMES = {'a', 'b'}"),
        (b"hours = MONTH", b"hours = 24"),
        (b"import numpy as np", b"import scipy as np"),
        (b"import pandas as pd, json", b"import re\nimport pandas as pd"),
        (b"floor, ceil", b"floor, trunc as ceil"),
    ],
)
def test_what_the_function_does_not_reach_changes_nothing(old: bytes, new: bytes) -> None:
    assert old in SHARED
    assert means_the_same(SHARED, SHARED.replace(old, new), "build")
    indirect = SHARED.replace(b"return inner(batch)", b"return globals()['oth' + 'er'](batch)")
    assert not means_the_same(indirect, indirect.replace(old, new), "build"), "it may reach any name"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"return helper(x)", b"return helper(x, 2)"),
        (b"floor(x / ", b"floor(x * "),
        (b"WEEK = 7", b"WEEK = 8"),
        (b"import pandas as pd", b"import polars as pd"),
        (b"from math import floor", b"from numpy import floor"),
        (b"import floor, ceil", b"import ceil as floor, ceil"),
        (b"TABLE = [1]", b"TABLE = [2]"),
        (b"    return function", b"    return lambda *given: 0"),
        (b"@marked\n", b""),
        (b"by=DAYS", b"by={}"),
        (b"copy_on_write", b"use_inf"),
        (b"pd.set_option", b"DAYS['week'] = 5\npd.set_option"),
        (b"pd.set_option", b"LAST = TABLE.pop()\npd.set_option"),
        (b"pd.set_option", b"WEEK += 1\npd.set_option"),
        (b"pd.set_option", b"if MONTH:\n    WEEK = 9\npd.set_option"),
        (b"pd.set_option", b"def helper(x):\n    return x\n\n\npd.set_option"),
        (b"from plans import *", b"from others import *"),
        (b"def build", b"def built"),
    ],
)
def test_what_the_function_reaches_counts(old: bytes, new: bytes) -> None:
    assert old in SHARED
    assert not means_the_same(SHARED, SHARED.replace(old, new), "build")


REGISTERED = b"""
STEPS = []


def step(function):
    STEPS.append(function)
    return function


class Step:
    def __init_subclass__(cls):
        STEPS.append(cls)


@step
def times(batch):
    return batch.weekday


class Doubled(Step):
    by = 2


def fill(n):
    STEPS.append(n)


FILLED = fill(3)


def asked(x=fill(4)):
    return x


class Table:
    rows = fill(5)


class Plain:
    rows = 6


def build(batch):
    return [one for one in STEPS]
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"batch.weekday", b"6 - batch.weekday"),
        (b"by = 2", b"by = 3"),
        *((b"fill(%d)" % n, b"fill(9)") for n in (3, 4, 5)),
    ],
)
def test_what_enters_itself_in_a_table_counts(old: bytes, new: bytes) -> None:
    assert old in REGISTERED
    assert not means_the_same(REGISTERED, REGISTERED.replace(old, new), "build")
    assert means_the_same(REGISTERED, REGISTERED.replace(b"rows = 6", b"rows = 7"), "build")


def test_an_empty_file_of_the_package_changes_nothing() -> None:
    def beside(data: bytes) -> Source:
        return Source(SOURCE, "flights.py", lambda name: data if name == "__init__.py" else None)

    assert mean_the_same(Source(SOURCE, "flights.py"), beside(b"# why it is here\n"), "build")
    assert not mean_the_same(Source(SOURCE, "flights.py"), beside(b"import numpy\n"), "build")


def test_a_function_that_is_bound_in_a_branch_takes_the_whole_file() -> None:
    one = b"A = 1\nif A:\n    def f():\n        return 1\nB = 2\n"
    assert means_the_same(one, one + b"# why", "f")
    assert not means_the_same(one, one.replace(b"B = 2", b"B = 3"), "f")


HELPED = b"""
from . import hours
from .lib.days import week as seven
import numpy as np


def build(batch):
    from configs.features.late import late

    return batch.assign(a=hours.of(batch), b=seven(batch), c=late(batch))


def other(batch):
    from .unused import anything

    return anything(batch)
"""
FOLDER = {
    "hours.py": b"from . import flights\n\n\ndef of(batch):\n    return 1\n",
    "flights.py": HELPED,
    "lib/__init__.py": b"",
    "lib/days.py": b"from ..months import MONTH\n\n\ndef week(batch):\n    return MONTH\n",
    "months.py": b"from .lib import days\nMONTH = 30\n",
    "late.py": b"import configs.features.minutes as m\nlate = m.late\n",
    "minutes.py": b"late = float\n",
    "unused.py": b"anything = list\n",
    "numpy.txt": b"",
}


@pytest.mark.parametrize(
    ("file", "new", "same"),
    [
        ("hours.py", b"from . import flights\n\n\ndef of(batch):\n    return 2\n", False),
        ("hours.py", FOLDER["hours.py"] + b"# a comment\n", True),
        ("hours.py", None, False),
        ("lib/__init__.py", b"import sys\n", False),
        ("lib/days.py", FOLDER["lib/days.py"].replace(b"return MONTH", b"return 7"), False),
        ("months.py", b"from .lib import days\nMONTH = 31\n", False),
        ("late.py", b"late = int\n", False),
        ("minutes.py", b"late = int\n", False),
        ("minutes.py", b"late = = int\n", False),
        ("unused.py", b"anything = tuple\n", True),
        ("__init__.py", b"import warnings\n", False),
        ("numpy.txt", b"1", True),
    ],
)
def test_what_the_function_imports_from_its_folder_counts(file: str, new: bytes | None, same: bool) -> None:
    changed = {name: data for name, data in {**FOLDER, file: new}.items() if data is not None}
    without_cycle = {**FOLDER, "hours.py": FOLDER["hours.py"].replace(b"from . import flights\n", b"")}
    one, other = Source(HELPED, "flights.py", FOLDER.get), Source(HELPED, "flights.py", changed.get)
    if file == "unused.py":  # the cycle takes the whole file in, and what it imports
        assert not mean_the_same(one, other, "build")
        one = Source(HELPED, "flights.py", without_cycle.get)
        other = Source(HELPED, "flights.py", {**without_cycle, file: new}.get)  # type: ignore[arg-type]
    assert mean_the_same(one, other, "build") == same
