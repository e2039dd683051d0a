# The table and its key: encrypted, kept, and used only by whom they are for.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  packages = "./tests/packages"
}

run "kept" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.vault.server_side_encryption[0].enabled && aws_dynamodb_table.vault.server_side_encryption[0].kms_key_arn == aws_kms_key.vault[0].arn
    error_message = "The table is encrypted with the vault's own key."
  }
  assert {
    condition     = aws_dynamodb_table.vault.point_in_time_recovery[0].enabled
    error_message = "The table can be restored to a point in time."
  }
  assert {
    condition     = aws_dynamodb_table.vault.deletion_protection_enabled
    error_message = "The table is protected from deletion."
  }
  assert {
    condition     = aws_dynamodb_table.vault.stream_enabled && aws_dynamodb_table.vault.stream_view_type == "KEYS_ONLY"
    error_message = "The stream tells keys only."
  }
  assert {
    condition     = aws_dynamodb_table.vault.ttl[0].enabled && aws_dynamodb_table.vault.ttl[0].attribute_name == "expires"
    error_message = "What is over is swept away."
  }
  assert {
    condition = {
      for index in aws_dynamodb_table.vault.global_secondary_index : index.name => [index.hash_key, index.range_key, index.projection_type]
      } == {
      recent  = ["recentPk", "recentSk", "INCLUDE"]
      browse  = ["browsePk", "browseSk", "INCLUDE"]
      links   = ["linksPk", "linksSk", "INCLUDE"]
      due     = ["duePk", "dueSk", "INCLUDE"]
      created = ["createdPk", "createdSk", "INCLUDE"]
    }
    error_message = "The table has the five indexes."
  }

  assert {
    condition     = aws_kms_key.vault[0].multi_region && aws_kms_key.vault[0].enable_key_rotation && aws_kms_key.vault[0].deletion_window_in_days == 30
    error_message = "The key is multi-Region, is rotated, and can be got back for a month."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.vault[0].policy).Statement :
      # To a key's policy `*` is the key itself.
      statement.Resource == "*"
      && alltrue([for action in statement.Action : can(regex("^kms:[A-Za-z]+$", action))])
      && statement.Principal == (statement.Effect == "Deny" ? { AWS = "*" } : { AWS = "arn:aws:iam::123456789012:root" })
    ])
    error_message = "The key's policy names its actions, and allows them to this account only."
  }

  assert {
    condition = length(setintersection(
      one([for statement in jsondecode(aws_kms_key.vault[0].policy).Statement : statement.Action if statement.Sid == "Administer"]),
      [
        "kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyPair",
        "kms:GenerateDataKeyPairWithoutPlaintext", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo",
      ],
    )) == 0
    error_message = "Who administers the key may not use it, nor let others use it."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.vault[0].policy).Statement : can(statement.Condition)
      if statement.Effect == "Allow" && statement.Sid != "Administer"
    ])
    error_message = "Using the key is allowed under conditions only."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.vault[0].policy).Statement : { Action = statement.Action, Condition = statement.Condition }
      if statement.Sid == "WrapBranchKeys"
      ] == [
      {
        Action = ["kms:Decrypt", "kms:GenerateDataKey"]
        Condition = {
          ArnEquals = {
            "aws:PrincipalArn" = [
              "arn:aws:iam::123456789012:role/mayfly-access",
              "arn:aws:iam::123456789012:role/mayfly-crud",
              "arn:aws:iam::123456789012:role/mayfly-dynamic-read",
              "arn:aws:iam::123456789012:role/mayfly-lease-worker",
              "arn:aws:iam::123456789012:role/mayfly-token",
            ]
          }
          StringEquals                = { "kms:EncryptionContext:purpose" = ["secret", "token-signing", "verifier"] }
          "ForAllValues:StringEquals" = { "kms:EncryptionContextKeys" = ["vault", "purpose"] }
          Null                        = { "kms:EncryptionContext:vault" = "false" }
        }
      },
    ]
    error_message = "Branch keys are for the functions' roles, within their context."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.vault[0].policy).Statement : statement.Condition if statement.Sid == "EncryptTable"
      ] == [
      { StringEquals = { "kms:CallerAccount" = "123456789012", "kms:ViaService" = "dynamodb.eu-central-1.amazonaws.com" } },
    ]
    error_message = "The table at rest is for this account through DynamoDB."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.vault[0].policy).Statement : statement.Action if statement.Effect == "Deny"
    ] == [["kms:DisableKey", "kms:ScheduleKeyDeletion"]]
    error_message = "Nobody may delete or disable the key."
  }

  assert {
    condition     = aws_sqs_queue.failures.sqs_managed_sse_enabled && aws_sqs_queue.failures.message_retention_seconds == 1209600
    error_message = "The queue of failures is encrypted and keeps them for 14 days."
  }
  assert {
    # A deny may say all actions: it takes away.
    condition = jsondecode(aws_sqs_queue.failures.policy).Statement == [
      {
        Sid       = "OnlyTls"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "sqs:*"
        Resource  = aws_sqs_queue.failures.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
    error_message = "The queue of failures is reached over TLS only, and its policy allows nothing."
  }
}

run "given_up" {
  command = plan

  variables {
    protect_data = false
  }

  assert {
    condition     = !aws_dynamodb_table.vault.deletion_protection_enabled
    error_message = "Told so, the table can be deleted."
  }
  assert {
    condition     = [for statement in jsondecode(aws_kms_key.vault[0].policy).Statement : statement.Sid if statement.Effect == "Deny"] == []
    error_message = "Told so, the key can be deleted."
  }
}

run "restored" {
  command = plan

  variables {
    table_name = "mayfly-restored"
  }

  assert {
    condition = (
      aws_dynamodb_table.vault.name == "mayfly-restored"
      && alltrue([for function in values(aws_lambda_function.vault) : function.environment[0].variables["MAYFLY_TABLE"] == "mayfly-restored"])
      && alltrue([for policy in values(aws_iam_role_policy.platform) : strcontains(policy.policy, "\"kms:EncryptionContext:aws:dynamodb:tableName\":\"mayfly-restored\"")])
      && alltrue([for alarm in values(aws_cloudwatch_metric_alarm.vault) : alarm.dimensions == tomap({ Vault = "mayfly-restored" })])
    )
    error_message = "A restored table has a name of its own, and everything that names the table follows."
  }
}

run "moved" {
  command = plan

  variables {
    replica_of = "arn:aws:kms:us-east-1:123456789012:key/mrk-0123456789abcdef0123456789abcdef"
  }

  assert {
    condition = (
      length(aws_kms_key.vault) == 0
      && aws_kms_replica_key.vault[0].primary_key_arn == var.replica_of
      && aws_kms_replica_key.vault[0].policy == local.key_policy
      && aws_dynamodb_table.vault.server_side_encryption[0].kms_key_arn == aws_kms_replica_key.vault[0].arn
      && alltrue([for function in values(aws_lambda_function.vault) : function.environment[0].variables["MAYFLY_KMS_KEY"] == aws_kms_replica_key.vault[0].arn])
    )
    error_message = "In a region that took over, the replica of the key is what the key is elsewhere."
  }
}
