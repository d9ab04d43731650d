"""Distributions of delays, sampled with a uniform draw that the caller provides.

A sample is a pure function of a uniform draw (the inverse of the cumulative distribution), so a
delay is as reproducible as its draw. Samples are clamped to the range from 0 to ``DELAY_S_MAX``.
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
"""The longest delay, in seconds. A pareto distribution is unbounded, but a timer needs a finite
deadline. Every client gives up well within an hour, so a longer delay would show nothing new."""

YAML_FORMS = (
    "50ms, {uniform: [10ms, 200ms]}, {normal: {mean: 50ms, deviation: 10ms}}"
    " or {pareto: {scale: 20ms, shape: 1.5}}"
)
"""The accepted forms in a file, for messages."""

CLI_FORMS = "50ms, uniform(10ms,200ms), normal(50ms,10ms) or pareto(20ms,1.5)"
"""The accepted forms on a command line, for messages and help."""

_U_MIN = 2.0**-54
"""Replaces a draw of 0, for which a normal distribution is infinite: half of the next draw."""

_EXPONENT_MAX = 700.0
"""``exp`` of this is finite, and its product with any scale exceeds ``DELAY_S_MAX``."""


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
    """A constant delay: ``50ms``."""

    model_config = ConfigDict(frozen=True)

    def sample(self, u: float) -> float:
        """Return the delay in seconds; the draw is ignored."""
        return self.root


NO_DELAY = Constant.model_validate("0ms")
"""No delay at all."""


class Uniform(Strict):
    """Delays uniformly distributed between two limits: ``uniform: [10ms, 200ms]``."""

    uniform: Annotated[
        tuple[DelayDuration, DelayDuration], BeforeValidator(_pair), AfterValidator(_ordered)
    ]
    """The shortest and the longest delay."""

    def sample(self, u: float) -> float:
        """The delay in seconds for a draw in [0, 1)."""
        low, high = self.uniform
        return min(low + (high - low) * u, high)


class NormalParameters(Strict):
    """The parameters of a normal distribution."""

    mean: DelayDuration
    """The mean delay."""
    deviation: DelayDuration
    """The standard deviation: two thirds of the delays are within this distance of the mean."""


class Normal(Strict):
    """Normally distributed delays, clamped at zero: ``normal: {mean: 50ms, deviation: 10ms}``."""

    normal: NormalParameters

    def sample(self, u: float) -> float:
        """The delay in seconds for a draw in [0, 1)."""
        spread = self.normal.deviation * _STANDARD.inv_cdf(max(u, _U_MIN))
        return min(max(self.normal.mean + spread, 0.0), DELAY_S_MAX)


class ParetoParameters(Strict):
    """The parameters of a pareto distribution."""

    scale: Annotated[DelayDuration, AfterValidator(_positive)]
    """The shortest delay."""
    shape: Annotated[
        float,
        PlainValidator(_shape),
        WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
    ]
    """The exponent of the tail: a smaller shape gives a longer tail; at 1 or below the mean is
    infinite."""


class Pareto(Strict):
    """Mostly short delays with a long tail, as in real networks:
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
    """Return the tag of a form; the brackets distinguish it from a key in the path of an error."""
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
"""The type of a field that holds a delay. Every member has ``sample(u)``, in seconds."""

_ADAPTER: TypeAdapter[Constant | Uniform | Normal | Pareto] = TypeAdapter(Distribution)
_CALL = re.compile(r"([a-z]+)\(([^(),]*),([^(),]*)\)")


def parse_distribution(text: str) -> Constant | Uniform | Normal | Pareto:
    """Parse a distribution in command-line form, for example ``uniform(10ms,200ms)``.

    Raises:
        ValueError: ``text`` is not a distribution; the message names the error and the accepted
            forms.
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
        parse_duration(text)  # its message is about durations alone
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
