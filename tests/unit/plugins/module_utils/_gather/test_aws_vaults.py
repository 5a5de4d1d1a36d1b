# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Step 1 of the region runbook against answers as AWS Backup gives them."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sre.backup_sync.plugins.module_utils._evidence import BadParameter, ReadFailed
from ansible_collections.sre.backup_sync.plugins.module_utils._gather.aws_vaults import STEP
from ansible_collections.sre.backup_sync.tests.unit.plugins.module_utils._gather import fake_accounts as fake

EU_WEST, EU_CENTRAL = "eu-west-1", "eu-central-1"
KEY = f"arn:aws:kms:{EU_CENTRAL}:{fake.SOURCE}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NO_POLICY = ReadFailed("not_found", "backup refused GetBackupVaultAccessPolicy", code="ResourceNotFoundException")
MISSING = ReadFailed("not_found", "Backup vault with name main does not exist.", code="ResourceNotFoundException")
PRIVILEGES = ReadFailed("forbidden", "Insufficient privileges to perform this action.", code="AccessDeniedException")
NO_ORGANIZATION = ReadFailed("error", "not in an organization", code="AWSOrganizationsNotInUseException")


def vault(region=EU_WEST, account=fake.SOURCE, name="main", **more):
    """What DescribeBackupVault answers."""
    return {
        "BackupVaultName": name,
        "BackupVaultArn": fake.vault_arn(region, account, name),
        "VaultType": "BACKUP_VAULT",
        "EncryptionKeyArn": KEY,
        "EncryptionKeyType": "CUSTOMER_MANAGED_KMS_KEY",
        "CreationDate": fake.NOW_S - 90 * fake.DAY,
        "NumberOfRecoveryPoints": 1200,
        "Locked": False,
        **more,
    }


def replies(row, policy=NO_POLICY, **more):
    """The answers of a side; a policy is told by its statements."""
    if isinstance(policy, (list, dict)):
        policy = {"BackupVaultName": "main", "Policy": json.dumps({"Version": "2012-10-17", "Statement": policy})}
    more = {key.replace("__", ":").replace("service_quotas", "service-quotas"): value for key, value in more.items()}
    return {"backup:DescribeBackupVault": row, "backup:GetBackupVaultAccessPolicy": policy, **more}


def run(source=None, destination=None, *, regions=(EU_WEST, EU_CENTRAL), options=None, **params):
    """(evidence, feed, the accounts); both sides belong to one account unless told. options: those of the destination."""
    accounts = (
        fake.FakeAccount("source", regions[0], fake.SOURCE, source or replies(vault())),
        fake.FakeAccount("destination", regions[1], fake.SOURCE, destination or replies(vault(EU_CENTRAL))),
    )
    gathered = STEP.gather({"vault_name": "main", "destination": options, **params}, fake.FakeClients(*accounts))
    return gathered.evidence, gathered.feed, accounts


def run_across(statements=None, *, source=None, destination=None, settings="true", ours="o-1", theirs="o-1", **params):
    """The same between two accounts, with their organizations."""

    def organization(of):
        return of if isinstance(of, ReadFailed) else {"Organization": {"Id": of, "FeatureSet": "ALL"}}

    told = settings
    if isinstance(settings, str):
        told = {"GlobalSettings": {"isCrossAccountBackupEnabled": settings}, "LastUpdateTime": fake.NOW_S}
    policy = NO_POLICY if statements is None else statements
    return run(
        {
            **replies(vault(), backup__DescribeGlobalSettings=told, organizations__DescribeOrganization=organization(ours)),
            **(source or {}),
        },
        {
            **replies(
                vault(EU_CENTRAL, fake.DESTINATION), policy, organizations__DescribeOrganization=organization(theirs)
            ),
            **(destination or {}),
        },
        options={"region": EU_CENTRAL, "profile": "dr", "role_arn": None},
        **params,
    )


def allow(principal, **more):
    """A statement that lets copies in."""
    return {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "backup:CopyIntoBackupVault",
        "Resource": "*",
        **more,
    }


# ------------------------------------------------------------------------------------------------------ one account


