# One role for each function. Its policy `vault` says what the function's own code does with the table and the key, and is
# compared by a test with what the code is seen to do; `platform` says what Lambda and DynamoDB do in its name.

locals {
  # Spelt out and not taken from the roles, so that a plan shows the whole of the key's policy.
  function_role_arns = {
    for function in local.functions :
    function => "arn:${local.partition}:iam::${local.account}:role/${var.name}-${function}"
  }

  vault_policies = {
    for function in local.functions :
    function => templatefile("${path.module}/policies/${function}.json", {
      table_arn = aws_dynamodb_table.vault.arn
      key_arn   = local.key_arn
    })
  }

  # DynamoDB opens the table's own key in the name of whoever calls it, and for nothing but this table.
  table_at_rest = {
    Sid      = "TableAtRest"
    Effect   = "Allow"
    Action   = ["kms:Decrypt"]
    Resource = local.key_arn
    Condition = {
      StringEquals = {
        "kms:ViaService"                                  = local.through_dynamodb
        "kms:EncryptionContext:aws:dynamodb:tableName"    = aws_dynamodb_table.vault.name
        "kms:EncryptionContext:aws:dynamodb:subscriberId" = local.account
      }
    }
  }

  # What only one function is given.
  platform_statements = {
    access = []
    crud   = []
    token  = []
    dynamic-read = [
      for arns in [var.assumable_role_arns] : {
        Sid    = "AssumeRoles"
        Effect = "Allow"
        # A session is tagged, and marked with its reader's name, if the dynamic secret says so.
        Action   = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
        Resource = arns
      } if length(arns) > 0
    ]
    lease-worker = [
      {
        Sid    = "ReadStream"
        Effect = "Allow"
        Action = [
          "dynamodb:DescribeStream",
          "dynamodb:GetRecords",
          "dynamodb:GetShardIterator",
          "dynamodb:ListStreams",
        ]
        Resource = aws_dynamodb_table.vault.stream_arn
      },
      local.leave_failures,
    ]
  }
}

resource "aws_iam_role" "function" {
  for_each = local.functions

  name                 = local.function_names[each.key]
  description          = "Mayfly ${var.name}: what ${each.key} runs as"
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "vault" {
  for_each = local.functions

  name   = "vault"
  role   = aws_iam_role.function[each.key].name
  policy = local.vault_policies[each.key]
}

resource "aws_iam_role_policy" "platform" {
  for_each = local.functions

  name = "platform"
  role = aws_iam_role.function[each.key].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid    = "WriteLogs"
          Effect = "Allow"
          Action = ["logs:CreateLogStream", "logs:PutLogEvents"]
          # Its streams; Lambda names them when it starts an instance.
          Resource = "${aws_cloudwatch_log_group.function[each.key].arn}:*"
        },
        local.table_at_rest,
      ],
      local.platform_statements[each.key],
    )
  })
}
