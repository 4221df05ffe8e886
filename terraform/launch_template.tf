# What an instance is: image, metadata, disk, tags.
locals {
  role_tags = {
    for key, value in {
      Bootstrap   = var.bootstrap
      Role        = length(var.roles) == 0 ? null : join(":", var.roles)
      Environment = var.environment
    } : "${var.tag_prefix}${key}" => value if value != null
  }

  instance_tags = tomap(merge({ Name = var.name }, var.tags, local.role_tags))
}

# The root device has another name in each distribution. One of the wrong name would be a second disk, and the root
# volume would stay as the image has it.
data "aws_ami" "this" {
  include_deprecated = true

  filter {
    name   = "image-id"
    values = [var.ami_id]
  }
}

resource "aws_launch_template" "this" {
  name                   = var.name
  description            = "Boots into its roles with rolecall"
  image_id               = data.aws_ami.this.id
  instance_type          = var.instance_type
  vpc_security_group_ids = var.security_group_ids
  update_default_version = true
  user_data              = base64encode(local.user_data)
  tags                   = var.tags

  iam_instance_profile {
    arn = aws_iam_instance_profile.this.arn
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = var.metadata_hop_limit
    instance_metadata_tags      = "enabled"
  }

  block_device_mappings {
    device_name = data.aws_ami.this.root_device_name

    ebs {
      encrypted             = true
      kms_key_id            = var.root_volume.kms_key_id
      volume_type           = "gp3"
      volume_size           = var.root_volume.size
      iops                  = var.root_volume.iops
      throughput            = var.root_volume.throughput
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = var.detailed_monitoring
  }

  # The root volume then has to hold the memory, too.
  dynamic "hibernation_options" {
    for_each = try(var.warm_pool.state, null) == "Hibernated" ? [true] : []

    content {
      configured = true
    }
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]

    content {
      resource_type = tag_specifications.value
      tags          = local.instance_tags
    }
  }

  lifecycle {
    precondition {
      condition     = var.bootstrap != null || contains(keys(var.settings), "ROLECALL_SOURCE")
      error_message = "The instances would not know their project: set bootstrap, or ROLECALL_SOURCE in settings."
    }

    precondition {
      # 16384 bytes before base64 are 21848 after it.
      condition     = length(base64encode(local.user_data)) <= 21848
      error_message = "User-data is larger than the 16 KB that EC2 takes: move settings into /etc/rolecall/config.toml of the image."
    }
  }
}
