# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resource types that a server knows, and the discovery documents that describe them."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_STATUS = ("get", "patch", "update")


@dataclass(frozen=True)
class Subresource:
    """A subresource with the group and version of its own kind, empty where they are those of the parent."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@dataclass(frozen=True)
class ResourceType:
    """One resource in one version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    verbs: tuple[str, ...] = _ALL_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    hash: str = ""
    custom: bool = False
    warning: str = ""

    @property
    def api_version(self) -> str:
        """Return ``batch/v1``, or ``v1`` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def has(self, subresource: str) -> bool:
        """Tell whether ``subresource`` exists."""
        return any(entry.name == subresource for entry in self.subresources)


def custom_type(
    group: str,
    version: str,
    plural: str,
    kind: str,
    *,
    namespaced: bool = True,
    short_names: Iterable[str] = (),
    warning: str = "",
) -> ResourceType:
    """Return the type of a custom resource with a status subresource, as a CRD makes it."""
    return ResourceType(
        group=group,
        version=version,
        plural=plural,
        kind=kind,
        namespaced=namespaced,
        singular=kind.lower(),
        verbs=_CUSTOM_VERBS,
        short_names=tuple(short_names),
        subresources=(Subresource("status", kind, _STATUS, group, version),),
        custom=True,
        warning=warning,
    )


CUSTOM_TYPES: tuple[ResourceType, ...] = (
    custom_type("snapshot.storage.k8s.io", "v1", "volumesnapshots", "VolumeSnapshot", short_names=["vs"]),
    custom_type(
        "snapshot.storage.k8s.io",
        "v1",
        "volumesnapshotcontents",
        "VolumeSnapshotContent",
        namespaced=False,
        short_names=["vsc", "vscs"],
    ),
    custom_type(
        "snapshot.storage.k8s.io",
        "v1",
        "volumesnapshotclasses",
        "VolumeSnapshotClass",
        namespaced=False,
        short_names=["vsclass", "vsclasses"],
    ),
    custom_type("velero.io", "v1", "backups", "Backup"),
    custom_type("velero.io", "v1", "backupstoragelocations", "BackupStorageLocation", short_names=["bsl"]),
    custom_type("volsync.backube", "v1alpha1", "replicationsources", "ReplicationSource"),
    custom_type("volsync.backube", "v1alpha1", "replicationdestinations", "ReplicationDestination"),
)

_WARNINGS = {("", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"}


def _builtin(row: dict[str, Any]) -> ResourceType:
    subresources = tuple(
        Subresource(sub["name"], sub["kind"], tuple(sub["verbs"]), sub["group"], sub["version"])
        for sub in row.pop("subresources", ())
    )
    lists: dict[str, Any] = {key: tuple(row.pop(key)) for key in ("verbs", "short_names", "categories") if key in row}
    warning = _WARNINGS.get((row["group"], row["plural"]), "")
    return ResourceType(**row, **lists, subresources=subresources, warning=warning)


@functools.cache
def builtin_types() -> tuple[ResourceType, ...]:
    """Return the built-in types of a 1.36 server, in the order its discovery lists the groups."""
    rows = json.loads((Path(__file__).parent / "builtin_apis.json").read_text(encoding="utf-8"))
    return tuple(_builtin(row) for row in rows)


@dataclass
class Registry:
    """What one server serves: all built-in types and the custom types that are installed."""

    custom: tuple[ResourceType, ...] = CUSTOM_TYPES
    _index: dict[tuple[str, str, str], ResourceType] = field(init=False, repr=False)
    _by_kind: dict[tuple[str, str], ResourceType] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._index = {(kind.group, kind.version, kind.plural): kind for kind in self}
        self._by_kind = {(kind.api_version, kind.kind): kind for kind in reversed(list(self))}
        self.builtin_groups = {kind.group for kind in builtin_types()}

    def __iter__(self) -> Iterator[ResourceType]:
        yield from builtin_types()
        yield from self.custom

    def find(self, group: str, version: str, plural: str) -> ResourceType | None:
        """Return the type, or None."""
        return self._index.get((group, version, plural))

    def of_object(self, body: dict[str, Any]) -> ResourceType:
        """Return the type of a whole object by its apiVersion and kind."""
        kind = self._by_kind.get((body.get("apiVersion", ""), body.get("kind", "")))
        if kind is None:
            raise ValueError(f"no resource type is declared for {body.get('apiVersion')} {body.get('kind')}")
        return kind

    def versions(self, group: str) -> list[str]:
        """Return the versions of a group, preferred first."""
        found = dict.fromkeys(kind.version for kind in self if kind.group == group)
        return sorted(found, key=_version_rank)

    def groups(self) -> list[str]:
        """Return the named groups in the order of discovery."""
        return [group for group in dict.fromkeys(kind.group for kind in self) if group]


def _version_rank(version: str) -> tuple[int, int]:
    """Sort GA before beta before alpha, and newer before older."""
    stage = 2 if "alpha" in version else 1 if "beta" in version else 0
    major = version[1:].split("alpha")[0].split("beta")[0]
    return stage, -int(major)


def _group_versions(registry: Registry, group: str) -> dict[str, Any]:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in registry.versions(group)]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def api_versions(address: str) -> dict[str, Any]:
    """Return the document at /api."""
    servers = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": servers}


def api_group_list(registry: Registry) -> dict[str, Any]:
    """Return the document at /apis."""
    groups = [_group_versions(registry, group) for group in registry.groups()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(registry: Registry, group: str) -> dict[str, Any] | None:
    """Return the document at /apis/GROUP, or None for an unknown group."""
    if group not in registry.groups():
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group_versions(registry, group)}


def _optional(kind: ResourceType, short: str = "shortNames") -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if kind.short_names:
        extra[short] = list(kind.short_names)
    if kind.categories:
        extra["categories"] = list(kind.categories)
    return extra


def api_resource_list(registry: Registry, group: str, version: str) -> dict[str, Any] | None:
    """Return the document at /api/v1 or /apis/GROUP/VERSION, or None where there is none."""
    resources: list[dict[str, Any]] = []
    for kind in registry:
        if (kind.group, kind.version) != (group, version):
            continue
        entry = {
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": list(kind.verbs),
            **_optional(kind),
        }
        resources.append({**entry, "storageVersionHash": kind.hash} if kind.hash else entry)
        resources.extend(_subresource_entry(kind, sub) for sub in kind.subresources)
    if not resources:
        return None
    if not group:
        return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
    name = f"{group}/{version}"
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources}


def _subresource_entry(kind: ResourceType, sub: Subresource) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": f"{kind.plural}/{sub.name}", "singularName": "", "namespaced": kind.namespaced}
    if sub.version and (sub.group, sub.version) != (kind.group, kind.version):
        entry.update(group=sub.group, version=sub.version)
    return {**entry, "kind": sub.kind, "verbs": list(sub.verbs)}


def _aggregated_resource(kind: ResourceType) -> dict[str, Any]:
    own = {"group": kind.group, "version": kind.version} if kind.custom else {"group": "", "version": ""}
    entry: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": {**own, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
        **_optional(kind),
    }
    if kind.subresources:
        entry["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind},
                "verbs": list(sub.verbs),
            }
            for sub in kind.subresources
        ]
    return entry


def aggregated(registry: Registry, *, core: bool) -> dict[str, Any]:
    """Return the aggregated discovery document (v2) of /api or of /apis."""
    items: list[dict[str, Any]] = []
    for group in [""] if core else registry.groups():
        versions = []
        for version in registry.versions(group):
            kinds = sorted(
                (kind for kind in registry if (kind.group, kind.version) == (group, version)),
                key=lambda kind: kind.plural,
            )
            resources = [_aggregated_resource(kind) for kind in kinds]
            versions.append({"version": version, "resources": resources, "freshness": "Current"})
        items.append({"metadata": {"name": group} if group else {}, "versions": versions})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def root_paths(registry: Registry) -> dict[str, Any]:
    """Return the document at /: the paths that exist."""
    paths = {"/api", "/api/v1", "/apis", "/apis/", "/healthz", "/livez", "/readyz", "/version"}
    for group in registry.groups():
        paths.add(f"/apis/{group}")
        paths.update(f"/apis/{group}/{version}" for version in registry.versions(group))
    return {"paths": sorted(paths)}
