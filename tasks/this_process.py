"""Names of processes that tell, on the machine where they ran, whether they still run."""

import socket

import psutil


def process_name() -> str:
    """Return host, process id and start time of this process; an id alone may be given anew."""
    process = psutil.Process()
    return f"{socket.gethostname()}-{process.pid}-{int(process.create_time())}"


def is_dead(name: str) -> bool:
    """Return whether a named process of this host is no more; of other hosts nothing is known."""
    host, *numbers = name.rsplit("-", 2)
    if host != socket.gethostname() or len(numbers) != 2 or not all(part.isdigit() for part in numbers):
        return False
    return not _alive(int(numbers[0]), int(numbers[1]))


def _alive(pid: int, began: int) -> bool:
    try:
        return abs(int(psutil.Process(pid).create_time()) - began) <= 1
    except psutil.NoSuchProcess:
        return False
