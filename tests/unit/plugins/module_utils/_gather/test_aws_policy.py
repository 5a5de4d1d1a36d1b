# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What policy documents say, by the rules of IAM: explicit Deny over Allow over nothing, and what cannot be known."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather._aws_policy import (
    OneOf,
    combine,
    evaluate,
    statements,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SOURCE, DESTINATION, OTHER = "111111111111", "222222222222", "333333333333"
ROLE = f"arn:aws:iam::{SOURCE}:role/service-role/AWSBackupDefaultServiceRole"
LINKED = f"arn:aws:iam::{DESTINATION}:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
VAULT = f"arn:aws:backup:eu-central-1:{DESTINATION}:backup-vault:dr"
COPY = "backup:CopyIntoBackupVault"


def document(*found):
    """A policy document; a statement is an Allow of the copy for everybody unless it says otherwise."""
    whole = [{"Effect": "Allow", "Principal": "*", "Action": COPY, "Resource": "*", **one} for one in found]
    return {"Version": "2012-10-17", "Statement": whole}


def ask(policy, **more):
    """The decision on a copy from the source account into the vault."""
    asked = {"principal_arns": [ROLE], "account": SOURCE, "action": COPY, "resource": VAULT, **more}
    return evaluate(policy, **asked)


@pytest.mark.parametrize("nothing", [None, "", {}, {"Statement": []}])
def test_no_statement_mentions_nothing(nothing):
    assert ask(nothing) == ("not_mentioned", None, {}, False, False)


def test_a_document_that_is_no_json_is_a_failed_read():
    with pytest.raises(ReadFailed) as caught:
        ask("<html>")
    assert caught.value.outcome == "error"


def test_a_single_statement_needs_no_list_and_the_document_may_be_text():
    one = {"Effect": "Allow", "Principal": {"AWS": SOURCE}, "Action": [COPY], "Resource": "*"}
    decision = ask(json.dumps({"Statement": one}))
    assert decision.verdict == "allowed" and json.loads(decision.statement) == one


@pytest.mark.parametrize(
    ("principal", "verdict"),
    [
        ("*", "allowed"),
        ({"AWS": "*"}, "allowed"),
        ({"AWS": SOURCE}, "allowed"),
        ({"AWS": f"arn:aws:iam::{SOURCE}:root"}, "allowed"),
        ({"AWS": f"arn:aws-cn:iam::{SOURCE}:root"}, "allowed"),
        ({"AWS": [f"arn:aws:iam::{OTHER}:root", ROLE]}, "allowed"),
        ({"AWS": OTHER}, "not_mentioned"),
        ({"AWS": f"arn:aws:iam::{OTHER}:root"}, "not_mentioned"),
        ({"AWS": f"arn:aws:iam::{SOURCE}:role/Other"}, "not_mentioned"),
        ({"AWS": "AROAEXAMPLEOFADELETED"}, "not_mentioned"),
        ({"Service": "backup.amazonaws.com"}, "not_mentioned"),
        ({"Federated": "cognito-identity.amazonaws.com"}, "not_mentioned"),
    ],
)
def test_forms_of_a_principal(principal, verdict):
    assert ask(document({"Principal": principal})).verdict == verdict


@pytest.mark.parametrize(
    ("excepted", "verdict"),
    [
        ([ROLE, f"arn:aws:iam::{SOURCE}:root"], "allowed"),
        ([f"arn:aws:iam::{SOURCE}:root"], "denied"),  # an account does not except the roles in it
        ([f"arn:aws:iam::{SOURCE}:role/Other"], "denied"),
    ],
)
def test_a_deny_for_all_but_some(excepted, verdict):
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": excepted}, "Action": "backup:*", "Resource": "*"}
    policy = document({})
    policy["Statement"].append(deny)
    assert ask(policy).verdict == verdict


def test_of_an_account_a_named_role_is_undecided():
    decision = ask(document({"Principal": {"AWS": [ROLE]}}), principal_arns=())
    assert decision.verdict == "conditional" and decision.conditions == {"Principal": {"AWS": [ROLE]}}
    other = document({"Principal": {"AWS": f"arn:aws:iam::{OTHER}:role/Backup"}})
    assert ask(other, principal_arns=()).verdict == "not_mentioned"
    assert ask(document({"Principal": {"AWS": SOURCE}}), principal_arns=()).verdict == "allowed"


