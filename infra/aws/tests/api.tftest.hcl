# The gateway: one way in, with limits, and a log that keeps no secret.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  packages = "./tests/packages"
}

run "gateway" {
  command = plan

  assert {
    condition     = aws_apigatewayv2_api.vault.protocol_type == "HTTP" && length(aws_apigatewayv2_api.vault.cors_configuration) == 0
    error_message = "No browser page of another origin may call the API."
  }

  assert {
    condition     = { for key, route in aws_apigatewayv2_route.vault : key => route.route_key } == { for key, function in local.routes : key => key }
    error_message = "Every route of the table is a route of the gateway."
  }

  assert {
    condition     = local.routes["$default"] == "access" && length(setsubtract(values(local.routes), local.http_functions)) == 0
    error_message = "Routes lead to functions that take HTTP; whatever no route takes, access answers."
  }

  assert {
    condition = alltrue([
      for function, integration in aws_apigatewayv2_integration.function :
      integration.integration_uri == aws_lambda_alias.live[function].invoke_arn
      && integration.payload_format_version == "2.0" && integration.timeout_milliseconds == 30000
    ])
    error_message = "The gateway invokes the alias live, and waits as long as it can."
  }

  assert {
    condition = alltrue([
      for function, permission in aws_lambda_permission.gateway :
      permission.principal == "apigateway.amazonaws.com"
      && permission.action == "lambda:InvokeFunction"
      && permission.function_name == "mayfly-${function}"
      && permission.qualifier == "live"
      && permission.source_arn == "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/*"
    ])
    error_message = "Only this API may invoke a function, and only by its alias live."
  }

  assert {
    condition     = keys(aws_lambda_permission.gateway) == ["access", "crud", "dynamic-read", "token"]
    error_message = "The gateway may not invoke lease-worker."
  }

  assert {
    condition     = !aws_apigatewayv2_api.vault.disable_execute_api_endpoint && output.url == "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
    error_message = "Without a domain the vault is at the gateway's own address."
  }

  assert {
    condition     = length(aws_apigatewayv2_domain_name.vault) == 0 && length(aws_apigatewayv2_api_mapping.vault) == 0 && length(aws_route53_record.vault) == 0
    error_message = "Without a domain nothing of a domain is made."
  }

  assert {
    condition     = aws_apigatewayv2_stage.live.access_log_settings[0].destination_arn == aws_cloudwatch_log_group.gateway.arn
    error_message = "Each request leaves a line."
  }

  assert {
    condition = toset(values(jsondecode(aws_apigatewayv2_stage.live.access_log_settings[0].format))) == toset([
      "$context.requestTime", "$context.requestId", "$context.routeKey", "$context.status", "$context.responseLatency",
      "$context.responseLength", "$context.integrationLatency", "$context.integrationStatus", "$context.integrationErrorMessage",
      "$context.integration.requestId", "$context.identity.sourceIp",
    ])
    error_message = "A line holds these fields. Before one is added: may it ever hold a part of a path, a query, a header or a body?"
  }

  assert {
    condition = !can(regex(
      "(?i)\\$context\\.(path|domain|awsEndpoint|identity\\.(userAgent|user|caller)|authorizer|error\\.responseType)|querystring|header|body|userAgent",
      aws_apigatewayv2_stage.live.access_log_settings[0].format,
    ))
    error_message = "Paths hold one-time codes and refresh tokens, headers hold tokens: neither is in the log."
  }
}

run "limits" {
  command = plan

  variables {
    throttling = { rate = 11, burst = 12, token_rate = 3, token_burst = 4 }
  }

  assert {
    condition = (
      aws_apigatewayv2_stage.live.default_route_settings[0].throttling_rate_limit == 11
      && aws_apigatewayv2_stage.live.default_route_settings[0].throttling_burst_limit == 12
    )
    error_message = "Every route is throttled."
  }

  assert {
    condition = {
      for settings in aws_apigatewayv2_stage.live.route_settings : settings.route_key => [settings.throttling_rate_limit, settings.throttling_burst_limit]
      } == {
      "POST /v1/token"                   = [3, 4]
      "POST /v1/revoke/{refreshtoken}"   = [3, 4]
      "POST /v1/initialize"              = [3, 4]
      "POST /v1/users/{name}/password"   = [3, 4]
      "GET /v1/clients/bootstrap/{code}" = [3, 4]
      "$default"                         = [3, 4]
    }
    error_message = "Routes where a credential can be guessed are throttled more."
  }

  assert {
    condition     = length(setsubtract([for settings in aws_apigatewayv2_stage.live.route_settings : settings.route_key], keys(local.routes))) == 0
    error_message = "Only a route that is there can be throttled."
  }
}

run "domain" {
  command = plan

  variables {
    domain = {
      name            = "vault.example.com"
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    }
  }

  assert {
    condition = (
      aws_apigatewayv2_domain_name.vault["vault.example.com"].domain_name_configuration[0].security_policy == "TLS_1_2"
      && aws_apigatewayv2_domain_name.vault["vault.example.com"].domain_name_configuration[0].certificate_arn == var.domain.certificate_arn
      && aws_apigatewayv2_api_mapping.vault["vault.example.com"].domain_name == "vault.example.com"
    )
    error_message = "The domain leads to the API, with TLS 1.2 at least."
  }

  assert {
    condition     = aws_apigatewayv2_api.vault.disable_execute_api_endpoint && output.url == "https://vault.example.com"
    error_message = "With a domain the gateway's own address is closed."
  }

  assert {
    condition     = length(aws_route53_record.vault) == 0
    error_message = "Without a zone no record is made."
  }
}

run "domain_with_record" {
  command = plan

  variables {
    domain = {
      name            = "vault.example.com"
      certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
      zone_id         = "Z0123456789ABC"
    }
  }

  assert {
    condition = (
      aws_route53_record.vault["vault.example.com"].zone_id == "Z0123456789ABC"
      && aws_route53_record.vault["vault.example.com"].alias[0].name == "d-a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
    )
    error_message = "With a zone the record leads to the API."
  }
}

run "certificate_elsewhere" {
  command = plan

  variables {
    domain = {
      name            = "vault.example.com"
      certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    }
  }

  expect_failures = [aws_apigatewayv2_domain_name.vault]
}
