# Log groups, made here so that they have an end and so that no function may make one. No log holds a secret: paths and
# query strings may (one-time codes, refresh tokens), so the gateway writes which route it was and nothing of the address.

resource "aws_cloudwatch_log_group" "function" {
  for_each = local.functions

  name              = "/aws/lambda/${local.function_names[each.key]}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

# Below /aws/vendedlogs AWS does not add each API to a policy of the account that has room for few.
resource "aws_cloudwatch_log_group" "gateway" {
  name              = "/aws/vendedlogs/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

locals {
  access_log = {
    time              = "$context.requestTime"
    requestId         = "$context.requestId"
    route             = "$context.routeKey"
    status            = "$context.status"
    latencyMs         = "$context.responseLatency"
    integrationMs     = "$context.integrationLatency"
    integrationStatus = "$context.integrationStatus"
    integrationError  = "$context.integrationErrorMessage"
    functionRequestId = "$context.integration.requestId"
    sourceIp          = "$context.identity.sourceIp"
    responseBytes     = "$context.responseLength"
  }
}
