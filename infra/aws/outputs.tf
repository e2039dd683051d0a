# What a user, an operator and the tests need to know. No secret is among them.

output "url" {
  description = "Where the vault answers."
  value       = var.domain == null ? aws_apigatewayv2_api.vault.api_endpoint : "https://${var.domain.name}"
}

output "domain_target" {
  description = "What the record of the domain must lead to, if it is not made here: the gateway's name, and the zone of an alias in Route 53."
  value = one([
    for made in aws_apigatewayv2_domain_name.vault : {
      name    = made.domain_name_configuration[0].target_domain_name
      zone_id = made.domain_name_configuration[0].hosted_zone_id
    }
  ])
}

output "first_admin_command" {
  description = "Makes the first admin, once, and prints its client id and secret; needs the right lambda:InvokeFunction on token."
  value       = "aws lambda invoke --region ${local.region} --output json --function-name ${local.function_names["token"]} --qualifier ${local.live} --cli-binary-format raw-in-base64-out --payload '{\"bootstrap\": {}}' /dev/stdout"
}

output "table_name" {
  description = "Name of the table, which is also the value of the dimension Vault of every metric."
  value       = aws_dynamodb_table.vault.name
}

output "key_arn" {
  description = "ARN of the key that wraps branch keys and encrypts the table."
  value       = local.key_arn
}

output "function_names" {
  description = "From function to its name in Lambda."
  value       = local.function_names
}

output "role_arns" {
  description = "From function to the ARN of the role it runs as. A role elsewhere that dynamic-read is to assume must trust its role."
  value       = { for function, role in aws_iam_role.function : function => role.arn }
}

output "policies" {
  description = "From function to the policy that says what its own code may do with the table and the key."
  value       = local.vault_policies
}

output "direct_invocation_arns" {
  description = "From alias of direct_invokers to the ARN to invoke."
  value       = { for alias, made in aws_lambda_alias.direct : alias => made.arn }
}

output "failure_queue_url" {
  description = "URL of the queue that holds what was tried in vain."
  value       = aws_sqs_queue.failures.url
}
