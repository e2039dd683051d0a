# The functions: what they run on, what they are told, who may invoke them, what they log.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  packages = "./tests/packages"
}

run "functions" {
  command = plan

  assert {
    condition     = output.function_names == { for function in local.functions : function => "mayfly-${function}" }
    error_message = "Functions are named after the vault."
  }

  assert {
    condition = alltrue([
      for function in values(aws_lambda_function.vault) :
      function.runtime == "provided.al2023" && function.architectures == tolist(["arm64"]) && function.publish
    ])
    error_message = "Functions run on arm64, and each change of one is a version."
  }

  assert {
    condition = alltrue([
      for name, alias in aws_lambda_alias.live :
      alias.name == "live" && alias.function_name == "mayfly-${name}" && alias.function_version == aws_lambda_function.vault[name].version
    ])
    error_message = "Each function has the alias live, on its newest version."
  }

  assert {
    condition = { for name, function in aws_lambda_function.vault : name => [function.memory_size, function.timeout, function.reserved_concurrent_executions] } == {
      access       = [256, 15, -1]
      crud         = [256, 15, -1]
      dynamic-read = [256, 30, -1]
      lease-worker = [256, 120, -1]
      token        = [512, 15, 20]
    }
    error_message = "Memory, timeouts and concurrency are what the documentation says."
  }

  assert {
    condition = { for name, function in aws_lambda_function.vault : name => [for variable in keys(function.environment[0].variables) : variable] } == {
      access       = ["MAYFLY_GATEWAY_ALIAS", "MAYFLY_KMS_KEY", "MAYFLY_LOG", "MAYFLY_TABLE"]
      crud         = ["MAYFLY_ASSUMABLE_ROLES", "MAYFLY_GATEWAY_ALIAS", "MAYFLY_KMS_KEY", "MAYFLY_LOG", "MAYFLY_TABLE"]
      dynamic-read = ["MAYFLY_ALIASES", "MAYFLY_ASSUMABLE_ROLES", "MAYFLY_GATEWAY_ALIAS", "MAYFLY_KMS_KEY", "MAYFLY_LOG", "MAYFLY_TABLE"]
      lease-worker = ["MAYFLY_KMS_KEY", "MAYFLY_LOG", "MAYFLY_TABLE"]
      token        = ["MAYFLY_GATEWAY_ALIAS", "MAYFLY_KMS_KEY", "MAYFLY_LOG", "MAYFLY_TABLE"]
    }
    error_message = "Each function is told what it reads and nothing else: no endpoint, no setup code unless there is one."
  }

  assert {
    condition = aws_lambda_function.vault["dynamic-read"].environment[0].variables == tomap({
      MAYFLY_TABLE           = "mayfly"
      MAYFLY_KMS_KEY         = aws_kms_key.vault[0].arn
      MAYFLY_LOG             = "info"
      MAYFLY_GATEWAY_ALIAS   = "live"
      MAYFLY_ALIASES         = "{}"
      MAYFLY_ASSUMABLE_ROLES = "[]"
    })
    error_message = "By default nobody invokes directly, and no role is assumed."
  }

  assert {
    condition     = length(aws_lambda_alias.direct) == 0 && length(aws_lambda_permission.direct) == 0
    error_message = "By default there is no way in but the gateway."
  }

  assert {
    condition     = output.first_admin_command == "aws lambda invoke --region eu-central-1 --output json --function-name mayfly-token --qualifier live --cli-binary-format raw-in-base64-out --payload '{\"bootstrap\": {}}' /dev/stdout"
    error_message = "The command of the first admin invokes token."
  }

  assert {
    condition = alltrue([
      for name, function in aws_lambda_function.vault :
      function.logging_config[0].log_format == "JSON"
      && function.logging_config[0].log_group == "/aws/lambda/mayfly-${name}"
      && function.logging_config[0].system_log_level == "WARN"
      && function.logging_config[0].application_log_level == "INFO"
    ])
    error_message = "Functions log in JSON to a group made here, and Lambda adds only warnings."
  }

  assert {
    condition     = alltrue([for group in concat(values(aws_cloudwatch_log_group.function), [aws_cloudwatch_log_group.gateway]) : group.retention_in_days == 90])
    error_message = "No log is kept for ever."
  }

  assert {
    condition     = alltrue([for function in values(aws_lambda_function.vault) : function.tracing_config == tolist([]) || try(function.tracing_config[0].mode, "PassThrough") == "PassThrough"])
    error_message = "Nothing is traced: traces would be another place that tells who read what."
  }
}

