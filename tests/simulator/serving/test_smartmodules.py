"""SmartModules as objects of the SC, over real frames."""

from typing import Any

import pytest
from trio.testing import MockClock

from simulator import open_simulator
from simulator.faults.kinds.error import Error
from simulator.faults.model import Match
from tests.simulator.admin import envelope, simulated, update, watch
from tests.simulator.client import Client
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import CREATE, DELETE, LIST, WATCH
from wire.api.admin import (
    CreateRequest,
    CreateSmartModule,
    DeleteRequest,
    DeleteTopic,
    ListFilter,
    ListRequest,
    NameFilter,
    Status,
    WatchOptions,
    WatchRequest,
)
from wire.api.envelope import SMART_MODULE
from wire.api.objects import ChangeKind, SmartModule, SmartModules, SmartModuleUpdate
from wire.api.smartmodule_spec import (
    SmartModuleMetadata,
    SmartModulePackage,
    SmartModuleParameter,
    SmartModuleSpec,
    SmartModuleWasm,
    WasmSummary,
)
from wire.error_code import Code, SmartModuleNotFound

CODE = b"\x1f\x8b and more"


def spec(package: SmartModulePackage | None = None, code: bytes = CODE) -> SmartModuleSpec:
    params = {"limit": SmartModuleParameter(description="how many", optional=True)}
    meta = None if package is None else SmartModuleMetadata(package=package, params=params)
    return SmartModuleSpec(meta=meta, wasm=SmartModuleWasm(payload=code))


def package(name: str, group: str = "acme", version: str = "0.1.0") -> SmartModulePackage:
    return SmartModulePackage(name=name, group=group, version=version)


def creating(name: str, made: SmartModuleSpec, version: int = 19, **options: Any) -> CreateRequest:
    body = CreateSmartModule(name=name, spec=made, **options)
    return CreateRequest(object=envelope(SMART_MODULE, body, version))


def deleting(name: str, version: int = 19) -> DeleteRequest:
    return DeleteRequest(object=envelope(SMART_MODULE, DeleteTopic(name=name), version))


async def listed(
    client: Client, *names: str, summary: bool = False, version: int = 19
) -> list[SmartModule]:
    filters = ListFilter(name_filters=[NameFilter(name=name) for name in names], summary=summary)
    request = ListRequest(object=envelope(SMART_MODULE, filters, version))
    answer = await client.call(LIST, request, version)
    assert answer.object.label == SMART_MODULE
    return answer.object.open(SmartModules, version).objects


@pytest.mark.parametrize("version", range(15, 20))
async def test_a_smartmodule_is_created_listed_and_deleted_at_every_version(
    network: MemoryNetwork, autojump_clock: MockClock, version: int
) -> None:
    made = spec(package("filter"))
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        created = await client.call(CREATE, creating("ignored", made, version), version)
        assert await listed(client, version=version) == [
            SmartModule(name="filter-acme-0.1.0", spec=made)
        ]
        deleted = await client.call(DELETE, deleting("acme/filter@0.1", version), version)
        assert await listed(client, version=version) == []
        again = await client.call(DELETE, deleting("acme/filter@0.1", version), version)
    assert created == Status(name="filter-acme-0.1.0")
    assert deleted == Status(name="acme/filter@0.1")
    assert again == Status(
        name="acme/filter@0.1",
        error_code=SmartModuleNotFound(name="acme/filter@0.1"),
        error_message="not found",
    )


