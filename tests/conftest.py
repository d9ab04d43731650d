"""Settings for all tests: the same examples on every run, and no deadline on a real clock."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "project",
    derandomize=True,
    deadline=None,
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # it measures real time too
)
settings.load_profile("project")
