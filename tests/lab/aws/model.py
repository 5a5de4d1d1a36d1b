# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of AWS's services, as the SDK carries them: operations, shapes, routes."""

from __future__ import annotations

import re
from functools import cache, cached_property
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

# Where the name in a signature, the prefix of an IAM action, and the SDK's name of a service differ.
_BY_SIGNING_NAME = {"monitoring": "cloudwatch", "servicequotas": "service-quotas"}
_ACTION_PREFIX = {"service-quotas": "servicequotas"}
_LABEL = re.compile(r"\{(\w+)(\+?)\}")


def service_of(signing_name: str) -> str:
    """Return the SDK's name of the service that a credential scope names."""
    return _BY_SIGNING_NAME.get(signing_name, signing_name)


def action_prefix(service: str) -> str:
    """Return what the service's IAM actions begin with."""
    return _ACTION_PREFIX.get(service, service)


class Model:
    """One service's model."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._raw = ServiceModel(Loader().load_service_model(service, "service-2"), service)
        self.target_prefix: str = self._raw.metadata.get("targetPrefix", "")
        self.xml_namespace: str = self._raw.metadata.get("xmlNamespace", "")
        self.query_compatible = "awsQueryCompatible" in self._raw.metadata
        self._operations: dict[str, OperationModel] = {}

    @property
    def protocol(self) -> str:
        """Return the wire format that the SDK chooses."""
        return str(self._raw.resolved_protocol)

    @property
    def json_version(self) -> str:
        """Return the version in the content type of the json protocol."""
        return str(self._raw.metadata.get("jsonVersion", "1.1"))

    def operation(self, name: str) -> OperationModel | None:
        """Return an operation; its shapes are resolved once and kept."""
        if name not in self._operations:
            if name not in self._raw.operation_names:
                return None
            self._operations[name] = self._raw.operation_model(name)
        return self._operations[name]

    def error_shape(self, code: str) -> tuple[str, Any] | None:
        """Return the name and shape of the modelled exception that a code stands for."""
        return self._errors.get(code)

    @cached_property
    def _errors(self) -> dict[str, tuple[str, Any]]:
        found: dict[str, tuple[str, Any]] = {}
        for shape in self._raw.error_shapes:
            found[shape.name] = (shape.name, shape)
            found.setdefault(shape.error_code, (shape.name, shape))
        return found

    def route(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """Return the operation that a REST path means, with its labels still percent-encoded."""
        for wanted, pattern, name in self._routes:
            match = pattern.fullmatch(path.rstrip("/")) if wanted == method else None
            if match:
                return name, {key[2:]: value for key, value in match.groupdict().items()}
        return None

    @cached_property
    def _routes(self) -> list[tuple[str, re.Pattern[str], str]]:
        """Return the routes, those with the fewest labels first: /copy-jobs before /copy-jobs/{copyJobId}."""
        found = []
        for name in self._raw.operation_names:
            http = self._raw.operation_model(name).http
            path = http["requestUri"].split("?")[0].rstrip("/")
            found.append((path.count("{"), -len(path), http["method"], _path_pattern(path), name))
        return [(method, pattern, name) for dummy, dummy2, method, pattern, name in sorted(found, key=lambda r: r[:2])]


def _path_pattern(path: str) -> re.Pattern[str]:
    """Return the pattern of a path; labels become groups ``l_<name>``, a greedy one takes slashes too."""
    parts = _LABEL.split(path)
    text = re.escape(parts[0])
    for label, greedy, literal in zip(parts[1::3], parts[2::3], parts[3::3]):
        text += f"(?P<l_{label}>{'.+' if greedy else '[^/]+'})" + re.escape(literal)
    return re.compile(text)


@cache
def model_of(service: str) -> Model:
    """Return a service's model, loaded when it is first asked for."""
    return Model(service)
