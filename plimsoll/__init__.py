"""What the project knows about models, data and decisions; pure Python that talks to no server."""

__version__ = "0.1.0"
