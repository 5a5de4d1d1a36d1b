# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small AWX: enough of /api/v2 for the modules of awx.awx 24, on a free port of 127.0.0.1, which keeps what was created.

It answers as AWX 24 does in what those modules look at: lists with count, results and next, the fields that a resource has and no
others, secrets as $encrypted$, 400 with the field's name for what AWX refuses (a playbook that the project does not have, a
schedule without a start or interval, a survey question without its parts, a second credential of one type). It runs no jobs.
"""

from __future__ import annotations

import json
import re
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

Item = t.Dict[str, t.Any]
TOKEN = "a-token-of-the-fake-awx"

# endpoint: (type of its items, {field: what it is where nobody gives it}, fields that are needed)
_ASKS = ("variables", "limit", "tags", "skip_tags", "inventory", "scm_branch", "labels", "credential", "job_type")
_TEMPLATE = {
    **{"name": "", "description": "", "organization": None, "inventory": None, "extra_vars": "", "survey_enabled": False},
    **{"allow_simultaneous": False, "limit": "", "scm_branch": "", "job_tags": "", "skip_tags": ""},
    **{f"ask_{name}_on_launch": False for name in _ASKS},
}
RESOURCES: dict[str, tuple[str, Item, tuple[str, ...]]] = {
    "organizations": ("organization", {"name": "", "description": ""}, ("name",)),
    "execution_environments": (
        "execution_environment",
        {"name": "", "description": "", "organization": None, "image": "", "credential": None, "pull": ""},
        ("name", "image"),
    ),
    "projects": (
        "project",
        {
            **{"name": "", "description": "", "organization": None, "scm_type": "", "scm_url": "", "scm_branch": ""},
            **{"credential": None, "scm_update_on_launch": False, "default_environment": None, "scm_revision": "abc"},
        },
        ("name",),
    ),
    "credential_types": (
        "credential_type",
        {"name": "", "description": "", "kind": "", "managed": False, "inputs": {}, "injectors": {}},
        ("name", "kind"),
    ),
    "credentials": (
        "credential",
        {"name": "", "description": "", "organization": None, "credential_type": None, "inputs": {}},
        ("name", "credential_type"),
    ),
    "inventories": (
        "inventory",
        {"name": "", "description": "", "organization": None, "kind": "", "host_filter": None, "variables": ""},
        ("name", "organization"),
    ),
    "hosts": ("host", {"name": "", "description": "", "inventory": None, "enabled": True, "variables": ""}, ("name", "inventory")),
    "groups": ("group", {"name": "", "description": "", "inventory": None, "variables": ""}, ("name", "inventory")),
    "notification_templates": (
        "notification_template",
        {
            **{"name": "", "description": "", "organization": None, "notification_type": "", "messages": None},
            "notification_configuration": {},
        },
        ("name", "organization", "notification_type"),
    ),
    "job_templates": (
        "job_template",
        {**_TEMPLATE, "project": None, "playbook": "", "execution_environment": None, "verbosity": 0, "forks": 0},
        ("name", "project", "playbook"),
    ),
    "workflow_job_templates": ("workflow_job_template", dict(_TEMPLATE), ("name",)),
    "workflow_job_template_nodes": (
        "workflow_job_template_node",
        {
            **{"identifier": "", "workflow_job_template": None, "unified_job_template": None, "extra_data": {}},
            **{"inventory": None, "all_parents_must_converge": False},
        },
        ("workflow_job_template",),
    ),
    "schedules": (
        "schedule",
        {"name": "", "description": "", "unified_job_template": None, "rrule": "", "enabled": True, "extra_data": {}},
        ("name", "unified_job_template", "rrule"),
    ),
}
_UNIFIED = ("job_templates", "workflow_job_templates", "projects")
# [endpoint]: {association: endpoint of what it holds}
ASSOCIATIONS: dict[str, dict[str, str]] = {
    "job_templates": {"credentials": "credentials", "notification_templates_error": "notification_templates"},
    "workflow_job_templates": {"notification_templates_error": "notification_templates"},
    "workflow_job_template_nodes": dict.fromkeys(
        ("always_nodes", "success_nodes", "failure_nodes"), "workflow_job_template_nodes"
    ),
    "groups": {"hosts": "hosts", "children": "groups"},
}
_QUESTION = {"type", "question_name", "variable", "required"}


class Refused(Exception):
    """What AWX answers with 400."""

    def __init__(self, **fields: str) -> None:
        super().__init__(str(fields))
        self.body = {name: [sentence] for name, sentence in fields.items()}


class FakeAwx:
    """The state, and its rules. playbooks: what its projects have. Use as a context; `address` is where it listens."""

    def __init__(self, playbooks: t.Iterable[str]) -> None:
        self.items: dict[str, dict[int, Item]] = {endpoint: {} for endpoint in RESOURCES}
        self.linked: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[tuple[str, int], Item] = {}
        self.changes: list[tuple[str, str]] = []  # (method, path) of whatever was not a GET
        self.read: set[int] = set()  # projects that were updated from their repository
        self.ignored: set[str] = set()  # fields that AWX would pass over without a word
        self.updates: dict[int, Item] = {}
        self._playbooks = set(playbooks)
        self._last = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.create("organizations", {"name": "Default"})

    def __enter__(self) -> FakeAwx:
        self._thread.start()
        return self

    def __exit__(self, *dummy: t.Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """For controller_host."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def named(self, endpoint: str) -> dict[str, Item]:
        """The items of an endpoint by their names."""
        return {item.get("name") or item["identifier"]: item for item in self.items[endpoint].values()}

    def links(self, endpoint: str, name: str, association: str) -> list[str]:
        """Names of what is associated with an item."""
        listed = self.linked.get((endpoint, self.named(endpoint)[name]["id"], association), [])
        others = self.items[ASSOCIATIONS[endpoint][association]]
        return [others[one].get("name") or others[one]["identifier"] for one in listed]

    # ------------------------------------------------------------------------------------------------- the API

    def listed(self, endpoint: str, asked: dict[str, str]) -> list[Item]:
        """The items that a query asks for: `name=` and the like must all hold, of `or__` one."""
        endpoints = _UNIFIED if endpoint == "unified_job_templates" else (endpoint,)
        found = [item for one in endpoints for item in self.items[one].values()]
        either = {name.removeprefix("or__"): value for name, value in asked.items() if name.startswith("or__")}
        every = {name: value for name, value in asked.items() if not name.startswith("or__") and value != "None"}
        found = [item for item in found if all(str(item.get(name)) == value for name, value in every.items())]
        return [item for item in found if not either or any(str(item.get(name)) == value for name, value in either.items())]

    def create(self, endpoint: str, given: Item) -> Item:
        """Raises Refused."""
        kind, fields, dummy = RESOURCES[endpoint]
        self._last += 1
        path = f"/api/v2/{endpoint}/{self._last}/"
        related = {name: f"{path}{name}/" for name in ("survey_spec", "update", *ASSOCIATIONS.get(endpoint, ()))}
        item = {"id": self._last, "type": kind, "url": path, "related": related, "summary_fields": {}, **fields}
        self.items[endpoint][self._last] = item
        try:
            return self.change(endpoint, self._last, given)
        except Refused:
            del self.items[endpoint][self._last]
            raise

    def change(self, endpoint: str, number: int, given: Item) -> Item:
        """Raises Refused."""
        item = self.items[endpoint][number]
        fields, needed = RESOURCES[endpoint][1:]
        for name in needed:
            if given.get(name, item.get(name)) in (None, ""):
                raise Refused(**{name: "This field may not be null or blank."})
        self.ignored |= set(given) - set(fields)
        wanted = {**item, **{name: value for name, value in given.items() if name in fields}}
        self._check(endpoint, wanted)
        item.update(wanted)
        return item

    def _check(self, endpoint: str, item: Item) -> None:
        for other in self.items[endpoint].values():
            same = all(other.get(name) == item.get(name) for name in ("name", "organization", "inventory"))
            if "name" in item and same and other["id"] != item["id"]:
                raise Refused(__all__="An object with this name exists.")
        if endpoint == "job_templates":
            project = self.items["projects"].get(item["project"])
            # the playbooks of a project are known only when it was read
            if project is None or project["id"] not in self.read or item["playbook"] not in self._playbooks:
                raise Refused(playbook="Playbook not found for project.")
        if endpoint == "schedules":
            rule = item["rrule"]
            if not re.match(r"DTSTART(;TZID=[^:]+)?:\d{8}T\d{6}Z? ", rule):
                raise Refused(rrule="Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ")
            if "INTERVAL=" not in rule or "RRULE:FREQ=" not in rule or "SECONDLY" in rule:
                raise Refused(rrule="INTERVAL required in rrule.")
        if endpoint == "credential_types" and item["kind"] not in ("cloud", "net"):
            raise Refused(kind="Must be 'cloud' or 'net'.")

    def update(self, number: int) -> Item:
        """Read the project's repository; that has ended when the answer comes."""
        self.read.add(number)
        self._last += 1
        url = f"/api/v2/project_updates/{self._last}/"
        done = {"status": "successful", "failed": False, "finished": "2026-01-01T00:00:00Z", "elapsed": 1.0, "started": None}
        self.updates[self._last] = {"id": self._last, "url": url, "scm_revision": "abc", "event_processing_finished": True, **done}
        return self.updates[self._last]

    def delete(self, endpoint: str, number: int) -> None:
        """With a group go the hosts that are in it and in no other."""
        if endpoint == "groups":
            others = {one for place, listed in self.linked.items() if place[0] == "groups" and place[1] != number for one in listed}
            for host in set(self.linked.get(("groups", number, "hosts"), [])) - others:
                del self.items["hosts"][host]
        del self.items[endpoint][number]
        for listed in self.linked.values():
            listed[:] = [one for one in listed if one != number]

    def link(self, endpoint: str, number: int, association: str, given: Item) -> None:
        """Raises Refused."""
        listed = self.linked.setdefault((endpoint, number, association), [])
        if given.get("disassociate"):
            listed.remove(given["id"])
            return
        others = self.items[ASSOCIATIONS[endpoint][association]]
        if association == "credentials":
            kinds = [others[one]["credential_type"] for one in listed]
            if others[given["id"]]["credential_type"] in kinds:
                raise Refused(error="Cannot assign multiple credentials of one type.")
        listed.append(given["id"])

    def survey(self, endpoint: str, number: int, given: Item) -> None:
        """Raises Refused."""
        for question in given["spec"]:
            missing = _QUESTION - set(question)
            if missing:
                raise Refused(error=f"{sorted(missing)[0]!r} missing from survey question.")
            choices = question.get("choices")
            default = question.get("default")
            if question["type"] == "multiplechoice" and (not choices or default not in (None, "", *choices)):
                raise Refused(error="Default choice must be answered from the choices listed.")
        self.surveys[endpoint, number] = given


