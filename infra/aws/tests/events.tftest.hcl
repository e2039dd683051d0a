# What wakes lease-worker, and what becomes of what it could not do.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  packages = "./tests/packages"
}

run "events" {
  command = plan

  assert {
    condition     = aws_lambda_event_source_mapping.tasks.event_source_arn == aws_dynamodb_table.vault.stream_arn && aws_lambda_event_source_mapping.tasks.function_name == aws_lambda_alias.live["lease-worker"].arn
    error_message = "The stream wakes the worker by its alias live."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.tasks.batch_size == 100
      && aws_lambda_event_source_mapping.tasks.maximum_batching_window_in_seconds <= 1
      && aws_lambda_event_source_mapping.tasks.maximum_retry_attempts == 3
      && aws_lambda_event_source_mapping.tasks.maximum_record_age_in_seconds == 3600
      && aws_lambda_event_source_mapping.tasks.bisect_batch_on_function_error
      && aws_lambda_event_source_mapping.tasks.function_response_types == toset(["ReportBatchItemFailures"])
    )
    error_message = "A batch waits for nobody, is tried four times within an hour, and only as far as it failed."
  }

  assert {
    condition = [for filter in one(aws_lambda_event_source_mapping.tasks.filter_criteria).filter : jsondecode(filter.pattern)] == [
      { eventName = ["INSERT"], dynamodb = { Keys = { pk = { S = [{ prefix = "TASK#" }] } } } },
    ]
    error_message = "Only new tasks wake the worker: one pattern, both conditions."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.tasks.destination_config[0].on_failure[0].destination_arn == aws_sqs_queue.failures.arn
    error_message = "What the stream could not hand over is left in the queue."
  }

  assert {
    condition = {
      for name, schedule in aws_scheduler_schedule.worker : name => [schedule.schedule_expression, schedule.target[0].input]
      } == {
      sweep     = ["rate(1 minute)", "{\"mayfly\":\"sweep\"}"]
      reconcile = ["rate(1 day)", "{\"mayfly\":\"reconcile\"}"]
    }
    error_message = "The worker sweeps each minute and reconciles each day; it deletes strays only when somebody says so."
  }

  assert {
    condition = alltrue([
      for schedule in values(aws_scheduler_schedule.worker) :
      schedule.target[0].arn == aws_lambda_alias.live["lease-worker"].arn
      && schedule.target[0].role_arn == aws_iam_role.scheduler.arn
      && schedule.target[0].retry_policy[0].maximum_retry_attempts <= 3
      && schedule.target[0].retry_policy[0].maximum_event_age_in_seconds <= 3600
      && schedule.target[0].dead_letter_config[0].arn == aws_sqs_queue.failures.arn
    ])
    error_message = "A schedule invokes the worker's alias live, tries a few times, and leaves what it could not hand over in the queue."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.scheduler.policy).Statement == [
      { Sid = "InvokeWorker", Effect = "Allow", Action = ["lambda:InvokeFunction"], Resource = aws_lambda_alias.live["lease-worker"].arn },
      { Sid = "LeaveFailures", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = aws_sqs_queue.failures.arn },
    ]
    error_message = "The schedules may invoke the worker's alias live and leave failures, nothing else."
  }

  assert {
    condition = (
      aws_lambda_function_event_invoke_config.worker.function_name == "mayfly-lease-worker"
      && aws_lambda_function_event_invoke_config.worker.qualifier == "live"
      && aws_lambda_function_event_invoke_config.worker.maximum_retry_attempts <= 1
      && aws_lambda_function_event_invoke_config.worker.maximum_event_age_in_seconds <= 300
      && aws_lambda_function_event_invoke_config.worker.destination_config[0].on_failure[0].destination == aws_sqs_queue.failures.arn
    )
    error_message = "An event that fails in the worker is tried once more and then left in the queue."
  }

  assert {
    condition = (
      sort(keys(aws_lambda_function_event_invoke_config.asked)) == tolist(["dynamic-read", "token"])
      && alltrue([for config in aws_lambda_function_event_invoke_config.asked : config.maximum_retry_attempts == 0 && config.maximum_event_age_in_seconds == 60])
    )
    error_message = "What mints or makes an admin is never tried again by itself."
  }
}
