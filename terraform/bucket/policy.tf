# Who may come, and how. Who may read is said by the roles of the instances.
locals {
  everything = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]

  transport = [
    {
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = local.everything
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    },
    {
      Sid       = "NoOldTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = local.everything
      Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
    },
  ]

  # Not public in the sense of S3's public access block: an endpoint is a place in a VPC of yours.
  binaries = var.binaries == null ? [] : [
    {
      Sid       = "BinariesForEndpoints"
      Effect    = "Allow"
      Principal = "*"
      Action    = "s3:GetObject"
      Resource  = "${aws_s3_bucket.this.arn}/${var.binaries.prefix}*"
      Condition = { StringEquals = { "aws:SourceVpce" = var.binaries.vpc_endpoint_ids } }
    },
  ]
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.transport, local.binaries)
  })

  # Two changes of a bucket's access at the same time are a conflict.
  depends_on = [aws_s3_bucket_public_access_block.this]

  lifecycle {
    precondition {
      condition     = var.binaries == null || var.kms_key_arn == null
      error_message = "S3 hands out nothing that a KMS key encrypts without credentials: binaries need a bucket without kms_key_arn."
    }
  }
}
