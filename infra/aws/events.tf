# What wakes lease-worker: the table's stream, at once, and two schedules. The sweep alone is enough for everything, so
# whatever else fails is tried a few times and then left in a queue, for somebody to see.

locals {
  worker = aws_lambda_alias.live["lease-worker"]

  # Spelt out where a policy names the queue, because the provider takes half a minute to make one, and the functions
  # would wait for it.
  failures     = "${var.name}-failures"
  failures_arn = "arn:${local.partition}:sqs:${local.region}:${local.account}:${local.failures}"

  # For whoever leaves something there: the worker's stream and invocations, and the schedules.
  leave_failures = {
    Sid      = "LeaveFailures"
    Effect   = "Allow"
    Action   = ["sqs:SendMessage"]
    Resource = local.failures_arn
  }

  schedules = {
    sweep = {
      description = "Does whatever is due"
      expression  = "rate(1 minute)"
      input       = { mayfly = "sweep" }
      # The next one comes before a later try would.
      maximum_age     = 60
      maximum_retries = 0
    }
    reconcile = {
      description     = "Looks for what the vault made in a cloud and has no lease of; only reports"
      expression      = "rate(1 day)"
      input           = { mayfly = "reconcile" }
      maximum_age     = 3600
      maximum_retries = 3
    }
  }
}

resource "aws_lambda_event_source_mapping" "tasks" {
  event_source_arn  = aws_dynamodb_table.vault.stream_arn
  function_name     = local.worker.arn
  starting_position = "LATEST" # what was there before, the sweep finds
  batch_size        = 100
  tags              = var.tags

  # One at once is what this is for: a role is to be given within a second.
  maximum_batching_window_in_seconds = 0

  maximum_retry_attempts         = 3
  maximum_record_age_in_seconds  = 3600
  bisect_batch_on_function_error = true
  function_response_types        = ["ReportBatchItemFailures"]

  # New tasks. Everything else in the stream is not even an invocation.
  filter_criteria {
    filter {
      pattern = jsonencode({
        eventName = ["INSERT"]
        dynamodb  = { Keys = { pk = { S = [{ prefix = "TASK#" }] } } }
      })
    }
  }

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.failures.arn
    }
  }
}

resource "aws_scheduler_schedule_group" "vault" {
  name = var.name
  tags = var.tags
}

resource "aws_scheduler_schedule" "worker" {
  for_each = local.schedules

  name                = each.key
  description         = each.value.description
  group_name          = aws_scheduler_schedule_group.vault.name
  schedule_expression = each.value.expression

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = local.worker.arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode(each.value.input)

    retry_policy {
      maximum_event_age_in_seconds = each.value.maximum_age
      maximum_retry_attempts       = each.value.maximum_retries
    }

    dead_letter_config {
      arn = aws_sqs_queue.failures.arn
    }
  }

  # It invokes at once, and would be refused.
  depends_on = [aws_iam_role_policy.scheduler]
}

# A schedule hands its event over and does not wait; from there on, Lambda tries again.
resource "aws_lambda_function_event_invoke_config" "worker" {
  function_name                = aws_lambda_function.vault["lease-worker"].function_name
  qualifier                    = local.worker.name
  maximum_event_age_in_seconds = 300
  maximum_retry_attempts       = 1

  destination_config {
    on_failure {
      destination = aws_sqs_queue.failures.arn
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name                 = "${var.name}-scheduler"
  description          = "Mayfly ${var.name}: what the schedules invoke lease-worker as"
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  # Only for schedules of this group: nobody else's may borrow the role.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnEquals    = { "aws:SourceArn" = aws_scheduler_schedule_group.vault.arn }
      }
    }]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  name = "worker"
  role = aws_iam_role.scheduler.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "InvokeWorker"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = local.worker.arn
      },
      local.leave_failures,
    ]
  })
}

# What was tried in vain. It tells where the records lie and why that failed, never what a record holds.
resource "aws_sqs_queue" "failures" {
  name                      = local.failures
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags

  # Rights are given by the roles alone; this only takes away. As a resource of its own it would come half a minute later.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTls"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "sqs:*"
      Resource  = local.failures_arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
