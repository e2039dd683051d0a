# The HTTP API: routes, limits, access log. It authorises nobody: each function proves the token itself and asks the rules
# of the vault, which the gateway does not know. There is no CORS configuration, so no browser page may call it.

resource "aws_apigatewayv2_api" "vault" {
  name          = var.name
  description   = "Mayfly ${var.name}"
  protocol_type = "HTTP"
  tags          = var.tags

  # With a domain of one's own there is one way in, and not a second one that nobody watches.
  disable_execute_api_endpoint = var.domain != null
}

resource "aws_apigatewayv2_integration" "function" {
  for_each = local.http_functions

  api_id                 = aws_apigatewayv2_api.vault.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.live[each.key].invoke_arn
  payload_format_version = "2.0"
  # The longest there is: the function's own timeout comes first.
  timeout_milliseconds = 30000
}

resource "aws_apigatewayv2_route" "vault" {
  for_each = local.routes

  api_id             = aws_apigatewayv2_api.vault.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.function[each.value].id}"
  authorization_type = "NONE"
}

resource "aws_apigatewayv2_stage" "live" {
  api_id      = aws_apigatewayv2_api.vault.id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.gateway.arn
    format          = jsonencode(local.access_log)
  }

  default_route_settings {
    throttling_rate_limit  = var.throttling.rate
    throttling_burst_limit = var.throttling.burst
  }

  dynamic "route_settings" {
    for_each = toset(local.guessed_routes)

    content {
      route_key              = route_settings.value
      throttling_rate_limit  = var.throttling.token_rate
      throttling_burst_limit = var.throttling.token_burst
    }
  }

  # A route must be there before it can have settings.
  depends_on = [aws_apigatewayv2_route.vault]
}

resource "aws_lambda_permission" "gateway" {
  for_each = local.http_functions

  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  function_name = aws_lambda_function.vault[each.key].function_name
  qualifier     = aws_lambda_alias.live[each.key].name
  # Any route of this API and no other.
  source_arn = "${aws_apigatewayv2_api.vault.execution_arn}/*"
}
