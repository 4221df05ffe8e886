# Two groups from one project: each instance of a group runs the services of its role.
provider "aws" {
  region = var.region
}

locals {
  roles = {
    web    = { min_size = 2, max_size = 4, target_group_arns = var.target_group_arns }
    worker = { min_size = 1, max_size = 2, target_group_arns = [] }
  }
}

# The newest image; the groups are refreshed when an apply finds another one.
data "aws_ssm_parameter" "ami" {
  name = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
}

module "role" {
  source   = "../.."
  for_each = local.roles

  name               = "shop-${each.key}"
  roles              = [each.key]
  environment        = "prod"
  bootstrap          = "s3://${var.bucket}/shop/${var.release}/"
  ami_id             = data.aws_ssm_parameter.ami.insecure_value
  instance_type      = var.instance_type
  security_group_ids = [aws_security_group.role[each.key].id]
  rolecall_url       = var.rolecall_url
  rolecall_sha256    = var.rolecall_sha256
  policies           = { for release in compact([var.release, var.previous]) : "release-${release}" => file("${path.module}/policies/${each.key}-${release}.json") }
  tags               = { Project = "shop" }

  group = {
    subnet_ids = var.subnet_ids
    min_size   = var.running ? each.value.min_size : 0
    max_size   = var.running ? each.value.max_size : 0
    # Said, since an apply waits for as many as the group had.
    desired_capacity  = var.running ? null : 0
    target_group_arns = each.value.target_group_arns
  }
}
