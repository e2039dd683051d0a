# The five functions, what each is told by its environment, and their aliases. Whatever invokes a function invokes an alias
# of it, so an upgrade moves all callers at once, and the version before it is still there to go back to.

locals {
  functions      = toset(["access", "crud", "dynamic-read", "lease-worker", "token"])
  http_functions = setsubtract(local.functions, ["lease-worker"])

  function_names = { for function in local.functions : function => "${var.name}-${function}" }

  packages = {
    for function in local.functions :
    function => "${coalesce(var.packages, "${path.module}/../../target/lambda")}/${function}/bootstrap.zip"
  }

  # The alias of the gateway, the stream and the schedules. A function refuses HTTP on any other.
  live = "live"

  # What each function reads, and nothing else; a null is not set. A test compares the names with the code.
  environment = {
    access = {
      MAYFLY_TABLE         = aws_dynamodb_table.vault.name
      MAYFLY_KMS_KEY       = local.key_arn
      MAYFLY_LOG           = var.log_level
      MAYFLY_GATEWAY_ALIAS = local.live
    }
    crud = {
      MAYFLY_TABLE           = aws_dynamodb_table.vault.name
      MAYFLY_KMS_KEY         = local.key_arn
      MAYFLY_LOG             = var.log_level
      MAYFLY_GATEWAY_ALIAS   = local.live
      MAYFLY_ASSUMABLE_ROLES = jsonencode(var.assumable_role_arns)
    }
    dynamic-read = {
      MAYFLY_TABLE           = aws_dynamodb_table.vault.name
      MAYFLY_KMS_KEY         = local.key_arn
      MAYFLY_LOG             = var.log_level
      MAYFLY_GATEWAY_ALIAS   = local.live
      MAYFLY_ALIASES         = jsonencode({ for alias, invoker in var.direct_invokers : alias => invoker.principal })
      MAYFLY_ASSUMABLE_ROLES = jsonencode(var.assumable_role_arns)
    }
    lease-worker = {
      MAYFLY_TABLE   = aws_dynamodb_table.vault.name
      MAYFLY_KMS_KEY = local.key_arn
      MAYFLY_LOG     = var.log_level
    }
    token = {
      MAYFLY_TABLE         = aws_dynamodb_table.vault.name
      MAYFLY_KMS_KEY       = local.key_arn
      MAYFLY_LOG           = var.log_level
      MAYFLY_GATEWAY_ALIAS = local.live
      MAYFLY_SETUP_CODE    = var.setup_code
    }
  }

  # Mayfly drops its own lines by MAYFLY_LOG. Lambda must let pass what has no level and so counts as INFO: metrics.
  platform_log_levels = { trace = "TRACE", debug = "DEBUG" }
}

resource "aws_lambda_function" "vault" {
  for_each = local.functions

  function_name    = local.function_names[each.key]
  description      = "Mayfly ${var.name}: ${each.key}"
  role             = aws_iam_role.function[each.key].arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  memory_size      = var.memory[each.key]
  timeout          = var.timeouts[each.key]
  filename         = local.packages[each.key]
  source_code_hash = filebase64sha256(local.packages[each.key])
  publish          = true
  tags             = var.tags

  # Signing in is kept apart from the rest: neither can take the other's last instance.
  reserved_concurrent_executions = each.key == "token" ? var.token_concurrency : var.stopped ? 0 : -1

  environment {
    variables = { for name, value in local.environment[each.key] : name => value if nonsensitive(value != null) }
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.function[each.key].name
    application_log_level = lookup(local.platform_log_levels, var.log_level, "INFO")
    system_log_level      = "WARN"
  }

  lifecycle {
    precondition {
      condition     = fileexists(local.packages[each.key])
      error_message = "There is no package ${local.packages[each.key]}. Build all of them with infra/aws/package, or with cargo lambda build --release --arm64 --output-format zip, or say by the variable packages where they are."
    }
    precondition {
      condition     = length(join("", flatten([for name, value in local.environment[each.key] : [name, nonsensitive(value == null ? "" : value)]]))) <= 4000
      error_message = "The environment of ${each.key} is too long: Lambda takes 4 KB. Shorten direct_invokers or assumable_role_arns."
    }
  }

  # Whoever starts first already has its rights, so that warming up does not fail on a first deployment.
  depends_on = [aws_iam_role_policy.platform, aws_iam_role_policy.vault]
}

resource "aws_lambda_alias" "live" {
  for_each = local.functions

  name             = local.live
  description      = "What the gateway, the stream and the schedules invoke"
  function_name    = aws_lambda_function.vault[each.key].function_name
  function_version = aws_lambda_function.vault[each.key].version
}

# Nobody waits for the answer of an asynchronous invocation, and each try would mint, or make an admin, once more.
resource "aws_lambda_function_event_invoke_config" "asked" {
  for_each = merge(
    { for function in ["dynamic-read", "token"] : function => aws_lambda_alias.live[function] },
    aws_lambda_alias.direct,
  )

  function_name                = each.value.function_name
  qualifier                    = each.value.name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

# An invocation of one of these acts as the principal that MAYFLY_ALIASES maps the alias to. IAM says who may.
resource "aws_lambda_alias" "direct" {
  for_each = var.direct_invokers

  name             = each.key
  description      = "Direct invocation as ${each.value.principal}"
  function_name    = aws_lambda_function.vault["dynamic-read"].function_name
  function_version = aws_lambda_function.vault["dynamic-read"].version
}

resource "aws_lambda_permission" "direct" {
  for_each = {
    for pair in flatten([
      for alias, invoker in var.direct_invokers : [for arn in distinct(invoker.invoker_arns) : { alias = alias, arn = arn }]
    ]) : "${pair.alias} ${pair.arn}" => pair
  }

  statement_id  = "invoker-${substr(sha256(each.value.arn), 0, 16)}"
  action        = "lambda:InvokeFunction"
  principal     = each.value.arn
  function_name = aws_lambda_function.vault["dynamic-read"].function_name
  qualifier     = aws_lambda_alias.direct[each.value.alias].name
}