def test_a_pair_in_one_account():
    locked = vault(
        EU_CENTRAL,
        VaultState="AVAILABLE",
        Locked=True,
        LockDate=fake.NOW_S + 3 * fake.DAY,
        MinRetentionDays=7,
        MaxRetentionDays=365,
    )
    evidence, feed, (source, destination) = run(destination=replies(locked))
    assert evidence["outcome"] == "ok" and evidence["error"] is None and evidence["denied"] == []
    assert evidence["query"] == {
        "source": {"region": EU_WEST, "vault": "main"},
        "destination": {"region": EU_CENTRAL, "vault": "main"},
    }
    assert evidence["observed_at"] == "2026-11-20T21:00:00Z"
    assert evidence["summary"] == {
        "same_account": True,
        "source_accessible": True,
        "destination_accessible": True,
        "needs_policy": False,
    }
    row = evidence["destination"]
    assert (row["arn"], row["account"], row["region"]) == (fake.vault_arn(EU_CENTRAL), fake.SOURCE, EU_CENTRAL)
    assert (row["outcome"], row["exists"], row["state"]) == ("ok", True, "AVAILABLE")
    assert (row["locked"], row["lock_at"]) == (True, "2026-11-23T21:00:00Z")
    assert (row["min_retention_days"], row["max_retention_days"]) == (7, 365)
    assert (row["points"], row["points_quota"], row["quota_from"], row["points_share"]) == (
        1200, 1_000_000, "default", 0.0012
    )  # fmt: skip
    assert row["key"] == {"arn": KEY, "type": "CUSTOMER_MANAGED_KMS_KEY"}
    assert row["policy"]["outcome"] == "empty" and row["policy"]["copy_into"]["verdict"] == "not_mentioned"
    assert evidence["cross_account"] is None and evidence["network"]["outcome"] == "not_applicable"
    assert feed == {
        "source_arn": fake.vault_arn(EU_WEST),
        "destination_arn": fake.vault_arn(EU_CENTRAL),
        "source_account": fake.SOURCE,
        "destination_account": fake.SOURCE,
        "destination_key_arn": KEY,
        "destination_locked": True,
        "min_retention_days": 7,
        "max_retention_days": 365,
        "source_organization": None,
        "destination_organization": None,
    }
    for account in (source, destination):  # nothing about organizations, quotas or identities is asked
        assert sorted(account.operations()) == ["DescribeBackupVault", "GetBackupVaultAccessPolicy"]


def test_a_deny_breaks_copies_inside_one_account_too():
    deny = {"Effect": "Deny", "Principal": "*", "Action": "backup:CopyIntoBackupVault", "Resource": "*"}
    evidence = run(destination=replies(vault(EU_CENTRAL), [deny]))[0]
    assert evidence["destination"]["policy"]["copy_into"]["verdict"] == "denied"
    assert evidence["destination"]["policy"]["statements"] == 1


def test_the_source_may_bind_where_copies_go():
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "backup:CopyFromBackupVault",
        "Resource": "*",
        "Condition": {"ForAllValues:ArnNotLike": {"backup:CopyTargets": [fake.vault_arn(EU_CENTRAL)]}},
    }
    assert run(replies(vault(), deny))[0]["source"]["policy"]["copy_from"]["verdict"] == "not_mentioned"
    deny["Condition"]["ForAllValues:ArnNotLike"] = {"backup:CopyTargets": [fake.vault_arn("eu-north-1")]}
    assert run(replies(vault(), deny))[0]["source"]["policy"]["copy_from"]["verdict"] == "denied"


def test_a_filling_vault_asks_for_its_quota():
    full = vault(EU_CENTRAL, NumberOfRecoveryPoints=950_000)
    evidence, dummy, (source, destination) = run(
        destination=replies(full, service_quotas__GetServiceQuota={"Quota": {"QuotaCode": "L-514878B6", "Value": 2e6}})
    )
    row = evidence["destination"]
    assert (row["points_quota"], row["quota_from"], row["points_share"]) == (2_000_000, "service_quotas", 0.475)
    assert destination.arguments("GetServiceQuota") == [{"ServiceCode": "backup", "QuotaCode": "L-514878B6"}]
    assert "GetServiceQuota" not in source.operations()


def test_a_refused_quota_leaves_the_default():
    full = vault(EU_CENTRAL, NumberOfRecoveryPoints=950_000)
    refused = fake.forbidden("GetServiceQuota", "service-quotas")
    evidence = run(destination=replies(full, service_quotas__GetServiceQuota=refused))[0]
    assert evidence["destination"]["quota_from"] == "default" and evidence["destination"]["points_share"] == 0.95
    assert [(row["what"], row["side"], row["grant"]["kind"]) for row in evidence["denied"]] == [
        ("GetServiceQuota", "destination", "iam")
    ]