run "quiet" {
  command = plan

  variables {
    log_level          = "error"
    log_retention_days = 7
  }

  assert {
    condition = alltrue([
      for function in values(aws_lambda_function.vault) :
      function.environment[0].variables["MAYFLY_LOG"] == "error" && function.logging_config[0].application_log_level == "INFO"
    ])
    error_message = "Metrics have no level, so Lambda takes them for INFO and must let that pass."
  }

  assert {
    condition     = alltrue([for group in concat(values(aws_cloudwatch_log_group.function), [aws_cloudwatch_log_group.gateway]) : group.retention_in_days == 7])
    error_message = "Every log is kept as long as was said."
  }
}

run "loud_on_x86_64" {
  command = plan

  variables {
    log_level         = "debug"
    architecture      = "x86_64"
    token_concurrency = -1
  }

  assert {
    condition     = alltrue([for function in values(aws_lambda_function.vault) : function.logging_config[0].application_log_level == "DEBUG"])
    error_message = "Lambda lets pass what Mayfly was told to log."
  }

  assert {
    condition     = alltrue([for function in values(aws_lambda_function.vault) : function.architectures == tolist(["x86_64"]) && function.reserved_concurrent_executions == -1])
    error_message = "The architecture is that of the packages, and concurrency may be kept for nobody."
  }
}

run "setup_code" {
  command = plan

  variables {
    setup_code = "twenty-four-random-chars"
  }

  assert {
    condition     = nonsensitive(aws_lambda_function.vault["token"].environment[0].variables["MAYFLY_SETUP_CODE"] == "twenty-four-random-chars")
    error_message = "A setup code is for token."
  }

  assert {
    condition = alltrue([
      for name, function in aws_lambda_function.vault : !contains(keys(function.environment[0].variables), "MAYFLY_SETUP_CODE")
      if name != "token"
    ])
    error_message = "A setup code is for no other function."
  }

  assert {
    condition     = !issensitive(aws_lambda_function.vault["crud"].environment[0].variables)
    error_message = "A plan shows what the others are told."
  }
}

run "direct_invokers" {
  command = plan

  variables {
    direct_invokers = {
      reporting = {
        principal    = "roles:reporting"
        invoker_arns = ["arn:aws:iam::123456789012:role/reports", "arn:aws:iam::210987654321:user/ops/ann"]
      }
      nightly = {
        principal    = "users:night.watch@example.com"
        invoker_arns = ["arn:aws:iam::123456789012:role/reports"]
      }
    }
  }

  assert {
    condition = jsondecode(aws_lambda_function.vault["dynamic-read"].environment[0].variables["MAYFLY_ALIASES"]) == {
      reporting = "roles:reporting"
      nightly   = "users:night.watch@example.com"
    }
    error_message = "Each alias acts as its principal."
  }

  assert {
    condition = { for name, alias in aws_lambda_alias.direct : name => [alias.name, alias.function_name] } == {
      reporting = ["reporting", "mayfly-dynamic-read"]
      nightly   = ["nightly", "mayfly-dynamic-read"]
    }
    error_message = "Each entry is an alias of dynamic-read."
  }

  assert {
    condition = toset([
      for permission in values(aws_lambda_permission.direct) : [permission.function_name, permission.qualifier, permission.principal, permission.action]
      ]) == toset([
      ["mayfly-dynamic-read", "reporting", "arn:aws:iam::123456789012:role/reports", "lambda:InvokeFunction"],
      ["mayfly-dynamic-read", "reporting", "arn:aws:iam::210987654321:user/ops/ann", "lambda:InvokeFunction"],
      ["mayfly-dynamic-read", "nightly", "arn:aws:iam::123456789012:role/reports", "lambda:InvokeFunction"],
    ])
    error_message = "An invoker may invoke its alias and no other."
  }
}

run "missing_package" {
  command = plan

  variables {
    packages = "./tests"
  }

  expect_failures = [aws_lambda_function.vault]
}

run "too_much_for_the_environment" {
  command = plan

  variables {
    assumable_role_arns = [for number in range(100) : "arn:aws:iam::123456789012:role/a-role-with-a-long-name-${number}"]
  }

  expect_failures = [aws_lambda_function.vault]
}

run "stopped" {
  command = plan

  variables {
    stopped = true
  }

  assert {
    condition = { for name, function in aws_lambda_function.vault : name => function.reserved_concurrent_executions } == {
      access = 0, crud = 0, dynamic-read = 0, lease-worker = 0, token = 20
    }
    error_message = "Of a stopped vault only token runs, to void all tokens."
  }
}
