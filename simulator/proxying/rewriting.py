"""Addresses and version ranges in the answers of a cluster, as the clients of a proxy see them.

An answer is decoded only if it can hold something to rewrite, and encoded again only if something
in it changed. All other fields keep their values, and their bytes follow from those.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from wire.address import Address, bracketed, unbracketed
from wire.api import API_VERSIONS, LIST, WATCH
from wire.api.api import Api
from wire.api.api_versions import ApiVersionsResponse
from wire.api.envelope import CUSTOM_SPU, SPU, seal
from wire.api.objects import ChangeKind, CustomSpus, CustomSpuUpdate, Spus, SpuUpdate
from wire.api.spu import Endpoint, IngressEndpoint

ADDRESSED = frozenset({LIST.name, WATCH.name})
"""The APIs whose answers can hold addresses of SPUs."""

_BODIES: dict[tuple[str, str], type[Any]] = {
    (LIST.name, SPU): Spus,
    (LIST.name, CUSTOM_SPU): CustomSpus,
    (WATCH.name, SPU): SpuUpdate,
    (WATCH.name, CUSTOM_SPU): CustomSpuUpdate,
}
"""The bodies that hold addresses, by API and label."""


class FoundSpu(NamedTuple):
    """An SPU as an answer of the SC describes it."""

    id: int
    name: str
    public: Address | None
    """Where it listens for clients; None if it has no such address."""
    local: Address | None
    """Where it listens for clients that use local addresses."""


class SpuNews(NamedTuple):
    """The SPUs that an answer describes, opened for rewriting."""

    api: Api[Any, Any]
    response: Any
    body: Any

    @property
    def found(self) -> list[FoundSpu]:
        """The SPUs that exist, as far as the answer tells."""
        return [found_spu(each) for each, gone in _objects(self.body) if not gone]

    def rewritten(self, version: int, address_of: Callable[[int], Address | None]) -> Any:
        """Return the response with other addresses.

        Args:
            version: the version of the request.
            address_of: the address for clients of the SPU with an id; None to leave it as it is.
        """
        for each, _ in _objects(self.body):
            address = address_of(each.spec.id)
            if address is not None:
                each.spec = _moved(each.spec, address)
        label = self.response.object.label
        return replace(self.response, object=seal(label, self.body, version))


def spu_news(api: Api[Any, Any], response: Any, version: int) -> SpuNews | None:
    """Open the answer to a List or Watch; None if it holds no addresses.

    Raises:
        WireError: it does not decode.
    """
    body = _BODIES.get((api.name, response.object.label))
    if body is None:
        return None
    return SpuNews(api, response, response.object.open(body, version))


def _objects(body: Any) -> Iterator[tuple[Any, bool]]:
    """The SPUs of a body, and whether each was deleted."""
    for each in getattr(body, "objects", ()):
        yield each, False
    for each in getattr(body, "all", ()):
        yield each, False
    for change in getattr(body, "changes", ()):
        yield change.content, change.kind is ChangeKind.DELETE


def found_spu(spu: Any) -> FoundSpu:
    """Return what matters of an SPU."""
    spec, local = spu.spec, spu.spec.public_endpoint_local
    ingress = spec.public_endpoint.ingress
    host = next((each.hostname or each.ip for each in ingress if each.hostname or each.ip), None)
    return FoundSpu(
        id=spec.id,
        name=spu.name,
        public=host and Address(unbracketed(host), spec.public_endpoint.port),
        local=local and Address(unbracketed(local.host), local.port),
    )


def _moved(spec: Any, address: Address) -> Any:
    """Return the specification of an SPU with another address in each endpoint."""
    host = bracketed(address.host)
    public: IngressEndpoint = spec.public_endpoint
    ingress = [
        replace(
            each,
            hostname=None if each.hostname is None else host,
            ip=None if each.ip is None else host,
        )
        for each in public.ingress
    ]
    local: Endpoint | None = spec.public_endpoint_local
    return replace(
        spec,
        public_endpoint=replace(public, port=address.port, ingress=ingress),
        private_endpoint=replace(spec.private_endpoint, port=address.port, host=host),
        public_endpoint_local=local and replace(local, port=address.port, host=host),
    )


def narrowed(
    response: ApiVersionsResponse, narrows: Callable[[int], Api[Any, Any] | None]
) -> ApiVersionsResponse | None:
    """Return a list of APIs with smaller ranges of versions, or None if nothing changes.

    Args:
        response: what the server offers.
        narrows: the API with a key if its range must be narrowed to what is declared, else None.
    """
    kept = []
    for each in response.api_keys:
        api = narrows(each.api_key)
        if api is not None and api.key != API_VERSIONS.key:
            least, most = (
                max(each.min_version, api.known_from),
                min(each.max_version, api.max_version),
            )
            if least > most:
                continue
            each = replace(each, min_version=least, max_version=most)
        kept.append(each)
    return None if kept == response.api_keys else replace(response, api_keys=kept)