# ------------------------------------------------------------------------------------------------ vaults that are not


def test_a_missing_destination_is_a_finding_whatever_aws_calls_it():
    listed = {"BackupVaultList": [vault(EU_CENTRAL, name="other")]}
    for refusal in (MISSING, PRIVILEGES):
        evidence, feed, (dummy, destination) = run(
            destination=replies(refusal, refusal, backup__ListBackupVaults=[listed])
        )
        assert evidence["outcome"] == "ok" and evidence["denied"] == []
        row = evidence["destination"]
        assert (row["outcome"], row["exists"], row["state"], row["points"]) == ("not_found", False, None, None)
        assert row["policy"] == {"outcome": "not_found", "statements": None, "copy_into": None}
        assert evidence["summary"]["destination_accessible"] is False
        assert evidence["summary"]["same_account"] is True  # the same identity asks on both sides
        assert feed["destination_arn"] == fake.vault_arn(EU_CENTRAL)
        assert ("ListBackupVaults" in destination.operations()) == (refusal is PRIVILEGES)
        assert "GetCallerIdentity" not in destination.operations()


def test_a_vault_that_only_the_list_shows():
    listed = [{"BackupVaultList": [vault(EU_CENTRAL, name="other")]}, {"BackupVaultList": [vault(EU_CENTRAL)]}]
    evidence = run(destination=replies(fake.forbidden("DescribeBackupVault"), backup__ListBackupVaults=listed))[0]
    row = evidence["destination"]
    assert (row["outcome"], row["exists"], row["points"]) == ("forbidden", True, 1200)
    assert row["policy"]["outcome"] == "empty"
    assert [(row["what"], row["side"]) for row in evidence["denied"]] == [("DescribeBackupVault", "destination")]
    assert evidence["denied"][0]["grant"]["statement"]["Action"] == "backup:DescribeBackupVault"


def test_a_source_that_only_the_list_shows_is_an_answer():
    evidence = run(
        replies(fake.forbidden("DescribeBackupVault"), backup__ListBackupVaults=[{"BackupVaultList": [vault()]}])
    )[0]
    assert evidence["outcome"] == "ok" and evidence["source"]["outcome"] == "forbidden"
    assert evidence["summary"]["source_accessible"] is True


def test_whether_a_vault_exists_can_stay_unknown():
    refused = fake.forbidden("DescribeBackupVault")
    evidence = run(destination=replies(refused, refused, backup__ListBackupVaults=fake.forbidden("ListBackupVaults")))[0]
    assert evidence["outcome"] == "ok"
    assert (evidence["destination"]["outcome"], evidence["destination"]["exists"]) == ("forbidden", None)
    assert evidence["destination"]["policy"]["outcome"] == "forbidden"
    assert sorted(row["what"] for row in evidence["denied"]) == ["DescribeBackupVault", "ListBackupVaults"]


def test_a_missing_source_ends_the_step_and_tells_what_could_be_meant():
    evidence = run(
        replies(PRIVILEGES, PRIVILEGES, backup__ListBackupVaults={"BackupVaultList": [vault(name="mein")]})
    )[0]
    assert evidence["outcome"] == "not_found" and evidence["source"]["exists"] is False
    assert "no backup vault main in eu-west-1" in evidence["error"]["message"]
    assert "Did you mean mein?" in evidence["error"]["hint"]


