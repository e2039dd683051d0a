# The key: it wraps the branch keys that secrets are sealed under, and encrypts the table at rest. It is multi-Region from
# the first day because that cannot be changed later, and what is sealed in one region must open in the one that takes over.

locals {
  through_dynamodb = "dynamodb.${local.region}.${data.aws_partition.current.dns_suffix}"
  account_root     = { AWS = "arn:${local.partition}:iam::${local.account}:root" }

  # Who is given a right here needs it in a policy of its own as well: the principal is always the account, which passes
  # the decision on to IAM, and conditions narrow whom that can be. A role named as principal would have the right by the
  # key's policy alone, for every purpose, whatever its own policy says.
  key_statements = {
    # Everything but using it: not even the account's administrator can unwrap a branch key without changing this policy
    # first, which is seen in CloudTrail. Nor can one pass the right on, because kms:CreateGrant is not here.
    Administer = {
      Effect    = "Allow"
      Principal = local.account_root
      Resource  = "*"
      Action = [
        "kms:CancelKeyDeletion",
        "kms:CreateAlias",
        "kms:DeleteAlias",
        "kms:DescribeKey",
        "kms:DisableKey",
        "kms:DisableKeyRotation",
        "kms:EnableKey",
        "kms:EnableKeyRotation",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:ListGrants",
        "kms:ListKeyPolicies",
        "kms:ListKeyRotations",
        "kms:ListResourceTags",
        "kms:PutKeyPolicy",
        "kms:ReplicateKey",
        "kms:RevokeGrant",
        "kms:RotateKeyOnDemand",
        "kms:ScheduleKeyDeletion",
        "kms:TagResource",
        "kms:UntagResource",
        "kms:UpdateAlias",
        "kms:UpdateKeyDescription",
        "kms:UpdatePrimaryRegion",
      ]
    }
    # Branch keys, for the functions alone; which purposes, each function's own policy says. The context is exactly what
    # the code sends, so a branch key cannot pass for one of another vault or purpose.
    WrapBranchKeys = {
      Effect    = "Allow"
      Principal = local.account_root
      Resource  = "*"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Condition = {
        ArnEquals                   = { "aws:PrincipalArn" = values(local.function_role_arns) }
        StringEquals                = { "kms:EncryptionContext:purpose" = ["secret", "token-signing", "verifier"] }
        "ForAllValues:StringEquals" = { "kms:EncryptionContextKeys" = ["vault", "purpose"] }
        Null                        = { "kms:EncryptionContext:vault" = "false" }
      }
    }
    # The table at rest, never but through DynamoDB: functions that read it, who makes it, who restores it under another
    # name. DynamoDB keeps grants for its own work, which whoever makes the table must be able to give it.
    EncryptTable = {
      Effect    = "Allow"
      Principal = local.account_root
      Resource  = "*"
      Action = [
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
      ]
      Condition = {
        StringEquals = {
          "kms:CallerAccount" = local.account
          "kms:ViaService"    = local.through_dynamodb
        }
      }
    }
  }

  # Without the key nothing in the table opens again, nor in any backup of it.
  key_protection = {
    Keep = {
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Resource  = "*"
      Action    = ["kms:DisableKey", "kms:ScheduleKeyDeletion"]
    }
  }

  key_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for sid, statement in merge(local.key_statements, var.protect_data ? local.key_protection : {}) :
      merge({ Sid = sid }, statement)
    ]
  })

  key_arn = one(concat(aws_kms_key.vault[*].arn, aws_kms_replica_key.vault[*].arn))
}

resource "aws_kms_key" "vault" {
  count = var.replica_of == null ? 1 : 0

  description             = "Mayfly ${var.name}: branch keys, and the table at rest"
  multi_region            = true
  enable_key_rotation     = true
  deletion_window_in_days = 30
  tags                    = var.tags

  policy = local.key_policy
}

# In a region that took over: made before by `aws kms replicate-key`, since that asks the region it comes from, and imported.
resource "aws_kms_replica_key" "vault" {
  count = var.replica_of == null ? 0 : 1

  description             = "Mayfly ${var.name}: branch keys, and the table at rest"
  primary_key_arn         = var.replica_of
  deletion_window_in_days = 30
  tags                    = var.tags

  policy = local.key_policy
}

resource "aws_kms_alias" "vault" {
  name          = "alias/${var.name}"
  target_key_id = local.key_arn
}
