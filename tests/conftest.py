"""What holds for every property test: how long a draw takes is about the machine, not the code."""

from hypothesis import HealthCheck, settings

settings.register_profile("plimsoll", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plimsoll")