async def test_a_summary_has_the_length_of_the_code_in_its_place(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        await client.call(CREATE, creating("filter", spec()))
        (found,) = await listed(client, summary=True)
    summary = WasmSummary(wasm_length=len(CODE))
    assert found.spec == SmartModuleSpec(summary=summary, wasm=SmartModuleWasm())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ["plain", "filter-acme-0.1.0", "filter-other-0.2.0"]),
        (["plain"], ["plain"]),
        (["pla"], []),
        (["filter"], ["filter-acme-0.1.0", "filter-other-0.2.0"]),
        (["acme/filter", "plain"], ["plain", "filter-acme-0.1.0"]),
        (["other/filter@0.2"], ["filter-other-0.2.0"]),
        (["other/filter@0.1"], []),
        (["filter-acme-0.1.0"], []),
        (["acme/plain"], ["plain"]),
    ],
)
async def test_a_list_holds_the_smartmodules_that_its_names_are_of(
    network: MemoryNetwork, autojump_clock: MockClock, names: list[str], expected: list[str]
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        await client.call(CREATE, creating("plain", spec()))
        await client.call(CREATE, creating("", spec(package("filter"))))
        await client.call(CREATE, creating("", spec(package("filter", "other", "0.2.0"))))
        found = await listed(client, *names)
    assert [module.name for module in found] == expected


async def test_a_smartmodule_replaces_one_of_its_name_even_in_a_dry_run(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        begun = sim.cluster.memory.stored
        await client.call(CREATE, creating("filter", spec()))
        small = sim.cluster.memory.stored
        await client.call(CREATE, creating("filter", spec(code=CODE * 100), dry_run=True))
        assert sim.cluster.memory.stored - small == 99 * len(CODE)
        (found,) = await listed(client)
        assert found.spec.wasm.payload == CODE * 100
        await client.call(DELETE, deleting("filter"))
        assert sim.cluster.memory.stored == begun


@pytest.mark.parametrize("nothing", [{"name": ""}, {"name": "filter", "group": ""}])
async def test_a_package_without_a_name_or_a_group_is_refused(
    network: MemoryNetwork, autojump_clock: MockClock, nothing: dict[str, str]
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        status = await client.call(CREATE, creating("it", spec(package(**nothing))))
        assert await listed(client) == []
    assert status == Status(
        name="it",
        error_code=Code.SMART_MODULE_ERROR,
        error_message="invalid SmartModule package",
    )


async def test_a_smartmodule_for_which_there_is_no_memory_is_refused_and_the_old_one_stays(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        await client.call(CREATE, creating("filter", spec()))
        stored = sim.cluster.memory.stored
        sim.cluster.memory.stored_max = stored + 100
        status = await client.call(CREATE, creating("filter", spec(code=bytes(10_000))))
        assert sim.cluster.memory.stored == stored
        (found,) = await listed(client)
    assert found.spec.wasm.payload == CODE
    assert (status.name, status.error_code, status.error_message) == (
        "filter",
        Code.SMART_MODULE_ERROR,
        "the memory of this simulator is full",
    )


@pytest.mark.parametrize(
    ("api", "request_"),
    [
        (CREATE, creating("it", spec(package("filter", version="0.1")))),
        (DELETE, deleting("acme/filter@one")),
        (DELETE, deleting("acme/filter@")),
        (DELETE, deleting("acme/filter@1.2.3.4")),
    ],
)
async def test_a_version_that_is_none_closes_the_connection(
    network: MemoryNetwork, autojump_clock: MockClock, api: Any, request_: Any
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        await client.send(api, request_)
        with pytest.raises(EOFError):
            await client.answer()


async def test_watches_hear_of_smartmodules_that_come_and_go(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        admin, whole, short = [await dial(network, sim.address) for _ in range(3)]
        await admin.call(CREATE, creating("old", spec()))
        await whole.send(WATCH, watch(SMART_MODULE))
        options = WatchOptions(summary=True)
        await short.send(WATCH, WatchRequest(object=envelope(SMART_MODULE, options)))
        first = [await update(client, SmartModuleUpdate) for client in (whole, short)]
        await admin.call(CREATE, creating("newt", spec()))
        await admin.call(DELETE, deleting("newt"))
        news = [
            [(await update(client, SmartModuleUpdate)).changes[0] for _ in range(2)]
            for client in (whole, short)
        ]
    code, none = SmartModuleWasm(payload=CODE), SmartModuleWasm()
    assert [(m.name, m.spec.wasm) for f in first for m in f.all] == [("old", code), ("old", none)]
    assert [[(c.kind, c.content.name, c.content.spec.wasm) for c in each] for each in news] == [
        [(ChangeKind.UPDATE, "newt", code), (ChangeKind.DELETE, "newt", code)],
        [(ChangeKind.UPDATE, "newt", none), (ChangeKind.DELETE, "newt", code)],
    ]


@pytest.mark.parametrize(("at", "exists"), [("request", False), ("response", True)])
async def test_an_error_refuses_a_smartmodule_as_a_whole(
    network: MemoryNetwork, autojump_clock: MockClock, at: Any, exists: bool
) -> None:
    fault = Error(at=at, code="UnknownServerError", match=Match(api="create"))
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.address)
        status = await client.call(CREATE, creating("it", spec()))
        assert ("it" in sim.cluster.smartmodules) == exists
    assert (status.name, status.error_code) == ("it", Code.UNKNOWN_SERVER_ERROR)
