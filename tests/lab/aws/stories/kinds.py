# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource types of AWS Backup: how their ARNs and those of their recovery points are written, and who manages them.

A recovery point of a fully managed type has an ARN of AWS Backup and is encrypted with the vault's key. Any other is a
snapshot of the owning service: its ARN is that service's, and it keeps the resource's own key until it is copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from lab.aws.stories.words import hex_of, uuid_of

GIB = 1024**3
_MANAGED = "arn:aws:backup:{region}:{account}:recovery-point:{upper}"
_CLUSTER = "arn:aws:rds:{region}:{account}:cluster:{name}"
_CLUSTER_SNAPSHOT = "arn:aws:rds:{region}:{account}:cluster-snapshot:awsbackup:{origin}-{uuid}"
_SNAPSHOT = "arn:aws:ec2:{region}::snapshot/snap-0{hex}"


@dataclass(frozen=True)
class Kind:
    """A resource type. ``resource`` and ``point`` are templates; ``size`` is what AWS reports as BackupSizeInBytes."""

    resource: str
    point: str = _MANAGED
    size: int = 8 * GIB

    @property
    def managed(self) -> bool:
        """Tell whether AWS Backup fully manages the type."""
        return self.point == _MANAGED


KINDS = {
    "EBS": Kind("arn:aws:ec2:{region}:{account}:volume/vol-0{hex}", _SNAPSHOT, 100 * GIB),
    "EC2": Kind("arn:aws:ec2:{region}:{account}:instance/i-0{hex}", "arn:aws:ec2:{region}::image/ami-0{hex}", 30 * GIB),
    "RDS": Kind(
        "arn:aws:rds:{region}:{account}:db:{name}",
        "arn:aws:rds:{region}:{account}:snapshot:awsbackup:{origin}-{uuid}",
        0,
    ),
    "Aurora": Kind(_CLUSTER, _CLUSTER_SNAPSHOT, 0),
    "DocumentDB": Kind(_CLUSTER, _CLUSTER_SNAPSHOT, 0),
    "Neptune": Kind(_CLUSTER, _CLUSTER_SNAPSHOT, 0),
    "EFS": Kind("arn:aws:elasticfilesystem:{region}:{account}:file-system/fs-0{hex}", size=40 * GIB),
    "S3": Kind("arn:aws:s3:::{name}", size=250 * GIB),
    "DynamoDB": Kind("arn:aws:dynamodb:{region}:{account}:table/{name}", size=12 * GIB),
    "FSx": Kind(
        "arn:aws:fsx:{region}:{account}:file-system/fs-0{hex}",
        "arn:aws:fsx:{region}:{account}:backup/backup-0{hex}",
        64 * GIB,
    ),
    "Storage Gateway": Kind(
        "arn:aws:storagegateway:{region}:{account}:gateway/sgw-{hex8}/volume/vol-0{hex}", _SNAPSHOT, 50 * GIB
    ),
    "Redshift": Kind(
        "arn:aws:redshift:{region}:{account}:cluster:{name}",
        "arn:aws:redshift:{region}:{account}:snapshot:{name}/awsbackup:{origin}-{uuid}",
        160 * GIB,
    ),
    "Timestream": Kind("arn:aws:timestream:{region}:{account}:database/{name}/table/{name}"),
    "VirtualMachine": Kind("arn:aws:backup-gateway:{region}:{account}:vm/vm-{hex}"),
    "SAP HANA on Amazon EC2": Kind("arn:aws:ssm-sap:{region}:{account}:HANA/{name}/DB/HDB", size=90 * GIB),
    "EKS": Kind("arn:aws:eks:{region}:{account}:cluster/{name}"),
    "CloudFormation": Kind("arn:aws:cloudformation:{region}:{account}:stack/{name}/{uuid}", size=0),
}


@lru_cache(maxsize=4096)
def resource_arn(kind: str, name: str, account: str, region: str) -> str:
    """Return the ARN of the resource that the story calls ``name``."""
    return KINDS[kind].resource.format(
        region=region,
        account=account,
        name=name,
        uuid=uuid_of("resource", kind, name),
        hex=hex_of(16, "resource", kind, name),
        hex8=hex_of(8, "gateway", name).upper(),
    )


def point_arn(kind: str, name: str, account: str, region: str, *parts: object, copied: bool = False) -> str:
    """Return the ARN of a recovery point; ``parts`` tell it from the other points of the resource."""
    uuid = uuid_of("point", region, kind, name, *parts)
    template = KINDS[kind].point
    return template.format(
        region=region,
        account=account,
        name=name,
        origin="copyjob" if copied else "job",
        uuid=uuid,
        upper=uuid.upper(),
        hex=hex_of(16, "point", region, kind, name, *parts) if "{hex}" in template else "",
    )


def continuous_arn(name: str, account: str, region: str) -> str:
    """Return the ARN of the one continuous recovery point that a resource has."""
    return f"arn:aws:backup:{region}:{account}:recovery-point:continuous:{name}-{hex_of(8, 'continuous', name)}"
