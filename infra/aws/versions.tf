# What this needs, and where it finds itself. There is no provider and no backend block, so that it is a module as well
# as a root: credentials, region and endpoints are the provider's affair, and a root that is applied by more than one
# person wants a backend of its own, encrypted.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  # Its name; `name` and `region` are each deprecated or missing in one of the provider's major versions.
  region    = data.aws_region.current.id
  partition = data.aws_partition.current.partition
}
