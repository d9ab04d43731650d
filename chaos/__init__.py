"""The experiment: clients under test, run against the simulator under faults, and judged.

>>> import chaos
>>> scenario = chaos.load_scenario_file("scenarios/at-least-once-reset-at-answer.yaml").scenario()
>>> chaos.judge(chaos.run_scenario(scenario)).verdict
'valid'

In your own tests, with Hypothesis:

>>> from hypothesis import given
>>> @given(chaos.scenarios("scenarios/spus-restart-at-any-moment.yaml"))
... def test_no_promise_is_broken(scenario):
...     history = chaos.run_scenario(scenario)
...     assert not chaos.judge(history, example=True).broken

The rooms, in the order in which a scenario passes through them:

``spec``: scenario files, their models, generators and bounds.
``world``: virtual time or real sockets.
``history``: what the client did and reported, and what was stored.
``reports``: what a client tells of its records beside the calls that sent them.
``consumption``: what consumers read.
``drivers``: what can be put on trial.
``runner``: scenario, world and driver give a history.
``oracle``: history gives a verdict.
``conformance``: recorded sessions of a real cluster, replayed against the simulator.
``search``: exploring a property, shrinking and certifying.
``mutants``: small defects that the judge must catch.
``report``: narrative, tables, HTML, JUnit, the run directory.
``cli``: the commands.
``pytest_plugin``: fixtures with a simulator, and scenario files as tests.
"""

TYPE_CHECKING = False  # importing typing is slow, and type checkers know the name
if TYPE_CHECKING:
    from chaos.history import History
    from chaos.oracle.judge import Result, judge
    from chaos.report.replay import replay
    from chaos.runner import run_scenario
    from chaos.spec.loader import ScenarioFileError, load_scenario_file, scenarios
    from chaos.spec.scenario import Scenario

__all__ = [
    "History",
    "Result",
    "Scenario",
    "ScenarioFileError",
    "judge",
    "load_scenario_file",
    "replay",
    "run_scenario",
    "scenarios",
]

_HOMES = {
    "History": "chaos.history",
    "Result": "chaos.oracle.judge",
    "Scenario": "chaos.spec.scenario",
    "ScenarioFileError": "chaos.spec.loader",
    "judge": "chaos.oracle.judge",
    "load_scenario_file": "chaos.spec.loader",
    "run_scenario": "chaos.runner",
    "replay": "chaos.report.replay",
    "scenarios": "chaos.spec.loader",
}
"""Public names and the modules that define them."""


if not TYPE_CHECKING:  # a type checker would otherwise accept any name

    def __getattr__(name: str) -> object:
        """Load a public name on first use: ``import chaos`` by itself costs no trio."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
