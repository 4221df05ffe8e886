# Whom an instance is, and what it may do: what its project needs, and nothing else.
data "aws_partition" "this" {}

locals {
  # An object that every run reads: the one that bootstrap names, or one of the folder that it names.
  key  = try(regex("^s3://([^?#]+)", var.bootstrap)[0], null)
  read = local.key == null ? null : "arn:${data.aws_partition.this.partition}:s3:::${local.key}${endswith(local.key, "/") ? "compose.yaml" : ""}"

  allowed = flatten([for document in values(var.policies) : [
    for statement in flatten([jsondecode(document).Statement]) : try(statement.Resource, [])
  ]])

  # `*` is anything, and any other character is itself.
  readable = length(var.policies) == 0 || local.read == null || anytrue([
    for resource in local.allowed : can(regex("^${replace(replace(resource, "/[^0-9A-Za-z*]/", "\\$0"), "*", ".*")}$", local.read))
  ])
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

  lifecycle {
    precondition {
      condition     = local.readable
      error_message = "No policy lets the instances read what bootstrap names. Print it anew: rolecall iam PROJECT --bucket BUCKET --prefix PREFIX."
    }
  }
}

resource "aws_iam_instance_profile" "this" {
  name = var.name
  role = aws_iam_role.this.name
  tags = var.tags
}

resource "aws_iam_role_policy" "this" {
  for_each = var.policies

  name   = each.key
  role   = aws_iam_role.this.id
  policy = each.value
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  count = var.session_manager ? 1 : 0

  role       = aws_iam_role.this.name
  policy_arn = "arn:${data.aws_partition.this.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}
