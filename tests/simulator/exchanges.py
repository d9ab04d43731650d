"""Exchanges to try faults on, and what becomes of them."""

from collections.abc import Iterable

from simulator.faults.armed import Exchange
from simulator.faults.effects import CutPoint
from simulator.faults.plan import FaultPlan

REQUEST, RESPONSE = CutPoint.REQUEST, CutPoint.RESPONSE
TOPIC = ("greetings", 0)


def produce(
    *partitions: tuple[str, int], connection: int = 1, spu: int = 0, client_id: str = "fluvio"
) -> Exchange:
    """A produce request that names these partitions."""
    return Exchange(connection, spu, "produce", client_id, partitions, carries_partitions=True)


def other(api: str = "list", connection: int = 1) -> Exchange:
    """A request to the SC."""
    return Exchange(connection, None, api, "fluvio", (), carries_partitions=False)


def strikes(
    plan: FaultPlan, exchange: Exchange, at: CutPoint = REQUEST, elapsed_s: float = 0.0
) -> bool:
    """Begin an exchange and say whether anything strikes it."""
    plan.begin(exchange)
    return plan.verdict(exchange, at, elapsed_s) is not None


def struck(plan: FaultPlan, exchanges: Iterable[Exchange]) -> list[int]:
    """The positions, from 1, of the exchanges that are struck."""
    return [n for n, exchange in enumerate(exchanges, 1) if strikes(plan, exchange)]


def counts(plan: FaultPlan) -> dict[str, tuple[int | None, int]]:
    """How often each fault fired and was shadowed."""
    return {name: (count.fired, count.shadowed) for name, count in plan.counts.items()}
