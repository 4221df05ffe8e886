# The bucket, policy by value.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name = "acme-deploy"
}

run "nobody_comes_without_tls" {
  module {
    source = "./bucket"
  }

  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "TlsOnly"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:*"
          Resource  = ["arn:aws:s3:::acme-deploy", "arn:aws:s3:::acme-deploy/*"]
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
        {
          Sid       = "NoOldTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:*"
          Resource  = ["arn:aws:s3:::acme-deploy", "arn:aws:s3:::acme-deploy/*"]
          Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
        },
      ]
    }
    error_message = "TLS 1.2, and nobody is let in by the bucket"
  }
}

run "it_keeps_versions_and_is_closed" {
  module {
    source = "./bucket"
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled" && aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "versions, one owner"
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "all four"
  }

  assert {
    condition = [for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule : [one(rule.apply_server_side_encryption_by_default).sse_algorithm, rule.bucket_key_enabled]] == [
      ["AES256", false]
    ]
    error_message = "S3's own keys"
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this.rule[0].noncurrent_version_expiration[0].noncurrent_days == 90 && length(aws_s3_bucket_logging.this) == 0 && !aws_s3_bucket.this.force_destroy
    error_message = "old versions go, objects do not"
  }
}

run "a_key_of_ones_own_and_logs" {
  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1"
    log_bucket  = "acme-logs"
  }

  module {
    source = "./bucket"
  }

  assert {
    condition = [for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule : [one(rule.apply_server_side_encryption_by_default).sse_algorithm, one(rule.apply_server_side_encryption_by_default).kms_master_key_id, rule.bucket_key_enabled]] == [
      ["aws:kms", "arn:aws:kms:eu-west-1:123456789012:key/1", true]
    ]
    error_message = "the key, once for many objects"
  }

  assert {
    condition     = aws_s3_bucket_logging.this[0].target_bucket == "acme-logs" && aws_s3_bucket_logging.this[0].target_prefix == "acme-deploy/"
    error_message = "logs"
  }
}

run "binaries_are_for_endpoints" {
  variables {
    binaries = { vpc_endpoint_ids = ["vpce-0123456789abcdef0"] }
  }

  module {
    source = "./bucket"
  }

  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy).Statement[2] == {
      Sid       = "BinariesForEndpoints"
      Effect    = "Allow"
      Principal = "*"
      Action    = "s3:GetObject"
      Resource  = "arn:aws:s3:::acme-deploy/bin/*"
      Condition = { StringEquals = { "aws:SourceVpce" = ["vpce-0123456789abcdef0"] } }
    }
    error_message = "these endpoints, this folder, to read"
  }
}

run "no_key_for_binaries" {
  command = plan

  variables {
    binaries    = { vpc_endpoint_ids = ["vpce-0123456789abcdef0"] }
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1"
  }

  module {
    source = "./bucket"
  }

  expect_failures = [aws_s3_bucket_policy.this]
}
