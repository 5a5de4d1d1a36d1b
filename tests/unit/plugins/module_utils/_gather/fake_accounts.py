# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two AWS accounts that answer from dictionaries, for the steps of the region runbook.

Rows have the shape of AWS's JSON as it comes: times are epoch seconds.
"""

from __future__ import annotations

from datetime import datetime, timezone

from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed

NOW = datetime(2026, 11, 20, 21, tzinfo=timezone.utc)
NOW_S = NOW.timestamp()
SOURCE, DESTINATION = "111122223333", "444455556666"
HOUR = 3600.0
DAY = 86400.0


class FakeClock:
    """A clock whose reading does not move."""

    def __init__(self, at=NOW):
        self.at = at

    def now(self):
        """The server's time."""
        return self.at

    def as_evidence(self):
        """As Clock has it."""
        return {"offset_s": 0.0, "error_s": 0.5, "samples": 1}


class FakeAccount:
    """An account in a Region.

    replies: {"service:Operation": reply}, where a reply is the dictionary that comes back, a list of them (pages), a
    ReadFailed, or a function of the arguments that returns one of these. What is not in it is refused loudly.
    `asked` keeps (service, operation, arguments) of every call; a list that is paged counts once a page.
    """

    def __init__(self, name="source", region="eu-west-1", account=SOURCE, replies=None, *, lacks=()):
        self.name = name
        self.region = region
        self.account = account
        self.partition = "aws"
        self.clock = FakeClock()
        self.throttled = 0
        self.asked = []
        self._replies = dict(replies or {})
        self._lacks = set(lacks)  # arguments that this botocore does not know yet

    @property
    def calls(self):
        """How many calls were sent."""
        return len(self.asked)

    def now(self):
        """AWS's time."""
        return self.clock.now()

    def takes(self, dummy_service, dummy_operation, argument):
        """Whether botocore knows the argument."""
        return argument not in self._lacks

    def call(self, service, operation, **arguments):
        """One reply; the first page of a list."""
        for reply in self._pages(service, operation, arguments):
            return reply
        return {}

    def pages(self, service, operation, *, token="NextToken", sent_as="NextToken", **arguments):
        """Every page."""
        del token, sent_as
        yield from self._pages(service, operation, arguments)

    def operations(self):
        """The operations that were called, in order."""
        return [operation for dummy, operation, dummy2 in self.asked]

    def arguments(self, operation):
        """The arguments of every call of an operation."""
        return [arguments for dummy, name, arguments in self.asked if name == operation]

    def _pages(self, service, operation, arguments):
        reply = self._replies.get(f"{service}:{operation}")
        if callable(reply):
            reply = reply(dict(arguments))
        pages = reply if isinstance(reply, list) else [reply]
        for page in pages or [{}]:
            self.asked.append((service, operation, dict(arguments)))
            if page is None:
                raise AssertionError(f"{self.name}: nobody expected {service}:{operation} {arguments}")
            if isinstance(page, ReadFailed):
                raise page
            yield page


class FakeClients:
    """Clients of a task with both sides; remembers what was said of progress."""

    def __init__(self, source, destination=None):
        self.aws_source = source
        self.aws_destination = destination or FakeAccount("destination", "eu-central-1", DESTINATION)
        self.said = []

    def progress(self, text):
        """Where the action plugin would show it."""
        self.said.append(text)


def forbidden(operation="ListCopyJobs", service="backup"):
    """The refusal as the client file tells it."""
    return ReadFailed(
        "forbidden",
        f"{service} in eu-west-1 (source) refused {operation}: not authorized to perform: {service}:{operation}",
        code="AccessDeniedException",
        grant={
            "kind": "iam",
            "statement": {"Effect": "Allow", "Action": f"{service}:{operation}", "Resource": "*"},
        },
    )


def vault_arn(region="eu-central-1", account=SOURCE, name="main"):
    """The ARN of a vault."""
    return f"arn:aws:backup:{region}:{account}:backup-vault:{name}"
