"""Settings of the whole suite."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No timing decides about a test: the suite runs beside Triton, OctoPrint and a browser on two cores.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
