# Whom an instance is, and what it may do: what its project needs, and nothing else.
data "aws_partition" "this" {}

locals {
  bucket = try(regex("^s3://([^/]+)/", var.bootstrap)[0], null)
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = "Instances of ${var.name}, for what their project needs"
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_instance_profile" "this" {
  name = var.name
  role = aws_iam_role.this.name
  tags = var.tags
}

resource "aws_iam_role_policy" "project" {
  count = var.policy_json == null ? 0 : 1

  name   = "project"
  role   = aws_iam_role.this.id
  policy = var.policy_json

  lifecycle {
    precondition {
      condition     = local.bucket == null || strcontains(var.policy_json, ":s3:::${coalesce(local.bucket, "-")}")
      error_message = "policy_json does not name the bucket of bootstrap: print it anew with rolecall iam PROJECT --bucket BUCKET."
    }
  }
}

resource "aws_iam_role_policy" "decrypt" {
  count = length(var.decrypt_key_arns) == 0 ? 0 : 1

  name = "decrypt"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "kms:Decrypt"
      Resource = var.decrypt_key_arns
    }]
  })
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  count = var.session_manager ? 1 : 0

  role       = aws_iam_role.this.name
  policy_arn = "arn:${data.aws_partition.this.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}
