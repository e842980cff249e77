"""Every error a person can meet, each a full sentence: what was expected, what was found, what to do.

PlimsollError                exit code 1
├── UserError                2   something a person gave was wrong, and the sentence says what
│   ├── ConfigError          2   a YAML under configs/ or an environment variable
│   │   └── ChangedFeaturesError 2   a feature function that is not the one a version was trained with
│   ├── DataError            2   a batch, a feed or a lookup table
│   ├── FolderError          2   a local folder that cannot be written or read
│   └── ApprovalError        2   a decision that this person may not take, or not now
├── IntegrityError           3   bytes that are not what was written: nothing is read from them
├── ServerError              4   Prefect, MLflow or the object store does not answer
└── ConflictError            5   another writer was there first, again and again
"""


class PlimsollError(Exception):
    """Something went wrong that this project can name."""

    exit_code = 1


class UserError(PlimsollError):
    """What was given cannot be used, and the message says what would be."""

    exit_code = 2


class ConfigError(UserError):
    """A config file or an environment variable is wrong."""


class ChangedFeaturesError(ConfigError):
    """A feature function is not the one that a version was trained with."""


class DataError(UserError):
    """A batch, a feed or a lookup table is missing or unreadable."""


class FolderError(UserError):
    """A local folder cannot be written or read."""


class ApprovalError(UserError):
    """A decision that this person may not take, or not now."""


class IntegrityError(PlimsollError):
    """Stored bytes are not the bytes that were written."""

    exit_code = 3


class ServerError(PlimsollError):
    """A server that this step needs does not answer."""

    exit_code = 4


class ConflictError(PlimsollError):
    """Another writer was there first on every try."""

    exit_code = 5
