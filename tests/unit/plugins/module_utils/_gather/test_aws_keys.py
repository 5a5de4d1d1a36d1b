# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which keys a copy needs, and whether it may use them, by the answers of KMS."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_keys import ACTIONS, STEP
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather import fake_accounts as fake

ROLE = f"arn:aws:iam::{fake.SOURCE}:role/service-role/AWSBackupDefaultServiceRole"
LINKED = f"arn:aws:iam::{fake.DESTINATION}:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
DATA = f"arn:aws:kms:eu-west-1:{fake.SOURCE}:key/aaaaaaaa-0000-4000-8000-000000000001"
VAULT = f"arn:aws:kms:eu-central-1:{fake.DESTINATION}:key/bbbbbbbb-0000-4000-8000-000000000002"
GONE = ReadFailed("not_found", "Key does not exist", code="NotFoundException")


def feed(**more):
    """What the vaults step hands over, of two accounts."""
    return {
        "source_account": fake.SOURCE,
        "destination_account": fake.DESTINATION,
        "destination_key_arn": VAULT,
        "source_organization": "o-1",
        "destination_organization": "o-1",
        **more,
    }


def statement(*principals, actions="kms:*", **more):
    """An Allow in a key policy."""
    return {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": actions, "Resource": "*", **more}


def root(account):
    """How a policy names a whole account."""
    return f"arn:aws:iam::{account}:root"


def kms(arn, *statements, state="Enabled", manager="CUSTOMER", grants=(), **more):
    """The answers of KMS about one key."""
    about = {
        "Arn": arn,
        "KeyId": arn.rpartition("/")[2],
        "KeyState": state,
        "Enabled": state == "Enabled",
        "KeyManager": manager,
        "CreationDate": fake.NOW_S,
    }

    def granted(arguments):
        found = [row for row in grants if row["GranteePrincipal"] == arguments["GranteePrincipal"]]
        return {"Grants": found, "Truncated": False}

    return {
        "kms:DescribeKey": {"KeyMetadata": about},
        "kms:GetKeyPolicy": {"PolicyName": "default", "Policy": json.dumps({"Statement": list(statements)})},
        "kms:ListGrants": granted,
        **{f"kms:{operation}": reply for operation, reply in more.items()},
    }


def run(source=None, destination=None, **params):
    """(evidence, {side: account}) for two accounts, both keys open to all who need them unless told."""
    accounts = {
        "source": fake.FakeAccount(
            "source", "eu-west-1", fake.SOURCE, source or kms(DATA, statement(root(fake.SOURCE), LINKED))
        ),
        "destination": fake.FakeAccount(
            "destination", "eu-central-1", fake.DESTINATION, destination or kms(VAULT, statement(root(fake.SOURCE)))
        ),
    }
    asked = {"vault_name": "main", "source_keys": [DATA], "copy_roles": [ROLE], "vaults_feed": feed(), **params}
    gathered = STEP.gather(asked, fake.FakeClients(*accounts.values()))
    return gathered.evidence, accounts


def row(evidence, side):
    """The row of a side."""
    return next(key for key in evidence["kms_keys"] if key["side"] == side)


def every(verdict):
    """The same verdict on all actions."""
    return dict.fromkeys(ACTIONS, verdict)


def test_keys_that_let_everybody_in():
    evidence, accounts = run()
    assert evidence["outcome"] == "ok" and evidence["denied"] == []
    assert evidence["summary"] == {"kms_keys": 2, "unusable": 0, "denied": 0}
    data, vault = row(evidence, "source"), row(evidence, "destination")
    assert (data["arn"], data["used_by"], data["state"], data["enabled"]) == (DATA, ["source_points"], "Enabled", True)
    assert data["policy"] == {
        "outcome": "ok",
        "principals": {ROLE: every("allowed"), LINKED: every("allowed")},
        "why": [],
    }
    assert data["grants"] == {"outcome": "empty", "count": 0, "for_principals": []}
    assert (vault["used_by"], vault["policy"]["principals"]) == (["destination_vault"], {ROLE: every("allowed")})
    # by each side's own account; ListGrants for each principal; no aliases of a customer's keys
    assert sorted(accounts["source"].operations()) == ["DescribeKey", "GetKeyPolicy", "ListGrants", "ListGrants"]
    assert sorted(accounts["destination"].operations()) == ["DescribeKey", "GetKeyPolicy", "ListGrants"]
    assert {call["GranteePrincipal"] for call in accounts["source"].arguments("ListGrants")} == {ROLE, LINKED}


def test_a_key_that_leaves_out_the_service_linked_role():
    evidence = run(kms(DATA, statement(root(fake.SOURCE))))[0]
    assert evidence["summary"] == {"kms_keys": 2, "unusable": 0, "denied": 1}
    assert evidence["kms_keys"][0]["policy"]["principals"] == {ROLE: every("allowed"), LINKED: every("not_mentioned")}
    granted = kms(DATA, statement(root(fake.SOURCE)), grants=[{"GrantId": "1", "GranteePrincipal": LINKED}])
    evidence = run(granted)[0]
    assert evidence["summary"]["denied"] == 0  # a grant lets it in
    assert row(evidence, "source")["grants"] == {"outcome": "ok", "count": 1, "for_principals": [LINKED]}


def test_inside_one_account_only_the_role_needs_the_key():
    own = VAULT.replace(fake.DESTINATION, fake.SOURCE)
    one = feed(destination_account=fake.SOURCE, destination_key_arn=own)
    evidence = run(destination=kms(own, statement(root(fake.SOURCE))), vaults_feed=one)[0]
    assert list(row(evidence, "source")["policy"]["principals"]) == [ROLE]


def test_a_deny_wins_over_a_grant_and_says_why():
    deny = statement(ROLE, actions=["kms:Decrypt", "kms:CreateGrant"], Effect="Deny", Sid="No")
    grants = [{"GrantId": "1", "GranteePrincipal": ROLE}]
    evidence = run(kms(DATA, statement(root(fake.SOURCE), LINKED), deny, grants=grants))[0]
    data = evidence["kms_keys"][0]
    assert evidence["summary"]["denied"] == 1 and data["side"] == "source"
    assert data["policy"]["principals"][ROLE] == {
        "kms:CreateGrant": "denied",
        "kms:Decrypt": "denied",
        "kms:DescribeKey": "allowed",
        "kms:GenerateDataKey": "allowed",
    }
    (why,) = data["policy"]["why"]
    assert (why["principal"], why["verdict"], why["actions"]) == (ROLE, "denied", ["kms:CreateGrant", "kms:Decrypt"])
    assert '"Sid":"No"' in why["statement"]


def test_grants_are_for_services_and_the_organization_is_known():
    for_services = statement(LINKED, actions="kms:CreateGrant", Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})
    of_ours = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
    }
    evidence = run(kms(DATA, statement(root(fake.SOURCE)), for_services, of_ours))[0]
    assert row(evidence, "source")["policy"]["principals"][LINKED] == every("allowed")
    all_actions = statement(LINKED, Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})
    evidence = run(kms(DATA, statement(root(fake.SOURCE)), all_actions))[0]
    found = row(evidence, "source")["policy"]["principals"][LINKED]
    assert found == {**every("not_mentioned"), "kms:CreateGrant": "allowed"}


