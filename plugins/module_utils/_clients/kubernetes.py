# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Note: this file is private to the collection; its interface can change at any time.

"""The only file that knows the Kubernetes client.

Objects are read as raw JSON without discovery: the typed models of client 37 refuse a whole list for one odd object,
and discovery costs requests that no step needs. Connection options, their names and their environment fall-backs are
those of kubernetes.core.
"""

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as core_client
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.api import (
    check_address,
    grant_for,
    path_of,
    timeout_of,
)
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.clock import Clock
from ansible_collections.sre.backup_sync.plugins.module_utils._clients.transport import fault
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed

try:
    import urllib3
    import urllib3.exceptions as http_errors
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException
    from kubernetes.dynamic import DynamicClient
    from kubernetes.dynamic.exceptions import DynamicApiError

    HAS_KUBERNETES = True
except ImportError:
    HAS_KUBERNETES = False

PAGE = 500
_TRIES = 3
_LONGEST_WAIT_S = 5.0

Json = t.Dict[str, t.Any]


class Cluster:
    """Bounded, read-only access to one API server."""

    def __init__(self, options: dict[str, t.Any], *, name: str = "cluster") -> None:
        """Build the connection; nothing is sent yet.

        options: the values of connection_spec(). Raises BadParameter when they cannot make a connection,
        ReadFailed(not_configured) when the Python library is absent.
        """
        if not HAS_KUBERNETES:
            raise ReadFailed(
                "not_configured",
                "The Python library kubernetes is not installed where this step runs.",
                hint="pip install 'kubernetes>=29.0.0,!=37.0.2'",
            )
        self.name = name
        self.clock = Clock()
        self.requests = 0
        self._timeout = timeout_of(options)
        if isinstance(options.get("api_key"), str):  # what comes out of a file or of base64 often ends with a newline
            options = dict(options, api_key=options["api_key"].strip())
        configuration = _configuration(options, name)
        self.host = str(configuration.host)
        try:
            api = ApiClient(configuration)
        except (ValueError, http_errors.HTTPError) as exc:  # a proxy without a scheme, say
            raise BadParameter(f"host or proxy: no connection can be made with it ({name}): {exc}") from exc
        for header, value in core_client._create_headers(**options).items():  # pylint: disable=protected-access
            core_client._set_header(api, header, value)  # pylint: disable=protected-access
        self._client = DynamicClient(api, discoverer=_no_discovery)

    # ------------------------------------------------------------------------------------------------- reading

    def get(self, path: str, query: dict[str, t.Any] | None = None) -> Json:
        """One object or document. Raises ReadFailed."""
        reply = self._send("get", path, query)
        try:
            data = json.loads(reply.data)
        except (ValueError, UnicodeDecodeError):
            data = None
        if not isinstance(data, dict):
            raise ReadFailed(
                "error",
                f"{self.name}: {path} answered something that is not JSON ({reply.headers.get('Content-Type')}).",
                hint="Is the address that of an API server, and not of a login page or a proxy?",
            )
        return data

    def list(self, path: str, query: dict[str, t.Any] | None = None) -> t.Iterator[Json]:
        """The items of a list, page by page, so that memory holds one page; an expired token restarts once.

        Raises ReadFailed. After a restart objects already seen are not given twice.
        """
        seen: set[str] = set()
        restarted = False
        query = dict(query or {}, limit=PAGE)
        token: str | None = None
        while True:
            try:
                page = self.get(path, dict(query, **({"continue": token} if token else {})))
            except ReadFailed as failure:
                if failure.code == 410 and not restarted:
                    restarted, token = True, None
                    continue
                raise
            items = page.get("items")
            for item in items if isinstance(items, list) else []:
                if not isinstance(item, dict):
                    continue
                meta = item.get("metadata") or {}
                key = meta.get("uid") or f"{meta.get('namespace')}/{meta.get('name')}"
                if key in seen:
                    continue
                seen.add(key)
                yield item
            token = (page.get("metadata") or {}).get("continue") or None
            if not token:
                return

    def stream(self, path: str, query: dict[str, t.Any] | None = None, chunk: int = 65536) -> t.Iterator[bytes]:
        """The body in pieces; a reply without content gives none. Raises ReadFailed, also in the middle."""
        reply = self._send("get", path, query)
        try:
            yield from reply.stream(chunk)
        except (http_errors.HTTPError, OSError) as exc:
            raise self._no_answer(path, exc) from exc
        finally:
            reply.release_conn()

    def has_group(self, group: str) -> bool | None:
        """Whether the API group is served; None when discovery cannot be read either."""
        try:
            self.get(f"/apis/{group}")
        except ReadFailed as failure:
            return False if failure.outcome in ("api_missing", "not_found") else None
        return True

    def namespace_exists(self, namespace: str) -> bool | None:
        """A list in a missing namespace is 200 and empty; only the namespace object tells. None: not permitted."""
        try:
            self.get(path_of("", "v1", "namespaces", name=namespace))
        except ReadFailed as failure:
            return False if failure.outcome == "not_found" else None
        return True

    def may(self, verb: str, resource: str, *, group: str = "", namespace: str | None = None, name: str = "") -> bool:
        """Whether these credentials may do that, as the API server judges it. Raises ReadFailed.

        A SelfSubjectAccessReview is posted and stored nowhere; every authenticated user may ask it.
        """
        kind, dummy, sub = resource.partition("/")
        asked = {"verb": verb, "group": group, "resource": kind, "subresource": sub, "namespace": namespace or "", "name": name}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
        }
        reply = self._send("post", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", None, body)
        return bool((_status_object(reply.data).get("status") or {}).get("allowed"))

    # ------------------------------------------------------------------------------------------------- sending

    def _send(self, method: str, path: str, query: dict[str, t.Any] | None, body: Json | None = None) -> t.Any:
        """One request with bounded retries for throttling, a failing server and a broken connection."""
        for attempt in range(1, _TRIES + 1):
            sent = time.time()
            try:
                self.requests += 1
                reply = self._client.request(
                    method,
                    path,
                    serialize=False,
                    query_params=list((query or {}).items()),
                    body=body,
                    # Accept is left to the server for logs: text/plain alone is refused with 406
                    header_params={"Accept": "application/json, */*"},
                    _request_timeout=(min(self._timeout, 10.0), self._timeout),
                )
                self.clock.add(reply.headers.get("Date"), sent, time.time())
                return reply
            except DynamicApiError as exc:
                headers = exc.headers or {}
                self.clock.add(headers.get("Date"), sent, time.time())
                if attempt < _TRIES and _may_retry(exc.status, attempt):
                    time.sleep(_pause(headers.get("Retry-After"), attempt))
                    continue
                raise self._refusal(path, exc) from exc
            except (UnicodeError, ValueError):  # the text of the error holds the header, and so the secret: not shown
                raise BadParameter(
                    f"api_key or a header: it holds a character that HTTP does not allow ({self.name}); check it."
                ) from None
            except (http_errors.HTTPError, OSError) as exc:
                if attempt == 1 and _broken_connection(exc):
                    continue
                raise self._no_answer(path, exc) from exc
        raise AssertionError("unreachable")

    def _refusal(self, path: str, exc: t.Any) -> ReadFailed:
        """What a reply outside 2xx means."""
        status = _status_object(exc.body)
        message = str(status.get("message") or _text(exc.body) or exc.reason or "no message")[:2000]
        code = int(exc.status or 0)
        if code == 401:
            return ReadFailed(
                "forbidden",
                f"{self.name}: the API server does not accept the credentials ({message}, HTTP 401)",
                code=401,
                hint="The token or certificate is wrong or has expired; renew the kubeconfig.",
            )
        if code == 403:
            anonymous = 'User "system:anonymous"' in message
            return ReadFailed(
                "forbidden",
                f"{self.name}: {message}",
                code=403,
                hint="No usable credentials were sent: the server saw an anonymous user." if anonymous else None,
                grant=None if anonymous else grant_for(path),
            )
        if code == 404:
            named = bool((status.get("details") or {}).get("name"))
            return ReadFailed("not_found" if named else "api_missing", f"{self.name}: {message}", code=404)
        if code == 429:
            return ReadFailed(
                "throttled", f"{self.name}: {message}", code=429, hint="The API server asks to slow down; run it later."
            )
        if code == 504:
            return ReadFailed("timeout", f"{self.name}: {message}", code=504)
        return ReadFailed("error", f"{self.name}: HTTP {code}: {message}", code=code)

    def _no_answer(self, path: str, exc: BaseException) -> ReadFailed:
        """Nothing that HTTP could express came back."""
        found = fault(exc)
        if found.timed_out:
            return ReadFailed(
                "timeout",
                f"{self.name}: no answer in time from the API server {self.host} for {path}: {found.text}",
                hint="Check the route from here to the API server, or raise timeout in its connection options.",
            )
        hint = "Check the address, DNS and the route from here to the API server."
        if found.untrusted:
            hint = (
                "The server's certificate is not trusted here: give ca_cert in its connection options, or check the address."
            )
        return ReadFailed(
            "unreachable", f"{self.name}: the API server {self.host} cannot be reached: {found.text}", hint=hint
        )


# ---------------------------------------------------------------------------------------------------- pure pieces


def _no_discovery(*dummy: t.Any, **dummies: t.Any) -> None:
    """Stands where the dynamic client would discover every API group; the steps know their paths."""


def _configuration(options: dict[str, t.Any], name: str) -> t.Any:
    """The client's configuration from the options, through kubernetes.core. Raises BadParameter."""
    kubeconfig = options.get("kubeconfig")
    if kubeconfig is not None and not isinstance(kubeconfig, (str, dict)):
        raise BadParameter(f"kubeconfig: it is neither a path nor a dictionary ({name}); give one of them.")
    if isinstance(kubeconfig, str):
        for part in filter(None, os.path.expanduser(kubeconfig).split(os.pathsep)):
            if not os.path.exists(part):
                raise BadParameter(f"kubeconfig: there is no file {part} ({name}); give the path of a kubeconfig file.")
            if not os.access(part, os.R_OK) or os.path.isdir(part):
                raise BadParameter(f"kubeconfig: {part} cannot be read as a file ({name}); check the path and its mode.")
        options = dict(options, kubeconfig=os.path.expanduser(kubeconfig))
    try:
        # load_kube_config leaves its values behind as the process's default; a second cluster must not inherit them.
        Configuration.set_default(None)
        auth = core_client._create_auth_spec(**options)  # pylint: disable=protected-access
        configuration = core_client._create_configuration(auth)  # pylint: disable=protected-access
    except ConfigException as exc:
        raise BadParameter(_config_sentence(str(exc), options, name)) from exc
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as exc:
        raise BadParameter(
            f"kubeconfig: it is not a usable kubeconfig ({name}): it must hold clusters, users and contexts; "
            "check it with kubectl config view."
        ) from exc
    except Exception as exc:  # yaml errors come from whichever YAML library the client uses
        if "yaml" not in type(exc).__module__:
            raise
        raise BadParameter(
            f"kubeconfig: it is not valid YAML ({name}): {' '.join(str(exc).split())[:200]}; check it with kubectl config view."
        ) from exc
    finally:
        Configuration.set_default(None)
    check_address(str(configuration.host))
    for option, value in (("ca_cert", configuration.ssl_ca_cert), ("client_cert", configuration.cert_file)):
        if value and not os.path.isfile(value):
            raise BadParameter(f"{option}: there is no file {value} ({name}).")
    configuration.retries = urllib3.Retry(0, redirect=0)  # our own loop decides what is worth a second try
    return configuration


def _config_sentence(text: str, options: dict[str, t.Any], name: str) -> str:
    context = options.get("context")
    if context and "context" in text.lower() and str(context) in text:
        return f"context: {_place(options)} has no context {context!r} ({name}); kubectl config get-contexts lists them."
    if context and "No configuration found" in text:
        return f"kubeconfig: {_place(options)} is no kubeconfig or not there ({name}); give kubeconfig, or host with api_key."
    if options.get("host") and not any(options.get(key) for key in ("kubeconfig", "context")):
        return f"host: no credentials go with it ({name}); give api_key, or client_cert with client_key."
    if not any(options.get(key) for key in ("kubeconfig", "context", "host")):
        return (
            f"kubeconfig: no connection was given for the {name}, and {_place(options)} is no kubeconfig or not there; "
            "give kubeconfig, or host with api_key."
        )
    return f"kubeconfig: it is not a usable kubeconfig ({name}): {text[:300]}; check it with kubectl config view."


def _place(options: dict[str, t.Any]) -> str:
    """Where the kubeconfig that is used comes from."""
    given = options.get("kubeconfig")
    if isinstance(given, dict):
        return "the kubeconfig that was given"
    return str(given or os.environ.get("K8S_AUTH_KUBECONFIG") or os.environ.get("KUBECONFIG") or "~/.kube/config")


def _status_object(body: t.Any) -> Json:
    try:
        value = json.loads(body or b"")
    except (ValueError, UnicodeDecodeError, TypeError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(body: t.Any) -> str:
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    return " ".join(str(body or "").split())[:300]


def _may_retry(status: int | None, attempt: int) -> bool:
    """Throttling is worth every try, a server error one more."""
    return status == 429 or (status in (500, 502, 503) and attempt == 1)


def _pause(retry_after: str | None, attempt: int) -> float:
    try:
        asked = float(retry_after) if retry_after else 0.3 * 2**attempt
    except ValueError:
        asked = 1.0
    return min(max(asked, 0.0), _LONGEST_WAIT_S)


def _broken_connection(exc: BaseException) -> bool:
    """A reused connection that the other side has closed is worth one more try; a refusal or a time-out is not."""
    cause = getattr(exc, "reason", None) or exc
    return isinstance(cause, (http_errors.ProtocolError, ConnectionResetError)) and not isinstance(
        cause, http_errors.NewConnectionError
    )
