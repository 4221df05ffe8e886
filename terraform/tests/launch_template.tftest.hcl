# What every instance is, in a group or not.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "web"
  ami_id             = "ami-0123456789abcdef0"
  instance_type      = "t3.small"
  security_group_ids = ["sg-0123456789abcdef0"]
  bootstrap          = "s3://acme-deploy/prod/"
}

run "metadata_is_for_the_host_alone" {
  assert {
    condition     = one(aws_launch_template.this.metadata_options).http_endpoint == "enabled" && one(aws_launch_template.this.metadata_options).http_tokens == "required"
    error_message = "metadata by token alone"
  }

  assert {
    condition     = one(aws_launch_template.this.metadata_options).http_put_response_hop_limit == 1
    error_message = "no container on a bridge network reaches it"
  }

  assert {
    condition     = one(aws_launch_template.this.metadata_options).instance_metadata_tags == "enabled"
    error_message = "rolecall reads its tags there"
  }
}

run "the_root_volume_is_encrypted" {
  variables {
    root_volume = { size = 40, kms_key_id = "arn:aws:kms:eu-west-1:123456789012:key/1" }
  }

  assert {
    condition     = length(aws_launch_template.this.block_device_mappings) == 1 && aws_launch_template.this.block_device_mappings[0].device_name == "/dev/xvda"
    error_message = "the root device of the image, and no other"
  }

  assert {
    condition = [for mapping in aws_launch_template.this.block_device_mappings : [one(mapping.ebs).encrypted, one(mapping.ebs).volume_type, one(mapping.ebs).volume_size, one(mapping.ebs).kms_key_id]] == [
      ["true", "gp3", 40, "arn:aws:kms:eu-west-1:123456789012:key/1"]
    ]
    error_message = "gp3, encrypted, 40 GiB"
  }
}

run "tags_say_what_it_is" {
  variables {
    roles       = ["web", "celery"]
    environment = "prod"
    tag_prefix  = "rolecall:"
    tags        = { Team = "shop" }
  }

  assert {
    condition = tomap(output.instance_tags) == tomap({
      Name                   = "web"
      Team                   = "shop"
      "rolecall:Bootstrap"   = "s3://acme-deploy/prod/"
      "rolecall:Role"        = "web:celery"
      "rolecall:Environment" = "prod"
    })
    error_message = "the three tags that rolecall reads, and our own"
  }

  assert {
    condition     = { for spec in aws_launch_template.this.tag_specifications : spec.resource_type => spec.tags } == { instance = tomap(output.instance_tags), volume = tomap(output.instance_tags) }
    error_message = "instances and volumes are tagged"
  }
}

run "nothing_selected_is_no_tag" {
  assert {
    condition     = tomap(output.instance_tags) == tomap({ Name = "web", Bootstrap = "s3://acme-deploy/prod/" })
    error_message = "an empty role is no role"
  }
}

run "a_tag_that_keeps_instances_from_launching_is_refused" {
  command = plan

  variables {
    tags = { "Cost Centre" = "shop" }
  }

  expect_failures = [var.tags]
}

run "a_source_that_a_tag_may_not_name_is_refused" {
  command = plan

  variables {
    bootstrap = "https://example.com/compose.yaml"
  }

  expect_failures = [var.bootstrap]
}

run "no_source_is_refused" {
  command = plan

  variables {
    bootstrap = null
  }

  expect_failures = [aws_launch_template.this]
}

run "a_source_in_the_settings_is_one" {
  variables {
    bootstrap = null
    settings  = { ROLECALL_SOURCE = "https://example.com/compose.yaml" }
  }

  assert {
    condition     = tomap(output.instance_tags) == tomap({ Name = "web" }) && strcontains(output.user_data, "\nROLECALL_SOURCE='https://example.com/compose.yaml'\n")
    error_message = "it goes into user-data"
  }
}

run "two_roles_in_one_entry_are_refused" {
  command = plan

  variables {
    roles = ["web:celery"]
  }

  expect_failures = [var.roles]
}
