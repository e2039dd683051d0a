# An alarm for each thing that is promised, and a page to look at.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  packages = "./tests/packages"
}

run "alarms" {
  command = plan

  assert {
    condition = toset(concat(keys(aws_cloudwatch_metric_alarm.vault), keys(aws_cloudwatch_metric_alarm.aws))) == toset(concat(
      ["leases-stuck", "worker-lag", "unreadable-records", "audit-failures", "admin-recoveries", "api-5xx", "dead-letters", "iterator-age"],
      flatten([for function in ["access", "crud", "dynamic-read", "lease-worker", "token"] : ["${function}-errors", "${function}-throttles"]]),
    ))
    error_message = "There is an alarm for each promised thing."
  }

  assert {
    condition = {
      for alarm in values(aws_cloudwatch_metric_alarm.vault) : alarm.metric_name => [alarm.statistic, alarm.threshold, alarm.period, alarm.datapoints_to_alarm, alarm.evaluation_periods]
      } == {
      LeasesStuck       = ["Sum", 0, 21600, 1, 2]
      WorkerLag         = ["Maximum", 300, 60, 3, 5]
      UnreadableRecords = ["Sum", 0, 300, 1, 1]
      AuditFailures     = ["Sum", 0, 60, 1, 1]
      AdminRecoveries   = ["Sum", 0, 60, 1, 1]
    }
    error_message = "The vault's own alarms are these."
  }

  assert {
    condition = alltrue([
      for alarm in values(aws_cloudwatch_metric_alarm.vault) :
      alarm.namespace == "Mayfly" && alarm.dimensions == tomap({ Vault = "mayfly" })
    ])
    error_message = "The vault's own alarms are about this vault."
  }

  assert {
    condition = {
      for name, alarm in merge(aws_cloudwatch_metric_alarm.vault, aws_cloudwatch_metric_alarm.aws) : name => alarm.treat_missing_data
      if alarm.treat_missing_data != "notBreaching"
    } == { worker-lag = "breaching" }
    error_message = "A worker that tells nothing does not run."
  }

  assert {
    condition = alltrue([
      for function in local.functions :
      alltrue([
        for metric in ["Errors", "Throttles"] :
        aws_cloudwatch_metric_alarm.aws["${function}-${lower(metric)}"].metric_name == metric
        && aws_cloudwatch_metric_alarm.aws["${function}-${lower(metric)}"].namespace == "AWS/Lambda"
        && aws_cloudwatch_metric_alarm.aws["${function}-${lower(metric)}"].dimensions == tomap({ FunctionName = "mayfly-${function}" })
      ])
    ])
    error_message = "Errors and throttles of each function are told."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.aws["dead-letters"].dimensions == tomap({ QueueName = "mayfly-failures" })
      && aws_cloudwatch_metric_alarm.aws["dead-letters"].threshold == 0
      && aws_cloudwatch_metric_alarm.aws["api-5xx"].dimensions == tomap({ ApiId = aws_apigatewayv2_api.vault.id })
      && aws_cloudwatch_metric_alarm.aws["iterator-age"].dimensions == tomap({ FunctionName = "mayfly-lease-worker" })
    )
    error_message = "Dead letters, the gateway's errors and the age of the stream are told."
  }

  assert {
    condition     = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.vault), values(aws_cloudwatch_metric_alarm.aws)) : length(alarm.alarm_actions) == 0])
    error_message = "Without a topic alarms go nowhere."
  }

  assert {
    condition = alltrue([
      for metric in values(aws_cloudwatch_metric_alarm.vault)[*].metric_name : strcontains(aws_cloudwatch_dashboard.vault.dashboard_body, metric)
    ])
    error_message = "What there is an alarm for can be looked at."
  }

  assert {
    condition = contains(
      [for widget in jsondecode(aws_cloudwatch_dashboard.vault.dashboard_body).widgets : try(widget.properties.metrics[0][0].expression, "")],
      "SEARCH('{Mayfly,Vault,Kind,Outcome} MetricName=\"Reads\" Vault=\"mayfly\"', 'Sum', 300)",
    )
    error_message = "Reads are drawn by kind and outcome, for this vault."
  }
}

run "topic" {
  command = plan

  variables {
    alarm_topic_arn = "arn:aws:sns:eu-central-1:123456789012:operators"
  }

  assert {
    condition = alltrue([
      for alarm in concat(values(aws_cloudwatch_metric_alarm.vault), values(aws_cloudwatch_metric_alarm.aws)) :
      alarm.alarm_actions == toset(["arn:aws:sns:eu-central-1:123456789012:operators"]) && alarm.ok_actions == alarm.alarm_actions
    ])
    error_message = "With a topic every alarm goes there, and its end too."
  }
}
