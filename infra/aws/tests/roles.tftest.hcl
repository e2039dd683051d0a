# No right too many: every policy document that is made here, read statement by statement.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  packages = "./tests/packages"
}

run "roles" {
  command = plan

  assert {
    condition = alltrue([
      for role in values(aws_iam_role.function) : jsondecode(role.assume_role_policy).Statement == [
        { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } },
      ]
    ])
    error_message = "Only Lambda may assume a function's role."
  }

  assert {
    condition = jsondecode(aws_iam_role.scheduler.assume_role_policy).Statement == [
      {
        Effect    = "Allow"
        Action    = "sts:AssumeRole"
        Principal = { Service = "scheduler.amazonaws.com" }
        Condition = {
          StringEquals = { "aws:SourceAccount" = "123456789012" }
          ArnEquals    = { "aws:SourceArn" = aws_scheduler_schedule_group.vault.arn }
        }
      },
    ]
    error_message = "Only the schedules of this vault may assume the scheduler's role."
  }

  assert {
    condition = alltrue([
      for role, policies in {
        for function in local.functions : function => [aws_iam_role_policy.vault[function], aws_iam_role_policy.platform[function]]
      } : alltrue([for policy in policies : policy.role == "mayfly-${role}"])
    ])
    error_message = "Each function has its own role, with its own two policies."
  }

  assert {
    condition = alltrue([
      for statement in flatten([
        for policy in concat(values(aws_iam_role_policy.vault), values(aws_iam_role_policy.platform), [aws_iam_role_policy.scheduler]) :
        jsondecode(policy.policy).Statement
      ]) :
      statement.Effect == "Allow"
      && length(setsubtract(keys(statement), ["Sid", "Effect", "Action", "Resource", "Condition"])) == 0
      && alltrue([for action in flatten([statement.Action]) : can(regex("^[a-z0-9]+:[A-Za-z]+$", action))])
    ])
    error_message = "A statement of a role allows actions that are named one by one: no wildcard, and nothing by way of NotAction or NotResource."
  }

  assert {
    condition = alltrue([
      for statement in flatten([
        for policy in concat(values(aws_iam_role_policy.vault), values(aws_iam_role_policy.platform), [aws_iam_role_policy.scheduler]) :
        jsondecode(policy.policy).Statement
      ]) :
      alltrue([
        for resource in flatten([statement.Resource]) :
        !strcontains(resource, "*") && startswith(resource, "arn:aws:")
        # Lambda names a log stream when it starts an instance.
        || statement.Sid == "WriteLogs" && resource == "${aws_cloudwatch_log_group.function["token"].arn}:*"
      ])
    ])
    error_message = "A statement of a role names its resources, without wildcards but for a log group's streams."
  }

  assert {
    condition = alltrue([
      for policy in values(aws_iam_role_policy.platform) :
      [for statement in jsondecode(policy.policy).Statement : statement if statement.Sid == "TableAtRest"] == [
        {
          Sid      = "TableAtRest"
          Effect   = "Allow"
          Action   = ["kms:Decrypt"]
          Resource = aws_kms_key.vault[0].arn
          Condition = {
            StringEquals = {
              "kms:ViaService"                                  = "dynamodb.eu-central-1.amazonaws.com"
              "kms:EncryptionContext:aws:dynamodb:tableName"    = "mayfly"
              "kms:EncryptionContext:aws:dynamodb:subscriberId" = "123456789012"
            }
          }
        },
      ]
    ])
    error_message = "The key opens the table at rest only through DynamoDB, and only this table."
  }

  assert {
    condition = {
      for function, policy in aws_iam_role_policy.platform : function => [for statement in jsondecode(policy.policy).Statement : statement.Sid]
      } == {
      access       = ["WriteLogs", "TableAtRest"]
      crud         = ["WriteLogs", "TableAtRest"]
      dynamic-read = ["WriteLogs", "TableAtRest"]
      lease-worker = ["WriteLogs", "TableAtRest", "ReadStream", "LeaveFailures"]
      token        = ["WriteLogs", "TableAtRest"]
    }
    error_message = "The platform acts in a function's name as listed, and no more."
  }

  assert {
    condition = alltrue([
      for statement in flatten([for policy in values(aws_iam_role_policy.vault) : jsondecode(policy.policy).Statement]) :
      alltrue([
        for resource in flatten([statement.Resource]) : contains(concat(
          [aws_dynamodb_table.vault.arn, aws_kms_key.vault[0].arn],
          [for index in aws_dynamodb_table.vault.global_secondary_index : "${aws_dynamodb_table.vault.arn}/index/${index.name}"],
        ), resource)
      ])
    ])
    error_message = "A function's own code uses the table, its indexes by name, and the key."
  }

  assert {
    condition = alltrue([
      for statement in flatten([for policy in values(aws_iam_role_policy.vault) : jsondecode(policy.policy).Statement]) :
      can(statement.Condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]) && try(statement.Condition.Null["dynamodb:LeadingKeys"], "") == "false"
      || anytrue([for action in flatten([statement.Action]) : !startswith(action, "dynamodb:")])
    ])
    error_message = "A right on the table is bound to leading keys, and void where a request has none."
  }

  assert {
    condition = alltrue([
      for action in flatten([
        for policy in values(aws_iam_role_policy.vault) : [for statement in jsondecode(policy.policy).Statement : statement.Action]
      ]) :
      contains([
        "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:GetItem",
        "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem", "kms:Decrypt", "kms:GenerateDataKey",
      ], action)
    ])
    error_message = "A function's own code reads and writes items and unwraps keys: no scans, no PartiQL, nothing of the table's own."
  }

  assert {
    condition = alltrue([
      for statement in flatten([for policy in values(aws_iam_role_policy.vault) : jsondecode(policy.policy).Statement]) :
      can(statement.Condition.StringEquals["kms:EncryptionContext:purpose"]) && flatten([statement.Resource]) == [aws_kms_key.vault[0].arn]
      || anytrue([for action in flatten([statement.Action]) : !startswith(action, "kms:")])
    ])
    error_message = "A right on the key is bound to purposes."
  }

  assert {
    condition = alltrue([
      for function in local.functions :
      sum([for policy in [aws_iam_role_policy.vault, aws_iam_role_policy.platform] : length(jsonencode(jsondecode(policy[function].policy)))]) <= 10240
    ])
    error_message = "IAM takes 10240 characters of policies within a role."
  }

  assert {
    condition     = !strcontains(join("", [for policy in values(aws_iam_role_policy.platform) : policy.policy]), "sts:")
    error_message = "Without roles to assume there is no right to assume any."
  }
}

run "assumable_roles" {
  command = plan

  variables {
    assumable_role_arns = ["arn:aws:iam::210987654321:role/apps/reader", "arn:aws:iam::123456789012:role/writer"]
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.platform["dynamic-read"].policy).Statement : statement if statement.Sid == "AssumeRoles"
      ] == [
      {
        Sid      = "AssumeRoles"
        Effect   = "Allow"
        Action   = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
        Resource = ["arn:aws:iam::210987654321:role/apps/reader", "arn:aws:iam::123456789012:role/writer"]
      },
    ]
    error_message = "dynamic-read may assume exactly the listed roles."
  }

  assert {
    condition = alltrue([
      for function in setsubtract(local.functions, ["dynamic-read"]) : !strcontains(aws_iam_role_policy.platform[function].policy, "sts:")
    ])
    error_message = "No other function may assume a role."
  }
}

run "boundary" {
  command = plan

  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition = alltrue([
      for role in concat(values(aws_iam_role.function), [aws_iam_role.scheduler]) :
      role.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    ])
    error_message = "Every role has the boundary."
  }
}
