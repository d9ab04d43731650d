"""The names of SmartModules in requests, and the refusal to run one: the SPUs have no engine."""

from simulator.cluster.cluster import Cluster
from simulator.cluster.smartmodules import SmartModuleKey
from wire.api.smartmodule import Predefined, SmartModuleInvocation
from wire.codec import WireError
from wire.error_code import ErrorCode, Other, SmartModuleNotFound


def key_of(name: str) -> SmartModuleKey:
    """Read the name of a SmartModule in a request to the SC.

    Raises:
        WireError: its version is none; a real SC closes the connection then, too.
    """
    try:
        return SmartModuleKey.parse(name)
    except ValueError as error:
        raise WireError(str(error)) from None


def no_smartmodule(invocation: SmartModuleInvocation, cluster: Cluster) -> ErrorCode:
    """Return the code for a SmartModule, which is not run.

    One that the SC stores is refused, too: a real SPU without its engine would ignore it.
    """
    if isinstance(invocation.wasm, Predefined):
        name = invocation.wasm.name
        try:
            found = cluster.smartmodule(SmartModuleKey.parse(name))
        except ValueError as error:
            return Other(text=f"error parsing SmartModule name: {error}")
        if found is None:
            return SmartModuleNotFound(name=name)
    return Other(text="this simulator runs no SmartModules")