@pytest.mark.parametrize("outcome", ["unreachable", "timeout", "throttled", "error"])
def test_a_side_that_does_not_answer(outcome):
    failure = ReadFailed(outcome, "backup in eu-central-1 (destination) cannot be reached", code="EndpointConnectionError")
    silent = replies(failure, failure)
    evidence, feed, (dummy, destination) = run(destination=silent)
    assert evidence["outcome"] == "ok" and evidence["destination"]["outcome"] == outcome
    assert evidence["destination"]["exists"] is None
    assert [row["what"] for row in evidence["denied"]] == ["DescribeBackupVault"]
    assert len(destination.asked) == 2
    assert run(silent)[0]["outcome"] == outcome
    # whose vault it would be: of the one identity, of the role that is assumed there, or unknown
    assert (evidence["summary"]["same_account"], feed["destination_arn"]) == (True, fake.vault_arn(EU_CENTRAL))
    role = {"region": EU_CENTRAL, "role_arn": f"arn:aws:iam::{fake.DESTINATION}:role/Read"}
    evidence, feed, dummy = run(
        replies(vault(), backup__DescribeGlobalSettings=OUTSIDE, organizations__DescribeOrganization=REFUSED),
        {**silent, "organizations:DescribeOrganization": failure},
        options=role,
    )
    assert feed["destination_arn"] == fake.vault_arn(EU_CENTRAL, fake.DESTINATION)
    evidence, feed, dummy = run(destination=silent, options={"region": EU_CENTRAL, "profile": "dr"})
    assert evidence["summary"]["same_account"] is None and evidence["summary"]["needs_policy"] is None
    assert feed["destination_arn"] is None


# ----------------------------------------------------------------------------------------------------- two accounts


def test_across_accounts_the_policy_and_the_organization_decide():
    evidence, feed, (source, destination) = run_across([allow({"AWS": f"arn:aws:iam::{fake.SOURCE}:root"})])
    assert evidence["summary"]["same_account"] is False and evidence["summary"]["needs_policy"] is True
    assert evidence["destination"]["policy"]["copy_into"]["verdict"] == "allowed"
    assert evidence["cross_account"] == {
        "enabled": True,
        "source_organization": "o-1",
        "destination_organization": "o-1",
        "same_organization": True,
    }
    assert feed["destination_account"] == fake.DESTINATION
    assert (feed["source_organization"], feed["destination_organization"]) == ("o-1", "o-1")
    assert source.operations().count("DescribeGlobalSettings") == 1
    assert "DescribeGlobalSettings" not in destination.operations()


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        (None, "not_mentioned"),
        (allow({"AWS": fake.DESTINATION}), "not_mentioned"),
        (allow("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), "allowed"),
        (allow("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-9"}}), "not_mentioned"),
        (allow("*", Condition={"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/*"}}), "allowed"),
        (allow("*", Condition={"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/r-1/ou-1/*"}}), "conditional"),
        (allow({"AWS": f"arn:aws:iam::{fake.SOURCE}:role/Backup"}), "conditional"),
        (allow("*", Action="backup:StartBackupJob"), "not_mentioned"),
        (allow("*", Effect="Deny", Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}}), "not_mentioned"),
    ],
)
def test_what_a_vault_policy_says_to_the_other_account(statement, verdict):
    evidence = run_across(None if statement is None else [statement])[0]
    assert evidence["destination"]["policy"]["copy_into"]["verdict"] == verdict


def test_an_organization_that_does_not_fit_is_told():
    evidence = run_across([allow("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-9"}})])[0]
    copy_into = evidence["destination"]["policy"]["copy_into"]
    assert copy_into["conditions"] == {"StringEquals": {"aws:PrincipalOrgID": "o-9"}} and "o-9" in copy_into["statement"]


REFUSED = fake.forbidden("DescribeOrganization", "organizations")
OUTSIDE = ReadFailed("error", "the account is not a member of an organization", code="InvalidRequestException")


@pytest.mark.parametrize(
    ("told", "enabled", "same"),
    [
        ({"settings": "false"}, False, True),
        ({"theirs": "o-2"}, True, False),
        ({"theirs": NO_ORGANIZATION}, True, False),
        ({"settings": OUTSIDE, "ours": NO_ORGANIZATION}, False, False),
        ({"settings": OUTSIDE, "ours": REFUSED}, False, False),
        ({"ours": REFUSED}, True, None),
        ({"ours": REFUSED, "theirs": NO_ORGANIZATION}, True, False),
        ({"settings": fake.forbidden("DescribeGlobalSettings")}, None, True),
    ],
)
def test_the_setting_for_copies_between_accounts(told, enabled, same):
    evidence = run_across([allow("*")], **told)[0]
    assert (evidence["cross_account"]["enabled"], evidence["cross_account"]["same_organization"]) == (enabled, same)
    refused = sum(getattr(value, "outcome", "") == "forbidden" for value in told.values())
    assert len(evidence["denied"]) == refused


