# One page to look at: what the vault does, and below it how the services bear it.

locals {
  # Mayfly's own metrics, as the code emits them, which a test compares: one line for each combination of `by`.
  vault_charts = [
    { title = "Reads, by kind and outcome", metric = "Reads", by = ["Kind", "Outcome"], statistic = "Sum" },
    { title = "Latency of the clouds, p99 ms", metric = "UpstreamLatency", by = ["Provider"], statistic = "p99" },
    { title = "Errors of the clouds", metric = "UpstreamErrors", by = ["Provider"], statistic = "Sum" },
    { title = "Leases, by the state they enter", metric = "Leases", by = ["State"], statistic = "Sum" },
    { title = "Tries in vain of stuck leases", metric = "LeasesStuck", by = [], statistic = "Sum" },
    { title = "Lag of the worker, s", metric = "WorkerLag", by = [], statistic = "Maximum" },
    { title = "Records the worker cannot read", metric = "UnreadableRecords", by = [], statistic = "Sum" },
    { title = "Audit failures", metric = "AuditFailures", by = [], statistic = "Sum" },
    { title = "Admin recoveries", metric = "AdminRecoveries", by = [], statistic = "Sum" },
    { title = "Refused sign-ins", metric = "FailedSignIns", by = [], statistic = "Sum" },
    { title = "Requests without a token that counts", metric = "RefusedTokens", by = [], statistic = "Sum" },
    { title = "Cold starts", metric = "ColdStarts", by = ["Function"], statistic = "Sum" },
  ]

  aws_charts = concat(
    [
      for metric, statistic in { Invocations = "Sum", Errors = "Sum", Throttles = "Sum", Duration = "p99", ConcurrentExecutions = "Maximum" } : {
        title                                = "Functions: ${metric}, ${statistic}"
        metrics                              = [for name in values(local.function_names) : ["AWS/Lambda", metric, "FunctionName", name, { stat = statistic }]]
      }
    ],
    [
      {
        title = "Gateway: requests and refusals"
        metrics = [
          for metric in ["Count", "4xx", "5xx"] :
          ["AWS/ApiGateway", metric, "ApiId", aws_apigatewayv2_api.vault.id, { stat = "Sum" }]
        ]
      },
      {
        title = "Gateway: latency, ms"
        metrics = [
          for statistic in ["p50", "p99"] :
          ["AWS/ApiGateway", "Latency", "ApiId", aws_apigatewayv2_api.vault.id, { stat = statistic, label = statistic }]
        ]
      },
      {
        title = "Table: consumed units"
        metrics = [
          for metric in ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"] :
          ["AWS/DynamoDB", metric, "TableName", aws_dynamodb_table.vault.name, { stat = "Sum" }]
        ]
      },
      {
        title = "Table: throttled, and transactions in each other's way"
        metrics = [
          for metric in ["ReadThrottleEvents", "WriteThrottleEvents", "TransactionConflict"] :
          ["AWS/DynamoDB", metric, "TableName", aws_dynamodb_table.vault.name, { stat = "Sum" }]
        ]
      },
      {
        title   = "Stream: age of what waits, ms"
        metrics = [["AWS/Lambda", "IteratorAge", "FunctionName", local.function_names["lease-worker"], { stat = "Maximum" }]]
      },
      {
        title   = "Failures in the queue"
        metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.failures.name, { stat = "Maximum" }]]
      },
    ],
  )

  # A search draws a line for each value of the dimensions, also for those that appear later.
  charts = concat(
    [
      for chart in local.vault_charts : {
        title = chart.title
        metrics = [[{
          id = "m"
          expression = format(
            "SEARCH('{Mayfly,%s} MetricName=\"%s\" Vault=\"%s\"', '%s', 300)",
            join(",", concat(["Vault"], chart.by)), chart.metric, aws_dynamodb_table.vault.name, chart.statistic,
          )
        }]]
      }
    ],
    local.aws_charts,
  )
}

resource "aws_cloudwatch_dashboard" "vault" {
  dashboard_name = var.name

  # Three beside each other, on CloudWatch's grid of 24 columns.
  dashboard_body = jsonencode({
    widgets = [
      for place, chart in local.charts : {
        type   = "metric"
        x      = place % 3 * 8
        y      = floor(place / 3) * 6
        width  = 8
        height = 6
        properties = {
          title   = chart.title
          metrics = chart.metrics
          region  = local.region
          view    = "timeSeries"
          period  = 300
        }
      }
    ]
  })
}
