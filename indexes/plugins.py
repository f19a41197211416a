"""Registries of parts by name, built in or from other packages; knows no kind of part itself.

A `Registry` is one table. Its built-in names map to "module:object"; any installed package can add more as
entry points of the registry's group. A part is imported only when it is requested by name:

    [project.entry-points."funnel.memory"]
    etcd = "funnel_etcd:EtcdMemory"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from indexes.errors import MissingExtra, PlugInFailed, UnknownName

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A part of this distribution: where it is, as "module:object", and the extra that it needs, if any."""

    target: str
    extra: str = ""

    def load(self) -> object:
        """Import the module and return the object."""
        module, _, path = self.target.partition(":")
        found: object = import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
        return found


@dataclass(frozen=True, slots=True)
class Registry(Generic[T]):
    """The parts of one kind by name: the built-in ones and the entry points of `group`.

    A built-in name wins over a plug-in of the same name. If two plug-ins have the same name, the one that
    comes first on `sys.path` wins, as it does for modules. Entry points are looked up (a few milliseconds)
    only for a name that is not built in, and to list all names.
    """

    kind: str
    """What error messages call such a part, for example "lexical engine"."""
    group: str
    built_in: Mapping[str, BuiltIn]
    unknown: type[UnknownName] = UnknownName
    """The class of the error for an unknown name."""

    def __contains__(self, name: str) -> bool:
        """Return whether `get` knows the name; loads nothing."""
        return name in self.built_in or name in self.plug_ins()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names that `get` knows, sorted; loads nothing."""
        return iter(sorted([*self.built_in, *self.plug_ins()]))

    def plug_ins(self) -> dict[str, EntryPoint]:
        """Return the entry points of installed packages by name, except those whose name is built in."""
        from importlib.metadata import entry_points  # noqa: PLC0415 - slow to import, and most runs need none

        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            if point.name not in self.built_in:
                found.setdefault(point.name, point)
        return found

    def get(self, name: str) -> T:
        """Import the part with this name and return it.

        Raises: `UnknownName`, which lists the known names; `MissingExtra` if a built-in part lacks its
        package; `PlugInFailed` if a plug-in cannot be loaded.
        """
        if name in self.built_in:
            return self._load_built_in(name)
        plug_ins = self.plug_ins()
        if name not in plug_ins:
            raise self.unknown(self.kind, name, [*self.built_in, *plug_ins])
        return self._load(plug_ins[name])

    def _load_built_in(self, name: str) -> T:
        part = self.built_in[name]
        try:
            return cast("T", part.load())
        except ImportError as error:
            if not part.extra:
                raise
            raise MissingExtra(f"{self.kind.capitalize()} {name!r}", part.extra) from error

    def _load(self, point: EntryPoint) -> T:
        try:
            return cast("T", point.load())
        except Exception as error:
            # A plug-in's module may raise anything while it is imported.
            raise PlugInFailed(self.kind, point.name, point.value, error) from error
