"""A new kind of fault and a new API: one class each, and nothing else changes."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError
from trio.testing import MockClock

from simulator import open_simulator
from simulator.events import FaultHit, FrameWritten
from simulator.faults.distributions import Constant
from simulator.faults.effects import Action, CutPoint, Effect
from simulator.faults.fault_file import FaultFileError, parse_faults
from simulator.faults.fault_list import FaultList
from simulator.faults.guide import kinds
from simulator.faults.model import FAULTS, Fault, Match, Placed
from simulator.handlers.codes import CodeOfAnswer
from simulator.handlers.context import Context
from simulator.handlers.served_api import SERVED_APIS, ServedApi, register_api
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import APIS, CREATE, LIST, PRODUCE, Api
from wire.codec import decode
from wire.codec.message import message
from wire.codec.types import i64
from wire.error_code import Code, ErrorCode, Other

# --- a fault that ends a connection late, in the middle of an answer


@pytest.fixture
def stumble() -> Iterator[type[Placed]]:
    class Stumble(Placed):
        """Ends a connection late, in the middle of a response.

        It models a server that is killed while it writes. Not realistic: it is a toy.
        """

        kind: ClassVar[str] = "stumble"

        def action(self, at: CutPoint) -> Action:
            if at is CutPoint.REQUEST:
                return Action(delay=Constant("20ms"))
            return Action(delay=Constant("10ms"), ending="rst", after_bytes=3)

    yield Stumble
    FAULTS.remove("stumble")


def test_a_new_kind_is_read_named_and_described(stumble: type[Placed]) -> None:
    [fault] = parse_faults("- stumble: {at: response, nth: 1}", "faults.yaml")
    assert fault == stumble(name="stumble-1", at="response", nth=1)
    with pytest.raises(FaultFileError, match="unknown kind 'stumbel'; did you mean 'stumble'"):
        parse_faults("- stumbel", "faults.yaml")
    with pytest.raises(FaultFileError, match=r"stumble.nht: unknown key 'nht'; did you mean 'nth'"):
        parse_faults("- stumble: {nht: 1}", "faults.yaml")
    schema = TypeAdapter[list[Fault]](FaultList).json_schema()
    assert schema["items"]["oneOf"][-1]["anyOf"][0] == {"const": "stumble"}
    assert "killed while it writes" in schema["$defs"]["Stumble"]["description"]
    assert "### stumble\n\nEnds a connection late" in kinds()
    effects = (
        "Effects: at the request *late*; at the response *not-answered*, *late*, "
        "*ends-connection*, *hides-attempts*. Terminal."
    )
    assert effects in " ".join(kinds().split())


async def test_a_new_kind_strikes_with_its_effects(
    stumble: type[Placed], network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = stumble(name="oops", at="response")
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.send(PRODUCE, produce_request(("greetings", 0, batch(b"a"))))
        assert await client.answers_within(1) == []
        [hit] = [event for event in sim.events if isinstance(event, FaultHit)]
        assert (hit.kind, hit.delay_s, hit.how, hit.after_bytes) == ("stumble", 0.01, "rst", 3)
        assert hit.effects == stumble().effects(CutPoint.RESPONSE)
        assert Effect.ENDS_CONNECTION in hit.effects
        cut = [e for e in sim.events if isinstance(e, FrameWritten) and not e.whole]
        assert [event.size for event in cut] == [3]
        assert sim.summary().faults["oops"].fired == 1
        assert len(sim.log("greetings", 0)) == 1


def test_two_kinds_cannot_have_one_word(stumble: type[Placed]) -> None:
    with pytest.raises(ValueError, match="the fault kind 'stumble' is registered already"):

        class Other(Placed):
            kind: ClassVar[str] = "stumble"


# --- an API that tells how many records an SPU has, and one whose answers have a code


@message
class CountRequest:
    """Ask how many records an SPU has."""

    above: i64 = 0


@message
class CountResponse:
    """How many records an SPU has."""

    records: i64 = 0
    error_code: ErrorCode = Code.NONE


def count(request: CountRequest, context: Context) -> CountResponse:
    records = sum(len(partition.log) for partition in context.cluster.partitions())
    return CountResponse(records=max(0, records - request.above))


CountApi = Api[CountRequest, CountResponse]


def make_api(*, has_code: bool) -> CountApi:
    return Api("count", 77, 3, 5, CountRequest, CountResponse, server="spu", has_code=has_code)


@pytest.fixture
def api() -> Iterator[CountApi]:
    made = make_api(has_code=False)
    register_api(ServedApi(api=made, handle=count))
    yield made
    SERVED_APIS.remove("count")
    APIS.remove("count")


@pytest.fixture
def api_with_code() -> Iterator[CountApi]:
    made = make_api(has_code=True)
    codes = CodeOfAnswer(lambda request, version, code: CountResponse(error_code=code))
    register_api(ServedApi(api=made, handle=count, codes=codes))
    yield made
    SERVED_APIS.remove("count")
    APIS.remove("count")


def offered(client: Client) -> dict[int, tuple[int, int]]:
    return {k.api_key: (k.min_version, k.max_version) for k in client.offered.api_keys}


async def test_a_new_api_is_offered_and_answered(
    api: CountApi, network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        client = await dial(network, sim.spu_addresses[0])
        assert offered(client)[77] == (3, 5)
        assert 77 not in offered(await dial(network, sim.address))
        await client.produce("greetings", 0, b"a", b"b")
        assert (await client.call(api, CountRequest(above=1))).records == 1


async def test_a_fault_strikes_a_new_api(
    api: CountApi, network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    [fault] = parse_faults("- drop: {at: request, nth: 2, match: {api: count}}", "faults.yaml")
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        ids = [await client.send(api, CountRequest()) for _ in range(3)]
        answered = [number for number, _ in await client.answers_within(1)]
        assert answered == [ids[0], ids[2]]
        [hit] = [event for event in sim.events if isinstance(event, FaultHit)]
        assert (hit.api, hit.partition, hit.ordinal) == ("count", None, 2)


def test_a_new_api_without_a_place_for_a_code_refuses_error_faults(api: CountApi) -> None:
    error = "- error: {code: Other, match: {api: count}}"
    with pytest.raises(FaultFileError, match="count has no field for an error code; write one of"):
        parse_faults(error, "faults.yaml")
    with pytest.raises(ValidationError, match="count requests name no partitions; remove topic"):
        Match(api="count", topic="greetings")


@pytest.mark.parametrize("at", ["request", "response"])
async def test_a_new_api_with_a_place_for_a_code_is_answered_with_it(
    at: str, api_with_code: CountApi, network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    text = f"- error: {{code: Other, at: {at}, match: {{api: count}}}}"
    async with open_simulator(
        listen=network.listen, faults=parse_faults(text, "faults.yaml")
    ) as sim:
        client = await dial(network, sim.spu_addresses[0])
        answer = await client.call(api_with_code, CountRequest())
    assert isinstance(answer.error_code, Other)


async def test_what_is_taken_out_again_is_offered_no_more(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    assert "count" not in APIS
    async with open_simulator(listen=network.listen) as sim:
        assert 77 not in offered(await dial(network, sim.spu_addresses[0]))


def fits_not(**traits: Any) -> ServedApi:
    return ServedApi(handle=count, **traits)


def test_an_endpoint_does_what_its_api_says_of_itself() -> None:
    with pytest.raises(ValueError, match="create: codes= goes with an API that has_code"):
        fits_not(api=CREATE)
    with pytest.raises(ValueError, match="produce: partitions= goes with"):
        fits_not(api=PRODUCE, codes=SERVED_APIS["produce"].codes)
    with pytest.raises(ValueError, match="list: carried= goes with an API that names_partitions"):
        fits_not(api=LIST, carried=lambda request: ())


def test_two_apis_of_one_server_cannot_have_one_key() -> None:
    clash = Api("clash", 0, 0, 0, CountRequest, CountResponse, server="any")
    try:
        with pytest.raises(ValueError, match="clash and produce have one key"):
            register_api(ServedApi(api=clash, handle=count))
    finally:
        APIS.remove("clash")


def test_the_answer_of_the_toy_decodes() -> None:
    assert decode(CountResponse, bytes(8) + b"\0\0", 3) == CountResponse()
