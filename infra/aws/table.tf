# The one table, as `mayfly table` prints it. What protects it is the account's own: see key.tf for its encryption.

locals {
  # Each has the keys {index}Pk and {index}Sk.
  indexes = ["recent", "browse", "links", "due", "created"]

  # What a search result shows, and never anything sealed.
  projected = [
    "id", "name", "path", "version", "rev", "attributes", "description",
    "created", "createdBy", "modified", "modifiedBy", "kind",
  ]
}

resource "aws_dynamodb_table" "vault" {
  name                        = coalesce(var.table_name, var.name)
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.protect_data
  tags                        = var.tags

  # What wakes the worker needs to know no more than where something is.
  stream_enabled   = true
  stream_view_type = "KEYS_ONLY"

  dynamic "attribute" {
    for_each = concat(["pk", "sk"], flatten([for index in local.indexes : ["${index}Pk", "${index}Sk"]]))

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = local.indexes

    content {
      name               = global_secondary_index.value
      hash_key           = "${global_secondary_index.value}Pk"
      range_key          = "${global_secondary_index.value}Sk"
      projection_type    = "INCLUDE"
      non_key_attributes = local.projected
    }
  }

  # A broom: whoever reads an item checks its time, because this may come days late.
  ttl {
    enabled        = true
    attribute_name = "expires"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = local.key_arn
  }
}
