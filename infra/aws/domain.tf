# A domain of one's own, if wanted.

locals {
  domains = var.domain == null ? {} : { (var.domain.name) = var.domain }
  records = { for name, domain in local.domains : name => domain if domain.zone_id != null }
}

resource "aws_apigatewayv2_domain_name" "vault" {
  for_each = local.domains

  domain_name = each.key
  tags        = var.tags

  domain_name_configuration {
    certificate_arn = each.value.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }

  lifecycle {
    precondition {
      condition     = split(":", each.value.certificate_arn)[3] == local.region
      error_message = "The certificate of the domain must be in ${local.region}, where the API is."
    }
  }
}

resource "aws_apigatewayv2_api_mapping" "vault" {
  for_each = local.domains

  api_id      = aws_apigatewayv2_api.vault.id
  domain_name = aws_apigatewayv2_domain_name.vault[each.key].domain_name
  stage       = aws_apigatewayv2_stage.live.name
}

resource "aws_route53_record" "vault" {
  for_each = local.records

  zone_id = each.value.zone_id
  name    = each.key
  type    = "A"

  # In a move to another region the record is there already, and leads to what is left.
  allow_overwrite = true

  alias {
    name                   = aws_apigatewayv2_domain_name.vault[each.key].domain_name_configuration[0].target_domain_name
    zone_id                = aws_apigatewayv2_domain_name.vault[each.key].domain_name_configuration[0].hosted_zone_id
    evaluate_target_health = false
  }
}
