"""The names of SmartModules, and what an SC tells of one.

Source: ``fluvio-controlplane-metadata``, ``smartmodule/package.rs``. A SmartModule with a package
is stored under ``<name>-<group>-<version>`` and is found under ``<group>/<name>@<version>``, whose
group and version may be left out; another is stored and found under its name.
"""

from dataclasses import replace
from typing import NamedTuple

from wire.api.objects import SmartModule
from wire.api.smartmodule_spec import SmartModulePackage, SmartModuleWasm, WasmSummary
from wire.semver import is_semver


class SmartModuleKey(NamedTuple):
    """A name by which clients ask for SmartModules; None where it does not say."""

    name: str
    group: str | None = None
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> "SmartModuleKey":
        """Read ``name``, ``group/name`` or ``group/name@version``.

        Raises:
            ValueError: the version is none.
        """
        group, slash, rest = text.partition("/")
        if not slash:
            return cls(text)
        name, at, version = rest.partition("/")[0].partition("@")
        return cls(name, group, _full_version(version.partition("@")[0]) if at else None)

    @classmethod
    def of(cls, package: SmartModulePackage) -> "SmartModuleKey":
        """The full name of a package."""
        return cls(package.name, package.group, package.version)

    @property
    def store_id(self) -> str:
        """The name under which the SC stores the SmartModule that this names in full."""
        return "-".join(part for part in self if part is not None)

    def matches(self, module: SmartModule) -> bool:
        """Return whether this names a SmartModule."""
        if module.spec.meta is None:
            return self.name == module.name
        package = SmartModuleKey.of(module.spec.meta.package)
        return (
            self.name == package.name
            and self.group in (None, package.group)
            and self.version in (None, package.version)
        )


def _full_version(text: str) -> str:
    """Fill up a version of one or two numbers with zeros, as a real SC does."""
    numbers = text.split(".")
    version = ".".join([*numbers, *["0"] * (3 - len(numbers))])
    if not is_semver(version):
        raise ValueError(f"SmartModule version`{text}` is not valid")
    return version


def summarized(module: SmartModule) -> SmartModule:
    """Return a SmartModule with the length of its code in place of the code."""
    summary = WasmSummary(wasm_length=len(module.spec.wasm.payload))
    return replace(module, spec=replace(module.spec, summary=summary, wasm=SmartModuleWasm()))
