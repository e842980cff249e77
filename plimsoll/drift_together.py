"""What the other columns say of a column: a day's mean beside the mean that goes with all its other means.

Columns that move from day to day often move together, as temperature and dew point do. A unit error then looks like a
day of another season in its own column, and like no day at all beside the others.
"""

from collections.abc import Sequence

import numpy as np

from plimsoll.drift_measures import ColumnDays, Measure, means_of

RIDGE = 0.01  # added to every variance, in units of it: few days and columns that say the same still have an inverse


def measure_together(columns: Sequence[ColumnDays]) -> list[Measure]:
    """Return how far each day's mean of a number lies from what its other numbers' means lead to expect.

    It is the residual of a ridge regression on all other columns, in standard deviations, from the inverse of the
    means' correlation matrix (Whittaker, Graphical Models in Applied Multivariate Statistics, sect. 5.8). All days of
    the bag make the matrix, tonight as any other. A day without values of a column counts as its mean. Fewer than two
    columns that vary have nothing to say of each other.
    """
    numbers = [(column, means) for column in columns if (means := means_of(column)) is not None and np.ptp(means)]
    if len(numbers) < 2:
        return []
    means = np.column_stack([means for _, means in numbers])
    centre, sd = means.mean(axis=0), means.std(axis=0)
    z = (means - centre) / sd
    inverse = np.linalg.inv(z.T @ z / len(z) + RIDGE * np.eye(len(numbers)))
    partial = np.diag(inverse)  # one over each column's variance given the others
    gaps = z @ inverse / partial
    expected = centre + sd * (z - gaps)[-1]
    excess = np.abs(gaps) * np.sqrt(partial)
    tonight = zip(numbers, excess.T, means[-1].tolist(), expected.tolist(), strict=True)
    return [Measure(column.plan.name, "given", e, "mean about", own, other) for (column, _), e, own, other in tonight]
