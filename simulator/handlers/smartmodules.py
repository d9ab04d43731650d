"""The refusal of SmartModules: an SPU without the engine does not run any."""

from wire.api.smartmodule import Predefined, SmartModuleInvocation
from wire.error_code import ErrorCode, Other, SmartModuleNotFound


def no_smartmodule(invocation: SmartModuleInvocation) -> ErrorCode:
    """Return the code for a SmartModule that is not run."""
    if isinstance(invocation.wasm, Predefined):
        return SmartModuleNotFound(name=invocation.wasm.name)
    return Other(text="this simulator runs no SmartModules")
