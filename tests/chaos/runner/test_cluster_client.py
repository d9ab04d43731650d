"""Reading the logs of a cluster."""

from types import SimpleNamespace
from typing import Any

import pytest

from chaos.runner.cluster_client import _Log
from tests.simulator.client import batch
from wire.error_code import Code
from wire.record_set import as_stored


class CuttingSpu:
    """An SPU that cuts its answers at the wanted size, or at a limit of its own, in the middle of a
    batch if need be."""

    def __init__(self, batches: int, records: int, bytes_max: int = 1 << 20) -> None:
        self._bytes_max = bytes_max
        self.log = b""
        self.starts: list[tuple[int, int]] = []
        self.end = 0
        for n in range(batches):
            self.starts.append((self.end, len(self.log)))
            data = batch(*[b"%03d-%02d" % (n, k) for k in range(records)])
            self.log += as_stored(self.end, data[8:])
            self.end += records

    async def call(self, _: Any, request: Any) -> Any:
        wanted = request.topics[0].partitions[0].fetch_offset
        place = [at for offset, at in self.starts if offset <= wanted][-1]
        size = min(request.max_bytes, self._bytes_max) if wanted < self.end else 0
        data = self.log[place : place + size]
        found = SimpleNamespace(error_code=Code.NONE, records=data, high_watermark=self.end)
        return SimpleNamespace(topics=[SimpleNamespace(partitions=[found])])


@pytest.mark.parametrize("size", [200, 1000, 1100, 1150])
async def test_a_batch_that_a_fetch_cuts_is_read_by_the_next_one(size: int) -> None:
    log = _Log("t", 0, 0)
    log._bytes = size
    await assert_read(log, CuttingSpu(batches=40, records=10))


async def test_a_batch_that_an_spu_cuts_before_the_wanted_size_is_read_by_the_next_fetch() -> None:
    await assert_read(_Log("t", 0, 0), CuttingSpu(batches=40, records=10, bytes_max=1100))


async def assert_read(log: _Log, spu: CuttingSpu) -> None:
    for _ in range(1000):
        if not await log.read_on(spu):  # type: ignore[arg-type]
            break
    assert (len(log.records), log.unreadable) == (spu.end, [])
