"""How long a delay is: a distribution, sampled by a draw that somebody else made.

A sample is a pure function of a uniform draw (the inverse of the cumulative distribution), so that
a delay is as reproducible as its draw. No sample is below zero: what a normal distribution has
below is cut off there. None is above ``DELAY_S_MAX``.
"""

import math
import re
from collections.abc import Mapping
from statistics import NormalDist
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    PlainValidator,
    RootModel,
    Tag,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from simulator.documents.quantities import Duration
from simulator.documents.strict_model import Strict, hint, shown
from wire.duration import parse_duration

DELAY_S_MAX = 3600.0
"""The longest delay. A pareto distribution has no longest sample, and a timer must have a time.
After an hour every client has long given up, so that a longer delay would show nothing else."""

YAML_FORMS = (
    "50ms, {uniform: [10ms, 200ms]}, {normal: {mean: 50ms, deviation: 10ms}}"
    " or {pareto: {scale: 20ms, shape: 1.5}}"
)
"""What a file may hold, for messages."""

CLI_FORMS = "50ms, uniform(10ms,200ms), normal(50ms,10ms) or pareto(20ms,1.5)"
"""What a command line may hold, for messages and help."""

_U_MIN = 2.0**-54
"""In place of a draw of 0, where a normal distribution is infinite: half of the next draw."""

_EXPONENT_MAX = 700.0
"""``exp`` of it is finite, and times any scale it is above ``DELAY_S_MAX``."""


def _bounded(seconds: float) -> float:
    if seconds > DELAY_S_MAX:
        raise ValueError(f"a delay is at most {DELAY_S_MAX / 60:.0f}m")
    return seconds


def _pair(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{shown(value)} is not a pair; write [shortest, longest]")
    return value


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("the shortest delay is above the longest; write [shortest, longest]")
    return pair


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("the scale must be above zero; for no delay write 0ms")
    return seconds


def _shape(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is not a number; write a shape, for example 1.5")
    if not 0 < value < math.inf:
        raise ValueError(
            f"{shown(value)} is not a number above zero; write a shape, for example 1.5"
        )
    return float(value)


DelayDuration = Annotated[Duration, AfterValidator(_bounded)]
"""A field of seconds, at most ``DELAY_S_MAX``."""


class Constant(RootModel[DelayDuration]):
    """Always the same delay: ``50ms``."""

    model_config = ConfigDict(frozen=True)

    def sample(self, u: float) -> float:
        """The delay in seconds; the draw does not matter."""
        return self.root


class Uniform(Strict):
    """Any delay between two, each equally likely: ``uniform: [10ms, 200ms]``."""

    uniform: Annotated[
        tuple[DelayDuration, DelayDuration], BeforeValidator(_pair), AfterValidator(_ordered)
    ]
    """The shortest and the longest delay."""

    def sample(self, u: float) -> float:
        """The delay in seconds for a draw in [0, 1)."""
        low, high = self.uniform
        return min(low + (high - low) * u, high)


class NormalParameters(Strict):
    """What a normal distribution is made of."""

    mean: DelayDuration
    """The middle of the delays."""
    deviation: DelayDuration
    """Two thirds of the delays are within this much of the mean."""


class Normal(Strict):
    """Delays around a mean, cut off at zero: ``normal: {mean: 50ms, deviation: 10ms}``."""

    normal: NormalParameters

    def sample(self, u: float) -> float:
        """The delay in seconds for a draw in [0, 1)."""
        spread = self.normal.deviation * _STANDARD.inv_cdf(max(u, _U_MIN))
        return min(max(self.normal.mean + spread, 0.0), DELAY_S_MAX)


class ParetoParameters(Strict):
    """What a pareto distribution is made of."""

    scale: Annotated[DelayDuration, AfterValidator(_positive)]
    """The shortest delay."""
    shape: Annotated[
        float,
        PlainValidator(_shape),
        WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
    ]
    """How fast long delays become rare: the smaller, the longer the tail; at 1 or below the mean is
    infinite."""


class Pareto(Strict):
    """Mostly short delays with a long tail, as networks have them:
    ``pareto: {scale: 20ms, shape: 1.5}``.
    """

    pareto: ParetoParameters

    def sample(self, u: float) -> float:
        """The delay in seconds for a draw in [0, 1)."""
        exponent = min(-math.log1p(-u) / self.pareto.shape, _EXPONENT_MAX)
        return min(self.pareto.scale * math.exp(exponent), DELAY_S_MAX)


_STANDARD = NormalDist()
_NAMED = ("uniform", "normal", "pareto")


def _known_form(value: object) -> object:
    if isinstance(value, Mapping) and len(value) == 1:
        name = str(next(iter(value)))
        if name not in _NAMED:
            raise ValueError(f"unknown distribution {shown(name)}{hint(name, _NAMED)}")
    elif not isinstance(value, str | BaseModel):
        raise ValueError(f"{shown(value)} is not a delay; write {YAML_FORMS}")
    return value


def _form(value: object) -> str:
    """The tag of a form; the brackets tell readers of an error's path that it is no key."""
    if isinstance(value, str):
        return "<constant>"
    return f"<{next(iter(value)) if isinstance(value, Mapping) else type(value).__name__.lower()}>"


Distribution: TypeAlias = Annotated[
    Annotated[Constant, Tag("<constant>")]
    | Annotated[Uniform, Tag("<uniform>")]
    | Annotated[Normal, Tag("<normal>")]
    | Annotated[Pareto, Tag("<pareto>")],
    Discriminator(_form),
    BeforeValidator(_known_form),
]
"""A field that holds how long a delay is. Every member has ``sample(u)``, in seconds."""

_ADAPTER: TypeAdapter[Constant | Uniform | Normal | Pareto] = TypeAdapter(Distribution)
_CALL = re.compile(r"([a-z]+)\(([^(),]*),([^(),]*)\)")


def parse_distribution(text: str) -> Constant | Uniform | Normal | Pareto:
    """A distribution as the command line writes it, for example ``uniform(10ms,200ms)``.

    Raises:
        ValueError: it is none; the text says what was wrong and shows the accepted forms.
    """
    try:
        return _ADAPTER.validate_python(_yaml_form(text.strip()))
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error", first["msg"])
        raise ValueError(f"{cause} (accepted are {CLI_FORMS})") from None
    except ValueError as error:
        raise ValueError(f"{error} (accepted are {CLI_FORMS})") from None


def _yaml_form(text: str) -> Any:
    call = _CALL.fullmatch(text)
    if call is None:
        if "(" in text:
            raise ValueError(f"{shown(text)} is not a distribution")
        parse_duration(text)  # whose message is about durations alone
        return text
    name, first, second = call[1], call[2].strip(), call[3].strip()
    match name:
        case "uniform":
            return {"uniform": [first, second]}
        case "normal":
            return {"normal": {"mean": first, "deviation": second}}
        case "pareto":
            return {"pareto": {"scale": first, "shape": _number(second)}}
    raise ValueError(f"{shown(name)} is not a distribution")


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text
