# Alarms: each says that somebody has to look, and README.md what at. A metric of Mayfly's own is named here as the code
# emits it, which a test compares.

locals {
  alarm_actions = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]

  # By Mayfly's own metrics, whose one dimension here is the vault. Absence is good news but for the worker's lag, which is
  # told once a minute for as long as the worker runs.
  vault_alarms = {
    leases-stuck = {
      description = "A lease cannot be taken back: what it left in a cloud is still there"
      metric      = "LeasesStuck"
      statistic   = "Sum"
      threshold   = 0
      # Each stuck lease is tried, and so told of, every six hours.
      period  = 21600
      periods = 2
      hits    = 1
      missing = "notBreaching"
    }
    worker-lag = {
      description = "What is due waits for more than five minutes, or the worker does not run at all"
      metric      = "WorkerLag"
      statistic   = "Maximum"
      threshold   = 300
      period      = 60
      periods     = 5
      hits        = 3
      missing     = "breaching"
    }
    unreadable-records = {
      description = "The worker passes what it cannot read, or what a newer release wrote"
      metric      = "UnreadableRecords"
      statistic   = "Sum"
      threshold   = 0
      period      = 300
      periods     = 1
      hits        = 1
      missing     = "notBreaching"
    }
    audit-failures = {
      description = "An audit record could not be written, or nobody knows whether it was; the request was refused"
      metric      = "AuditFailures"
      statistic   = "Sum"
      threshold   = 0
      period      = 60
      periods     = 1
      hits        = 1
      missing     = "notBreaching"
    }
    admin-recoveries = {
      description = "Somebody made a new admin by recovery"
      metric      = "AdminRecoveries"
      statistic   = "Sum"
      threshold   = 0
      period      = 60
      periods     = 1
      hits        = 1
      missing     = "notBreaching"
    }
  }

  # By AWS's metrics.
  aws_alarms = merge(
    {
      for function, name in local.function_names : "${function}-errors" => {
        description = "Invocations of ${function} fail, time out, or are refused to a direct invoker"
        namespace   = "AWS/Lambda"
        metric      = "Errors"
        dimensions  = { FunctionName = name }
        statistic   = "Sum"
        threshold   = var.alarm_thresholds.errors
        period      = 300
      }
    },
    {
      for function, name in local.function_names : "${function}-throttles" => {
        description = "Lambda refuses to start ${function}: too many run at once"
        namespace   = "AWS/Lambda"
        metric      = "Throttles"
        dimensions  = { FunctionName = name }
        statistic   = "Sum"
        threshold   = var.alarm_thresholds.throttles
        period      = 300
      }
    },
    {
      api-5xx = {
        description = "Requests are answered with a 5xx"
        namespace   = "AWS/ApiGateway"
        metric      = "5xx"
        dimensions  = { ApiId = aws_apigatewayv2_api.vault.id }
        statistic   = "Sum"
        threshold   = var.alarm_thresholds.api_5xx
        period      = 300
      }
      dead-letters = {
        description = "Something was tried in vain and left in the queue of failures"
        namespace   = "AWS/SQS"
        metric      = "ApproximateNumberOfMessagesVisible"
        dimensions  = { QueueName = aws_sqs_queue.failures.name }
        statistic   = "Maximum"
        threshold   = 0
        period      = 60
      }
      iterator-age = {
        description = "Records of the table's stream wait for more than five minutes: roles in Azure are given late"
        namespace   = "AWS/Lambda"
        metric      = "IteratorAge"
        dimensions  = { FunctionName = local.function_names["lease-worker"] }
        statistic   = "Maximum"
        threshold   = 300000 # milliseconds
        period      = 300
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "vault" {
  for_each = local.vault_alarms

  lifecycle {
    precondition {
      condition     = var.alarm_topic_arn == null ? true : split(":", var.alarm_topic_arn)[3] == local.region
      error_message = "The alarm_topic_arn must be of a topic in ${local.region}: CloudWatch sends to no other region."
    }
  }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "Mayfly"
  metric_name         = each.value.metric
  dimensions          = { Vault = aws_dynamodb_table.vault.name }
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.hits
  treat_missing_data  = each.value.missing
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "aws" {
  for_each = local.aws_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = local.alarm_actions
  tags                = var.tags
}