@pytest.mark.parametrize(
    ("services", "verdict"),
    [
        (["ec2.eu-west-1.amazonaws.com"], "conditional"),
        (["*.eu-*.amazonaws.com"], "allowed"),
        (["ec2.us-east-1.amazonaws.com", "lambda.eu-west-1.amazonaws.com"], "not_mentioned"),
    ],
)
def test_the_service_through_which_a_copy_comes_is_one_of_several(services, verdict):
    via = {"StringLike": {"kms:ViaService": services}}
    evidence = run(kms(DATA, statement(root(fake.SOURCE)), statement(LINKED, Condition=via)))[0]
    data = row(evidence, "source")
    assert data["policy"]["principals"][LINKED] == every(verdict)
    told = [why["conditions"] for why in data["policy"]["why"]]
    assert told == ([] if verdict == "allowed" else [via])


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "PendingImport", "Unavailable"])
def test_a_key_in_a_state_that_no_copy_can_use(state):
    evidence = run(destination=kms(VAULT, statement(root(fake.SOURCE)), state=state))[0]
    assert evidence["summary"]["unusable"] == 1
    first = evidence["kms_keys"][0]
    assert (first["side"], first["state"], first["enabled"]) == ("destination", state, False)


def test_a_key_that_is_gone_is_an_answer():
    gone = {f"kms:{name}": GONE for name in ("DescribeKey", "GetKeyPolicy", "ListGrants")}
    evidence = run(destination=gone)[0]
    first = evidence["kms_keys"][0]
    assert (evidence["outcome"], first["exists"], first["outcome"]) == ("ok", False, "not_found")
    assert evidence["denied"] == [] and evidence["summary"]["unusable"] == 1


