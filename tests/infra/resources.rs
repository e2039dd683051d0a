//! What Terraform makes is what somebody decided: anything else that reaches into the vault would be seen here first.

use std::collections::BTreeSet;

use crate::source::file;

/// Every file of the deployment.
const FILES: [&str; 14] = [
    "alarms.tf",
    "api.tf",
    "dashboard.tf",
    "domain.tf",
    "events.tf",
    "functions.tf",
    "key.tf",
    "logs.tf",
    "outputs.tf",
    "roles.tf",
    "routes.tf",
    "table.tf",
    "variables.tf",
    "versions.tf",
];

/// Deliberately without function URLs, authorizers, buckets, attached or managed policies, users and grants.
const MADE: [&str; 24] = [
    "aws_apigatewayv2_api",
    "aws_apigatewayv2_api_mapping",
    "aws_apigatewayv2_domain_name",
    "aws_apigatewayv2_integration",
    "aws_apigatewayv2_route",
    "aws_apigatewayv2_stage",
    "aws_cloudwatch_dashboard",
    "aws_cloudwatch_log_group",
    "aws_cloudwatch_metric_alarm",
    "aws_dynamodb_table",
    "aws_iam_role",
    "aws_iam_role_policy",
    "aws_kms_alias",
    "aws_kms_key",
    "aws_kms_replica_key",
    "aws_lambda_alias",
    "aws_lambda_event_source_mapping",
    "aws_lambda_function",
    "aws_lambda_function_event_invoke_config",
    "aws_lambda_permission",
    "aws_route53_record",
    "aws_scheduler_schedule",
    "aws_scheduler_schedule_group",
    "aws_sqs_queue",
];

#[test]
fn nothing_else_is_made() {
    let mut made = BTreeSet::new();
    for name in FILES {
        for block in file(name).blocks() {
            let kind = block.identifier();
            assert!(
                !["provider", "module", "import"].contains(&kind),
                "{name}: {kind}"
            );
            if kind == "resource" {
                made.insert(block.labels()[0].as_str().to_owned());
            }
        }
    }
    let made: Vec<&str> = made.iter().map(String::as_str).collect();
    assert_eq!(made, MADE);
}

#[test]
fn every_file_is_looked_at() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/aws");
    let mut there: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.rsplit_once('.').is_some_and(|(_, kind)| kind == "tf"))
        .collect();
    there.sort();
    assert_eq!(there, FILES);
}