def test_an_account_in_no_organization_meets_no_organization_condition():
    statement = allow("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})
    evidence = run_across([statement], ours=NO_ORGANIZATION)[0]
    assert evidence["destination"]["policy"]["copy_into"]["verdict"] == "not_mentioned"
    evidence = run_across([statement], ours=REFUSED)[0]
    assert evidence["destination"]["policy"]["copy_into"]["verdict"] == "conditional"


def test_a_missing_vault_of_the_other_account_is_asked_for_its_account():
    evidence, feed, dummy = run_across(
        destination={
            "backup:DescribeBackupVault": MISSING,
            "sts:GetCallerIdentity": {"Account": fake.DESTINATION, "Arn": f"arn:aws:iam::{fake.DESTINATION}:role/Read"},
        }
    )
    assert evidence["summary"]["same_account"] is False and evidence["cross_account"]["same_organization"] is True
    assert feed["destination_arn"] == fake.vault_arn(EU_CENTRAL, fake.DESTINATION)


# ---------------------------------------------------------------------------------------------------------- bad input


def test_one_vault_on_both_sides_is_refused():
    with pytest.raises(BadParameter, match="^destination: it is the same vault as the source; give destination.region"):
        run(regions=(EU_WEST, EU_WEST))
    evidence = run(
        destination=replies(vault(name="copy")), regions=(EU_WEST, EU_WEST), destination_vault_name="copy"
    )[0]
    assert evidence["outcome"] == "ok"


def test_the_same_vault_by_another_profile_is_refused_after_asking():
    accounts = [fake.FakeAccount(side, EU_WEST, fake.SOURCE, replies(vault())) for side in ("source", "destination")]
    params = {"vault_name": "main", "destination": {"region": EU_WEST, "profile": "dr"}}
    with pytest.raises(BadParameter, match="the same vault"):
        STEP.gather(params, fake.FakeClients(*accounts))


def expired(side):
    """What the client file makes of expired credentials."""
    return ReadFailed(
        "forbidden",
        f"backup in eu-west-1 ({side}) does not accept the credentials: the session token has expired.",
        code="ExpiredTokenException",
        hint=f"Give the {side} side credentials that are valid now.",
    )


def test_credentials_that_aws_does_not_know_end_the_step():
    with pytest.raises(BadParameter) as caught:
        run(replies(expired("source"), expired("source")))
    assert str(caught.value) == (
        "credentials: backup in eu-west-1 (source) does not accept the credentials: the session token has expired; "
        "give the source side credentials that are valid now."
    )
    with pytest.raises(BadParameter, match="^destination.credentials: "):
        run_across(destination={"backup:DescribeBackupVault": expired("destination")})


def test_the_same_credentials_refused_in_the_other_region_are_a_finding():
    refused = ReadFailed("forbidden", "does not accept the credentials", code="UnrecognizedClientException")
    evidence, feed, (dummy, destination) = run(destination=replies(refused, refused))
    assert evidence["destination"]["outcome"] == "forbidden" and evidence["destination"]["exists"] is None
    assert evidence["denied"][0]["code"] == "UnrecognizedClientException"
    assert feed["destination_account"] == fake.SOURCE
    assert len(destination.asked) == 2


def test_a_role_that_cannot_be_assumed_is_the_option_s_fault():
    role = ReadFailed(
        "forbidden",
        "destination.role_arn: the role arn:aws:iam::444455556666:role/Read cannot be assumed: not authorized",
        code="AccessDenied",
        hint="Let the role trust the identity that runs this.",
    )
    with pytest.raises(BadParameter, match="^destination.role_arn: .*; let the role trust"):
        run_across(destination={"backup:DescribeBackupVault": role})
    role.outcome = "unreachable"
    assert run_across(destination={"backup:DescribeBackupVault": role})[0]["destination"]["outcome"] == "unreachable"


@pytest.mark.parametrize("name", ["", "x", "a vault", "x" * 51])
def test_names_are_checked_before_anything_is_asked(name):
    with pytest.raises(BadParameter, match="^vault_name: "):
        run(vault_name=name)


def test_without_boto3_the_step_says_so():
    class Nothing:
        """Clients where boto3 is missing."""

        @property
        def aws_source(self):
            """As the factory does."""
            raise ReadFailed("not_configured", "boto3 is not installed", hint="pip install boto3")

    evidence = STEP.gather({"vault_name": "main"}, Nothing()).evidence
    assert evidence["outcome"] == "not_configured" and evidence["error"]["hint"] == "pip install boto3"