def _handler(awx: FakeAwx) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request."""

        def _answer(self, code: int, body: t.Any = None) -> None:
            text = b"" if body is None else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", "24.6.1")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _serve(self) -> None:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._answer(401, {"detail": "Authentication credentials were not provided."})
            split = urlsplit(self.path)
            parts = split.path.removeprefix("/api/v2/").strip("/").split("/")
            length = int(self.headers.get("Content-Length") or 0)
            given = json.loads(self.rfile.read(length) or b"{}") if length else {}
            if self.command != "GET":
                awx.changes.append((self.command, split.path))
            try:
                return self._answer(*self._done(parts, dict(parse_qsl(split.query, keep_blank_values=True)), given))
            except KeyError:
                return self._answer(404, {"detail": "Not found."})
            except Refused as refusal:
                return self._answer(400, refusal.body)

        def _done(self, parts: list[str], asked: dict[str, str], given: Item) -> tuple[int, t.Any]:
            endpoint, number = parts[0], int(parts[1]) if len(parts) > 1 else 0
            if endpoint == "project_updates":
                return 200, awx.updates[number]
            if len(parts) == 1 and self.command == "GET":
                found = awx.listed(endpoint, asked)
                return 200, {"count": len(found), "next": None, "previous": None, "results": list(map(_shown, found))}
            if len(parts) == 1:
                return 201, _shown(awx.create(endpoint, given))
            if len(parts) == 2 and self.command == "DELETE":
                awx.delete(endpoint, number)
                return 204, None
            if len(parts) == 2:
                item = awx.change(endpoint, number, given) if self.command == "PATCH" else awx.items[endpoint][number]
                return 200, _shown(item)
            if parts[2] == "update":
                return 202, awx.update(number)
            if parts[2] == "survey_spec":
                if self.command == "POST":
                    awx.survey(endpoint, number, given)
                return 200, awx.surveys.get((endpoint, number), {})
            if self.command == "POST":
                awx.link(endpoint, number, parts[2], given)
                return 204, None
            others = awx.items[ASSOCIATIONS[endpoint][parts[2]]]
            listed = [_shown(others[one]) for one in awx.linked.get((endpoint, number, parts[2]), [])]
            return 200, {"count": len(listed), "next": None, "previous": None, "results": listed}

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, *dummy: t.Any) -> None:  # pylint: disable=arguments-differ
            """Nothing: the output is the tests'."""

    return Handler


def _shown(item: Item) -> Item:
    """As AWX shows it: secrets are not."""
    if item["type"] != "credential":
        return item
    return {**item, "inputs": dict.fromkeys(item["inputs"], "$encrypted$")}