def test_all_but_what_is_not_known_is_undecided():
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": ROLE}}
    policy = document({}, deny)
    del policy["Statement"][1]["Principal"]
    assert ask(policy, principal_arns=()).conditions == {"NotPrincipal": {"AWS": ROLE}}
    policy = document({"Effect": "Deny", "NotResource": VAULT})
    del policy["Statement"][0]["Resource"]
    assert ask(policy).verdict == "not_mentioned"
    assert ask(policy, resource=None).verdict == "conditional"


def test_a_trust_policy_names_a_service_and_no_resource():
    trust = {"Statement": {"Effect": "Allow", "Principal": {"Service": "backup.amazonaws.com"}, "Action": "sts:AssumeRole"}}
    assert evaluate(trust, principal_arns=["backup.amazonaws.com"], action="sts:AssumeRole").verdict == "allowed"
    assert evaluate(trust, principal_arns=["ec2.amazonaws.com"], action="sts:AssumeRole").verdict == "not_mentioned"
    trust["Statement"]["Condition"] = {"StringEquals": {"aws:SourceAccount": OTHER}}
    asked = {"principal_arns": ["backup.amazonaws.com"], "action": "sts:AssumeRole"}
    assert evaluate(trust, **asked).verdict == "conditional"
    assert evaluate(trust, known={"aws:SourceAccount": SOURCE}, **asked).verdict == "not_mentioned"
    assert evaluate(trust, known={"AWS:sourceaccount": OTHER}, **asked).verdict == "allowed"


@pytest.mark.parametrize(
    ("actions", "verdict"),
    [
        ("*", "allowed"),
        ("backup:*", "allowed"),
        ("BACKUP:copyinto*", "allowed"),
        (["backup:StartBackupJob", "backup:CopyIntoBackupVaul?"], "allowed"),
        ("backup:Copy", "not_mentioned"),
        ("backup:Delete*", "not_mentioned"),
    ],
)
def test_names_of_actions(actions, verdict):
    assert ask(document({"Action": actions})).verdict == verdict
    turned = {"not_mentioned": "allowed", "allowed": "not_mentioned"}[verdict]
    rest = {"Effect": "Allow", "Principal": "*", "NotAction": actions, "Resource": "*"}
    assert ask({"Statement": rest}).verdict == turned


def test_resources():
    assert ask(document({"Resource": VAULT.replace("dr", "*")})).verdict == "allowed"
    assert ask(document({"Resource": VAULT.replace("dr", "DR")})).verdict == "not_mentioned"
    assert ask(document({"Resource": "arn:aws:backup:*:${aws:ResourceAccount}:backup-vault:dr"})).verdict == "allowed"
    assert ask(document({"Resource": "arn:aws:backup:*:*:backup-vault:${aws:username}"})).verdict == "conditional"
    unknown = ask(document({"Resource": VAULT}), resource=None)
    assert unknown.verdict == "conditional" and unknown.conditions == {"Resource": VAULT}
    assert ask({"Statement": {"Effect": "Allow", "Principal": "*", "Action": COPY, "NotResource": VAULT}}).verdict == (
        "not_mentioned"
    )


@pytest.mark.parametrize(
    ("operator", "value", "verdict"),
    [
        ("StringEquals", "o-1", "allowed"),
        ("StringEquals", ["o-0", "o-1"], "allowed"),
        ("StringEquals", "o-2", "not_mentioned"),
        ("StringNotEquals", "o-1", "not_mentioned"),
        ("StringNotEquals", ["o-2", "o-1"], "not_mentioned"),
        ("StringNotEquals", ["o-2", "o-3"], "allowed"),
        ("StringLike", "o-*", "allowed"),
        ("StringNotLike", "o-*", "not_mentioned"),
        ("StringEqualsIgnoreCase", "O-1", "allowed"),
        ("StringEqualsIfExists", "o-1", "allowed"),
        ("Null", "false", "allowed"),
        ("Null", True, "not_mentioned"),
        ("NumericEquals", "5", "conditional"),  # what is given is no number
        ("SomethingNew", "o-1", "conditional"),
    ],
)
def test_operators_on_a_known_key(operator, value, verdict):
    policy = document({"Condition": {operator: {"aws:PrincipalOrgID": value}}})
    assert ask(policy, known={"aws:PrincipalOrgID": "o-1"}).verdict == verdict


@pytest.mark.parametrize(
    ("operator", "verdict"),
    [
        ("StringEquals", "not_mentioned"),
        ("StringEqualsIfExists", "allowed"),
        ("StringNotEquals", "allowed"),
        ("ForAllValues:StringEquals", "allowed"),
        ("ForAnyValue:StringEquals", "not_mentioned"),
        ("Bool", "not_mentioned"),
    ],
)
def test_a_key_that_the_request_does_not_have(operator, verdict):
    policy = document({"Condition": {operator: {"kms:GrantIsForAWSResource": "true"}}})
    assert ask(policy, known={"kms:GrantIsForAWSResource": None}).verdict == verdict
    assert ask(policy).verdict == "conditional"


