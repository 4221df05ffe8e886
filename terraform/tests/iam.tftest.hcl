# Whom an instance is, and what it may do.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "web"
  ami_id             = "ami-0123456789abcdef0"
  instance_type      = "t3.small"
  security_group_ids = ["sg-0123456789abcdef0"]
  bootstrap          = "s3://acme-deploy/prod/"
  policies = {
    project = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::acme-deploy/prod/*\"}]}"
  }
}

run "the_role_has_what_rolecall_iam_printed_and_nothing_else" {
  assert {
    condition     = { for name, made in aws_iam_role_policy.this : name => [made.name, made.policy] } == { project = ["project", var.policies["project"]] }
    error_message = "to the byte"
  }

  assert {
    condition     = length(aws_iam_role_policy_attachment.session_manager) == 0 && aws_iam_role.this.permissions_boundary == null
    error_message = "and nothing else"
  }

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy) == {
      Version   = "2012-10-17"
      Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
    }
    error_message = "EC2 alone takes the role"
  }

  assert {
    condition     = aws_launch_template.this.iam_instance_profile[0].arn == "arn:aws:iam::123456789012:instance-profile/web" && aws_iam_instance_profile.this.role == "web"
    error_message = "the instances have it"
  }
}

run "extras_are_asked_for" {
  variables {
    session_manager      = true
    permissions_boundary = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition     = aws_iam_role_policy_attachment.session_manager[0].policy_arn == "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore" && aws_iam_role.this.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "Session Manager, within the boundary"
  }
}

run "another_project_is_refused" {
  command = plan

  variables {
    bootstrap = "s3://acme-deploy/test/"
  }

  expect_failures = [aws_iam_role.this]
}

run "a_file_beside_the_project_is_refused" {
  command = plan

  variables {
    bootstrap = "s3://acme-deploy/prod"
  }

  expect_failures = [aws_iam_role.this]
}

run "a_dot_is_a_dot" {
  command = plan

  variables {
    bootstrap = "s3://acme-deploy/prod-x"

    policies = {
      project = "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::acme-deploy/prod.x\"}}"
    }
  }

  expect_failures = [aws_iam_role.this]
}

run "a_pinned_file_is_readable" {
  command = plan

  variables {
    bootstrap = "s3://acme-deploy/prod/boot.sh?versionId=abc"
  }
}

run "what_is_no_policy_is_refused" {
  command = plan

  variables {
    policies = { project = "rolecall: FAILED cause=usage" }
  }

  expect_failures = [var.policies]
}
