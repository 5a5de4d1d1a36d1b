# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures (SigV4): who calls, and every way in which that can fail."""

from __future__ import annotations

import hashlib
import hmac
import re
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import gmtime, strftime, strptime
from urllib.parse import quote

from botocore.utils import normalize_url_path

from lab.aws.errors import AwsError
from lab.aws.protocol import Request
from lab.aws.world import Identity

_SKEW_S = 300
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]*)/([^/]+)/aws4_request")
_PART = re.compile(r"(SignedHeaders|Signature)=([^,\s]+)")
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_INVALID = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
_EC2_INVALID = "AWS was not able to validate the provided access credentials"

# Failure -> the code and status of the services that speak JSON, the query protocol, and EC2.
_CODES = {
    "missing": (
        ("MissingAuthenticationTokenException", 400),
        ("MissingAuthenticationToken", 403),
        ("AuthFailure", 401),
    ),
    "unknown": (("UnrecognizedClientException", 400), ("InvalidClientTokenId", 403), ("AuthFailure", 401)),
    "mismatch": (("InvalidSignatureException", 400), ("SignatureDoesNotMatch", 403), ("AuthFailure", 401)),
    "expired": (("ExpiredTokenException", 400), ("ExpiredToken", 403), ("RequestExpired", 400)),
    "skewed": (("InvalidSignatureException", 400), ("SignatureDoesNotMatch", 403), ("RequestExpired", 400)),
}


@dataclass(frozen=True)
class Signed:
    """What an Authorization header says."""

    key_id: str
    date: str
    region: str
    service: str
    headers: str
    signature: str

    @property
    def scope(self) -> str:
        """Return the credential scope."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read_authorization(headers: Mapping[str, str]) -> Signed | None:
    """Return what the Authorization header says, None where there is none that we understand."""
    text = headers.get("authorization", "")
    credential = _CREDENTIAL.match(text)
    parts = dict(_PART.findall(text))
    if credential is None or len(parts) < 2:
        return None
    key_id, date, region, service = credential.groups()
    return Signed(key_id, date, region, service, parts["SignedHeaders"], parts["Signature"])


def auth_error(protocol: str, failure: str, message: str = "") -> AwsError:
    """Return a failed authentication as the protocol's services name it."""
    json_code, query_code, ec2_code = _CODES[failure]
    texts = {"missing": "Missing Authentication Token", "unknown": _INVALID, "mismatch": _MISMATCH, "expired": _EXPIRED}
    if protocol == "ec2":
        code, status = ec2_code
        return AwsError(code, _EC2_INVALID if code == "AuthFailure" else message or "Request has expired.", status)
    code, status = query_code if protocol == "query" else json_code
    # REST services refuse with 403, those of the json protocol with 400.
    return AwsError(code, message or texts[failure], 403 if protocol == "rest-json" else status)


def authenticate(
    signed: Signed | None,
    request: Request,
    protocol: str,
    identities: Mapping[str, Identity],
    now: float,
    server_time: float,
) -> Identity:
    """Return who signed the request.

    now: the lab's time, by which credentials expire; server_time: the clock that the request's date is compared with.
    """
    if signed is None:
        raise auth_error(protocol, "missing")
    identity = identities.get(signed.key_id)
    token = request.headers.get("x-amz-security-token")
    if identity is None or (identity.token or None) != token:
        raise auth_error(protocol, "unknown")
    stamp = request.headers.get("x-amz-date", "")
    _check_clock(protocol, stamp, server_time)
    if not hmac.compare_digest(signature_of(signed, request, identity.secret, stamp), signed.signature):
        raise auth_error(protocol, "mismatch")
    if identity.expires_at is not None and identity.expires_at <= now:
        raise auth_error(protocol, "expired")
    return identity


def _check_clock(protocol: str, stamp: str, server_time: float) -> None:
    try:
        at = timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise auth_error(protocol, "mismatch") from None
    limit = server_time - _SKEW_S if at < server_time else server_time + _SKEW_S
    if abs(at - server_time) <= _SKEW_S:
        return
    word, side = ("expired", "earlier") if at < server_time else ("not yet current", "later")
    sign = "-" if at < server_time else "+"
    shown = f"{_stamp(limit)} ({_stamp(server_time)} {sign} 5 min.)"
    raise auth_error(protocol, "skewed", f"Signature {word}: {stamp} is now {side} than {shown}")


def _stamp(at: float) -> str:
    return strftime("%Y%m%dT%H%M%SZ", gmtime(at))


def signature_of(signed: Signed, request: Request, secret: str, stamp: str) -> str:
    """Return the signature that the request ought to carry."""
    names = signed.headers.split(";")
    lines = [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names]
    unsigned = request.headers.get("x-amz-content-sha256") == "UNSIGNED-PAYLOAD"
    digest = "UNSIGNED-PAYLOAD" if unsigned else hashlib.sha256(request.body).hexdigest()
    # Every service but S3 signs the path as it is sent, encoded once more.
    path = quote(normalize_url_path(request.path), safe="/~")
    canonical = "\n".join([request.method, path, _sorted_query(request.query), *lines, "", signed.headers, digest])
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{signed.scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(secret, signed.date, signed.region, signed.service)
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def _sorted_query(query: str) -> str:
    pairs = sorted(tuple(part.partition("=")[::2]) for part in query.split("&")) if query else []
    return "&".join(f"{key}={value}" for key, value in pairs)


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for text in (date, region, service, "aws4_request"):
        key = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return key
