"""What holds for every property test: how long a draw takes is about the machine, not the code."""

from hypothesis import HealthCheck, settings

# fifty draws where a test names no other number: whoever changes a line waits for all of them together
settings.register_profile("plimsoll", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plimsoll")
