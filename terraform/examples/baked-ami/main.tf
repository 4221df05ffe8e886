# A group from an image that Packer has baked: the binary, Docker, the container images and the project are in it, so
# user-data downloads nothing, and an instance is ready without a registry.
provider "aws" {
  region = var.region
}

locals {
  project = "s3://${var.bucket}/${var.prefix}"
}

# The newest image that was baked from this project; an apply that finds another one rolls it out.
data "aws_ami" "baked" {
  owners      = ["self"]
  most_recent = true

  dynamic "filter" {
    for_each = {
      "tag:Name"   = var.image_name
      "tag:Source" = local.project
      architecture = var.architecture
    }

    content {
      name   = filter.key
      values = [filter.value]
    }
  }
}

module "site" {
  source = "../.."

  name               = "site"
  ami_id             = data.aws_ami.baked.id
  instance_type      = var.instance_type
  security_group_ids = var.security_group_ids
  bootstrap          = local.project
  policies           = { project = file("${path.module}/policy.json") }

  group = {
    subnet_ids = var.subnet_ids
    min_size   = 2
    max_size   = 4
  }

  # From the pool an instance is there in seconds.
  warm_pool = { min_size = 1 }
}