def test_numbers_booleans_and_lists():
    known = {"kms:RecipientAttestation:PCR0": 7, "kms:GrantIsForAWSResource": True, "aws:TagKeys": ["a", "b"]}
    for operator, key, value, verdict in (
        ("NumericLessThan", "kms:RecipientAttestation:PCR0", 8, "allowed"),
        ("NumericGreaterThanEquals", "kms:RecipientAttestation:PCR0", "8", "not_mentioned"),
        ("NumericNotEquals", "kms:RecipientAttestation:PCR0", "8", "allowed"),
        ("Bool", "kms:GrantIsForAWSResource", True, "allowed"),
        ("Bool", "kms:GrantIsForAWSResource", "false", "not_mentioned"),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b", "c"], "allowed"),
        ("ForAllValues:StringEquals", "aws:TagKeys", "a", "not_mentioned"),
        ("ForAnyValue:StringEquals", "aws:TagKeys", "a", "allowed"),
    ):
        policy = document({"Condition": {operator: {key: value}}})
        assert ask(policy, known=known).verdict == verdict, (operator, value)


def test_an_arn_is_compared_part_by_part():
    for pattern, verdict in (
        ("*", "allowed"),
        (f"arn:aws:rds:*:{SOURCE}:snapshot:*", "allowed"),
        ("arn:*:rds:*:*:*:nightly", "allowed"),
        ("arn:aws:rds:*:snapshot:nightly", "not_mentioned"),
        (f"arn:aws:rds:eu-west-1:{OTHER}:snapshot:*", "not_mentioned"),
    ):
        policy = document({"Condition": {"ArnLike": {"aws:SourceArn": pattern}}})
        known = {"aws:SourceArn": f"arn:aws:rds:eu-west-1:{SOURCE}:snapshot:nightly"}
        assert ask(policy, known=known).verdict == verdict, pattern


def test_the_principal_is_a_key_too():
    other = document({"Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER}:role/*"}}})
    assert ask(other).verdict == "not_mentioned"
    assert ask(document({"Condition": {"StringEquals": {"aws:PrincipalAccount": SOURCE}}})).verdict == "allowed"