def test_a_key_that_aws_manages_says_for_which_service():
    aliases = {"Aliases": [{"AliasName": "alias/aws/ebs", "TargetKeyId": "x"}], "Truncated": False}
    conditions = {"StringEquals": {"kms:CallerAccount": fake.SOURCE, "kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}
    managed = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*", "Condition": conditions}
    evidence, accounts = run(kms(DATA, managed, manager="AWS", ListAliases=aliases))
    data = row(evidence, "source")
    assert (data["manager"], data["aliases"], data["aws_managed_for"]) == ("AWS", ["alias/aws/ebs"], "ebs")
    assert data["policy"]["principals"] == {ROLE: every("conditional"), LINKED: every("not_mentioned")}
    assert accounts["source"].arguments("ListAliases") == [{"KeyId": DATA}]
    assert "ListAliases" not in accounts["destination"].operations()


def test_a_key_of_a_third_account_keeps_its_policy_to_itself():
    shared = DATA.replace(fake.SOURCE, "777788889999")
    evidence, accounts = run(kms(shared), source_keys=[shared])
    data = row(evidence, "source")
    assert (data["exists"], data["policy"]["outcome"]) == (True, "not_applicable")
    assert "GetKeyPolicy" not in accounts["source"].operations() and evidence["denied"] == []


def test_a_key_of_another_region_is_not_asked():
    far = DATA.replace("eu-west-1", "us-east-1")
    evidence, accounts = run(source_keys=[far])
    assert (row(evidence, "source")["outcome"], row(evidence, "source")["exists"]) == ("not_applicable", None)
    assert accounts["source"].asked == []


def test_refused_reads_are_told_and_the_step_goes_on():
    refused = {"GetKeyPolicy": fake.forbidden("GetKeyPolicy", "kms"), "ListGrants": fake.forbidden("ListGrants", "kms")}
    evidence = run(kms(DATA, **refused))[0]
    data = row(evidence, "source")
    assert (evidence["outcome"], data["policy"]["outcome"], data["grants"]["outcome"]) == ("ok", "forbidden", "forbidden")
    assert data["policy"]["principals"] == {} and evidence["summary"]["denied"] == 0
    assert [(entry["side"], entry["grant"]["statement"]["Action"]) for entry in evidence["denied"]] == [
        ("source", "kms:GetKeyPolicy"),
        ("source", "kms:ListGrants"),
    ]
    assert DATA in evidence["denied"][0]["what"]


def test_who_may_have_a_grant_that_nobody_could_list_is_not_called_denied():
    hidden = kms(DATA, statement(root(fake.SOURCE)), ListGrants=fake.forbidden("ListGrants", "kms"))
    evidence = run(hidden)[0]
    assert row(evidence, "source")["policy"]["principals"][LINKED] == every("not_mentioned")
    assert evidence["summary"]["denied"] == 0
    listed = kms(DATA, statement(root(fake.SOURCE)))
    assert run(listed)[0]["summary"]["denied"] == 1


def test_grants_are_counted_up_to_a_thousand():
    many = [{"Grants": [{"GrantId": "1"}] * 100}] * 30
    evidence, accounts = run(kms(DATA, statement(root(fake.SOURCE), LINKED), ListGrants=many))
    assert row(evidence, "source")["grants"]["count"] == 2000  # of the role and of the linked role
    assert len(accounts["source"].arguments("ListGrants")) == 20


def test_with_every_key_refused_the_step_has_no_answer():
    refused = {f"kms:{name}": fake.forbidden(name, "kms") for name in ("DescribeKey", "GetKeyPolicy", "ListGrants")}
    evidence = run(refused, refused)[0]
    assert evidence["outcome"] == "forbidden" and evidence["error"]["grant"]["statement"]["Action"] == "kms:DescribeKey"
    assert len(evidence["kms_keys"]) == 2


def test_a_policy_that_is_no_json_is_a_failed_read():
    evidence = run(kms(DATA, GetKeyPolicy={"Policy": "<html>"}))[0]
    assert row(evidence, "source")["policy"] == {"outcome": "error", "principals": {}, "why": []}


def test_at_most_five_source_keys_and_each_once():
    many = [f"{DATA[:-1]}{n}" for n in range(7)]
    evidence, accounts = run(source_keys=[many[0], *many])
    assert len(accounts["source"].arguments("DescribeKey")) == 5
    assert evidence["total"] == {"kms_keys": 8} and evidence["truncated"] is True


def test_a_key_of_both_sides_is_one_row():
    both = feed(destination_key_arn=DATA)
    evidence, accounts = run(vaults_feed=both)
    assert [key["used_by"] for key in evidence["kms_keys"]] == [["source_points", "destination_vault"]]
    assert accounts["destination"].asked == []


def test_alone_it_reads_the_vault_and_who_it_is():
    vault = {"BackupVaultArn": fake.vault_arn(account=fake.DESTINATION), "EncryptionKeyArn": VAULT}
    evidence, accounts = run(
        {"sts:GetCallerIdentity": {"Account": fake.SOURCE}},
        {**kms(VAULT, statement(root(fake.SOURCE))), "backup:DescribeBackupVault": vault},
        source_keys=None,
        copy_roles=None,
        vaults_feed=None,
        destination_vault_name="dr",
    )
    assert [key["arn"] for key in evidence["kms_keys"]] == [VAULT]
    # without a role, what the policy says to the whole account of the source
    assert evidence["kms_keys"][0]["policy"]["principals"] == {root(fake.SOURCE): every("allowed")}
    assert evidence["kms_keys"][0]["grants"]["outcome"] == "not_applicable"
    assert accounts["destination"].arguments("DescribeBackupVault") == [{"BackupVaultName": "dr"}]


def test_a_vault_that_may_not_be_read_is_not_a_vault_without_a_key():
    refused = {"backup:DescribeBackupVault": fake.forbidden("DescribeBackupVault")}
    evidence = run(destination=refused, source_keys=None, vaults_feed=None)[0]
    assert evidence["outcome"] == "forbidden" and evidence["denied"][0]["side"] == "destination"
    evidence = run(destination=refused, vaults_feed=None)[0]
    assert evidence["outcome"] == "ok" and evidence["summary"]["kms_keys"] == 1


def test_without_a_role_a_policy_that_names_one_is_undecided():
    evidence = run(kms(DATA, statement(ROLE, LINKED)), copy_roles=None)[0]
    assert row(evidence, "source")["policy"]["principals"] == {
        root(fake.SOURCE): every("conditional"),
        LINKED: every("allowed"),
    }


def test_nothing_to_ask_is_empty():
    evidence, accounts = run(source_keys=[], vaults_feed=feed(destination_key_arn=None))
    assert evidence["outcome"] == "empty" and evidence["summary"]["kms_keys"] == 0
    assert accounts["source"].asked == accounts["destination"].asked == []


@pytest.mark.parametrize(
    ("option", "value"),
    [("source_keys", "aaaaaaaa-0000-4000-8000-000000000001"), ("source_keys", ROLE), ("copy_roles", "Backup")],
)
def test_what_is_no_arn_is_refused_before_anything_is_asked(option, value):
    with pytest.raises(BadParameter, match=f"^{option}: .* is no ARN of "):
        run(**{option: [value]})


def test_the_state_alone_costs_one_call():
    evidence, accounts = run(source_keys=[], check_access=False)
    assert accounts["destination"].operations() == ["DescribeKey"] and accounts["source"].operations() == []
    vault = row(evidence, "destination")
    assert (vault["state"], vault["enabled"], vault["policy"]["outcome"]) == ("Enabled", True, "not_applicable")
