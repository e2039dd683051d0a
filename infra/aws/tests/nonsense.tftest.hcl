# What makes no sense is refused before anything is made. Each run gives several variables a value that is wrong for a
# reason of its own.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  packages = "./tests/packages"
}

run "first" {
  command = plan

  variables {
    name                     = "my"
    table_name               = "a/b"
    replica_of               = "arn:aws:kms:us-east-1:123456789012:key/0d5b3c1e-5a57-4a3e-9f6d-2b6f0a7c1d11"
    architecture             = "riscv"
    memory                   = { crud = 64 }
    timeouts                 = { dynamic-read = 27 }
    log_level                = "INFO"
    log_retention_days       = 0
    throttling               = { rate = -1 }
    token_concurrency        = 0
    direct_invokers          = { live = { principal = "roles:a", invoker_arns = ["arn:aws:iam::123456789012:role/a"] } }
    assumable_role_arns      = ["*"]
    setup_code               = "twenty-three-characters"
    domain                   = { name = "vault.example.com" }
    alarm_topic_arn          = "operators"
    alarm_thresholds         = { errors = -1 }
    permissions_boundary_arn = "arn:aws:iam::123456789012:role/boundary"
    tags                     = { "aws:owner" = "me" }
  }

  expect_failures = [
    var.name, var.table_name, var.replica_of, var.architecture, var.memory, var.timeouts, var.log_level, var.log_retention_days, var.throttling,
    var.token_concurrency, var.direct_invokers, var.assumable_role_arns, var.setup_code, var.domain, var.alarm_topic_arn, var.alarm_thresholds,
    var.permissions_boundary_arn, var.tags,
  ]
}

run "second" {
  command = plan

  variables {
    name                = "Mayfly"
    memory              = { crud = 10241 }
    timeouts            = { dynamic-read = 31 }
    log_level           = ""
    log_retention_days  = 8
    throttling          = { token_rate = 0 }
    token_concurrency   = -2
    direct_invokers     = { Reports = { principal = "roles:a", invoker_arns = ["arn:aws:iam::123456789012:role/a"] } }
    assumable_role_arns = ["arn:aws:iam::123456789012:role/app-*"]
    setup_code          = ""
    domain = {
      name            = "example"
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    }
    alarm_topic_arn = "arn:aws:sns:eu-central-1:123456789012:operators.fifo"
  }

  expect_failures = [
    var.name, var.memory, var.timeouts, var.log_level, var.log_retention_days, var.throttling, var.token_concurrency, var.direct_invokers,
    var.assumable_role_arns, var.setup_code, var.domain, var.alarm_topic_arn,
  ]
}

run "third" {
  command = plan

  variables {
    name                = "a-name-of-thirty-three-characters"
    memory              = { dynamic-read = 255 }
    timeouts            = { lease-worker = 59 }
    throttling          = { burst = 1.5 }
    token_concurrency   = 1.5
    direct_invokers     = { reports = { principal = "reports", invoker_arns = ["arn:aws:iam::123456789012:role/a"] } }
    assumable_role_arns = ["arn:aws:iam::123456789012:user/ann"]
    domain              = { name = "vault.example.com", certificate_arn = "arn:aws:iam::123456789012:server-certificate/old" }
  }

  expect_failures = [
    var.name, var.memory, var.timeouts, var.throttling, var.token_concurrency, var.direct_invokers, var.assumable_role_arns, var.domain,
  ]
}

run "fourth" {
  command = plan

  variables {
    name                = "mayfly-"
    memory              = { token = 128 }
    timeouts            = { lease-worker = 901 }
    direct_invokers     = { reports = { principal = "groups:a", invoker_arns = ["arn:aws:iam::123456789012:role/a"] } }
    assumable_role_arns = ["arn:aws:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/a"]
    domain = {
      name            = "*.example.com"
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    }
  }

  expect_failures = [var.name, var.memory, var.timeouts, var.direct_invokers, var.assumable_role_arns, var.domain]
}

run "fifth" {
  command = plan

  variables {
    memory          = { lease-worker = 128 }
    timeouts        = { crud = 31 }
    direct_invokers = { reports = { principal = "roles:a", invoker_arns = ["*"] } }
    domain = {
      name            = "vault.example.com"
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
      zone_id         = "example.com"
    }
  }

  expect_failures = [var.memory, var.timeouts, var.direct_invokers, var.domain]
}

run "sixth" {
  command = plan

  variables {
    memory          = { access = 256.5 }
    timeouts        = { token = 7.5 }
    direct_invokers = { reports = { principal = "roles:a", invoker_arns = ["arn:aws:iam::123456789012:role/*"] } }
  }

  expect_failures = [var.memory, var.timeouts, var.direct_invokers]
}

run "seventh" {
  command = plan

  variables {
    timeouts        = { access = 4 }
    direct_invokers = { reports = { principal = "roles:a", invoker_arns = ["arn:aws:iam::123456789012:root"] } }
  }

  expect_failures = [var.timeouts, var.direct_invokers]
}

run "eighth" {
  command = plan

  variables {
    direct_invokers = { reports = { principal = "roles:a", invoker_arns = [] } }
  }

  expect_failures = [var.direct_invokers]
}

run "topic_of_another_region" {
  command = plan

  variables {
    alarm_topic_arn = "arn:aws:sns:us-east-1:123456789012:operators"
  }

  expect_failures = [aws_cloudwatch_metric_alarm.vault]
}

# China and the regions for governments have other partitions, in ARNs and in the names of services.
run "another_partition" {
  command = plan

  override_data {
    target = data.aws_partition.current
    values = {
      partition  = "aws-cn"
      dns_suffix = "amazonaws.com.cn"
    }
  }

  override_data {
    target = data.aws_region.current
    values = {
      id = "cn-north-1"
    }
  }

  variables {
    assumable_role_arns      = ["arn:aws-cn:iam::123456789012:role/reader"]
    alarm_topic_arn          = "arn:aws-cn:sns:cn-north-1:123456789012:operators"
    permissions_boundary_arn = "arn:aws-cn:iam::123456789012:policy/boundary"
    direct_invokers          = { reports = { principal = "roles:a", invoker_arns = ["arn:aws-cn:iam::123456789012:role/a"] } }
    domain = {
      name            = "vault.example.com.cn"
      certificate_arn = "arn:aws-cn:acm:cn-north-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    }
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.vault[0].policy).Statement : statement.Principal == { AWS = "arn:aws-cn:iam::123456789012:root" }
      if statement.Effect == "Allow"
    ])
    error_message = "ARNs are of the partition."
  }

  assert {
    condition     = strcontains(aws_kms_key.vault[0].policy, "\"kms:ViaService\":\"dynamodb.cn-north-1.amazonaws.com.cn\"")
    error_message = "Services are named as in the partition."
  }
}