@pytest.mark.parametrize(
    ("paths", "verdict"),
    [
        ("o-1/*", "allowed"),
        (["o-2/*", "o-1/*"], "allowed"),
        ("o-2/*", "not_mentioned"),
        ("o-1/r-ab/ou-ab-1/*", "conditional"),
    ],
)
def test_organization_paths_begin_with_the_organization(paths, verdict):
    policy = document({"Condition": {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": paths}}})
    assert ask(policy, known={"aws:PrincipalOrgID": "o-1"}).verdict == verdict
    assert ask(policy).verdict == "conditional"
    whole = {"aws:PrincipalOrgPaths": ["o-1/r-ab/ou-ab-1/ou-ab-2/"]}
    assert ask(policy, known=whole).verdict == ("not_mentioned" if paths == "o-2/*" else "allowed")


def test_a_service_that_is_one_of_several():
    condition = {"StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}
    policy = document({"Condition": condition})
    either = OneOf(("ec2.eu-west-1.amazonaws.com", "backup.eu-west-1.amazonaws.com"))
    decision = ask(policy, known={"kms:ViaService": either})
    assert (decision.verdict, decision.conditions) == ("conditional", condition)
    assert ask(policy, known={"kms:ViaService": OneOf(("backup.eu-west-1.amazonaws.com",))}).verdict == "not_mentioned"
    every = document({"Condition": {"StringLike": {"kms:ViaService": "*.eu-west-1.amazonaws.com"}}})
    assert ask(every, known={"kms:ViaService": either}).verdict == "allowed"


def test_an_aws_managed_key_speaks_of_its_own_account_only():
    key = document(
        {
            "Principal": {"AWS": "*"},
            "Action": ["kms:CreateGrant", "kms:Decrypt"],
            "Condition": {
                "StringEquals": {"kms:CallerAccount": SOURCE, "kms:ViaService": "ec2.eu-west-1.amazonaws.com"}
            },
        }
    )
    ours = evaluate(key, principal_arns=[ROLE], account=SOURCE, action="kms:Decrypt")
    theirs = evaluate(key, principal_arns=[LINKED], account=DESTINATION, action="kms:Decrypt")
    assert ours.verdict == "conditional"
    assert ours.conditions == {"StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}
    assert theirs.verdict == "not_mentioned"


def test_the_usual_deny_of_what_is_not_encrypted_denies_nothing_here():
    deny = {"Effect": "Deny", "Action": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    assert ask(document({}, deny)).verdict == "allowed"


def test_an_explicit_deny_wins_and_a_possible_one_makes_it_conditional():
    deny = {"Effect": "Deny", "Action": "backup:*"}
    assert ask(document({}, deny))[3:] == (True, True)
    assert ask(document({}, deny)).verdict == "denied"
    where = {"StringNotEquals": {"backup:CopyTargets": [VAULT]}}
    perhaps = ask(document({}, dict(deny, Condition=where)))
    assert (perhaps.verdict, perhaps.conditions, perhaps.allow, perhaps.deny) == ("conditional", where, True, None)
    assert ask(document(dict(deny, Condition=where))).allow is False


def test_of_nothing_that_fits_the_allow_that_nearly_does_is_told():
    decision = ask(
        document({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-2"}}}), known={"aws:PrincipalOrgID": "o-1"}
    )
    assert decision.verdict == "not_mentioned"
    assert decision.conditions == {"StringEquals": {"aws:PrincipalOrgID": "o-2"}}
    assert "o-2" in decision.statement


def test_documents_of_one_role_are_put_together():
    allow, deny = ask(document({})), ask(document({"Effect": "Deny"}))
    perhaps = ask(document({"Condition": {"StringEquals": {"aws:RequestTag/a": "b"}}}))
    assert combine([perhaps, allow]).verdict == "allowed"
    assert combine([allow, perhaps, deny]).verdict == "denied"
    assert combine([]).verdict == "not_mentioned"


def test_a_long_statement_is_told_in_part():
    decision = ask(document({"Principal": {"AWS": [SOURCE] + [f"{n:012d}" for n in range(500)]}}))
    assert decision.verdict == "allowed" and len(decision.statement) <= 600


# ------------------------------------------------------------------------------------------------------ properties

_KEYS = ["aws:PrincipalOrgID", "kms:ViaService", "aws:SourceAccount"]
_VALUES = ["a", "b", "ab"]
_condition = st.dictionaries(
    st.sampled_from(["StringEquals", "StringNotEquals", "StringLike", "StringEqualsIfExists", "StringNotLike", "Null"]),
    st.dictionaries(st.sampled_from(_KEYS), st.sampled_from([*_VALUES, "a*", "true", "false"]), min_size=1, max_size=2),
    max_size=2,
)
_statement = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Principal": st.sampled_from(["*", {"AWS": ROLE}, {"AWS": SOURCE}, {"AWS": OTHER}, {"AWS": LINKED}]),
        "Action": st.sampled_from([COPY, "backup:*", "kms:*"]),
        "Resource": st.sampled_from(["*", VAULT, VAULT + "x"]),
        "Condition": _condition,
    }
)
_documents = st.lists(_statement, max_size=4).map(lambda found: {"Statement": found})
_known = st.fixed_dictionaries({key: st.sampled_from([None, *_VALUES]) for key in _KEYS})


@settings(max_examples=200, deadline=None)
@given(_documents, st.randoms(use_true_random=False))
def test_the_order_of_statements_does_not_matter(policy, random):
    shuffled = list(policy["Statement"])
    random.shuffle(shuffled)
    first, second = ask(policy), ask({"Statement": shuffled})
    assert (first.verdict, first.allow, first.deny) == (second.verdict, second.allow, second.deny)


@settings(max_examples=300, deadline=None)
@given(_documents, _known, st.sets(st.sampled_from([*_KEYS, "role", "resource"])))
def test_what_is_said_with_little_knowledge_stays_true_with_all(policy, known, hidden):
    whole = ask(policy, known=known)
    partly = ask(
        policy,
        known={key: value for key, value in known.items() if key not in hidden},
        **({"principal_arns": ()} if "role" in hidden else {}),
        **({"resource": None} if "resource" in hidden else {}),
    )
    assert whole.verdict != "conditional"
    if partly.verdict != "conditional":
        assert partly.verdict == whole.verdict


@settings(max_examples=200, deadline=None)
@given(_documents, _known)
def test_another_deny_never_allows_more(policy, known):
    stricter = {"Statement": [*policy["Statement"], {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}
    assert ask(stricter, known=known).verdict == "denied"
    assert len(statements(stricter)) == len(policy["Statement"]) + 1
