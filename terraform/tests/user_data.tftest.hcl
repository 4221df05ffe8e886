# User-data to the byte.
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

run "a_baked_image_needs_the_script_alone" {
  assert {
    condition     = output.user_data == "#!/bin/sh\n${file("../userdata/bootstrap.sh")}"
    error_message = "without a setting there is a line too much or too few"
  }

  assert {
    condition     = base64decode(aws_launch_template.this.user_data) == output.user_data
    error_message = "the launch template has other user-data"
  }
}

run "settings_are_lines_in_quotes" {
  variables {
    rolecall_url    = "https://acme-public.s3.amazonaws.com/rolecall-{arch}"
    rolecall_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    tag_prefix      = "rolecall:"

    settings = {
      ROLECALL_DEADLINE = "20m"
      HTTPS_PROXY       = "http://proxy.example.com:3128/?a=1&b='2'; $(id) `id` \"$HOME\" \\"
    }
  }

  assert {
    condition = output.user_data == join("", [
      "#!/bin/sh\n",
      "HTTPS_PROXY='http://proxy.example.com:3128/?a=1&b='\\''2'\\''; $(id) `id` \"$HOME\" \\'\n",
      "ROLECALL_DEADLINE='20m'\n",
      "ROLECALL_SHA256='e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'\n",
      "ROLECALL_TAG_PREFIX='rolecall:'\n",
      "ROLECALL_URL='https://acme-public.s3.amazonaws.com/rolecall-{arch}'\n",
      file("../userdata/bootstrap.sh"),
    ])
    error_message = "the settings are not what a shell reads them as"
  }
}

run "a_group_tells_its_hooks" {
  variables {
    group = { subnet_ids = ["subnet-0123456789abcdef0"] }
  }

  assert {
    condition = output.user_data == join("", [
      "#!/bin/sh\n",
      "ROLECALL_LAUNCH_HOOK='rolecall-launch'\n",
      "ROLECALL_TERMINATE_HOOK='rolecall-terminate'\n",
      file("../userdata/bootstrap.sh"),
    ])
    error_message = "the names of the hooks do not reach the instances"
  }
}

# That bootstrap.sh hands on each of these is checked outside, on what comes out here.
run "settings_of_every_kind" {
  variables {
    settings = {
      ROLECALL_SOURCE                        = "s3://acme-deploy/a value/"
      ROLECALL_WAIT                          = "10m"
      AWS_ENDPOINT_URL                       = "https://aws.example.com"
      AWS_ENDPOINT_URL_S3                    = "https://s3.example.com"
      AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE = "IPv6"
      AWS_CA_BUNDLE                          = "/etc/ssl/value.pem"
      AWS_REGION                             = "eu-west-1"
      AWS_DEFAULT_REGION                     = "eu-west-1"
      SSL_CERT_FILE                          = "/etc/ssl/value.pem"
      SSL_CERT_DIR                           = "/etc/ssl/a value"
      DOCKER_HOST                            = "unix:///run/docker.sock"
      HTTP_PROXY                             = "http://proxy:3128"
      HTTPS_PROXY                            = "http://proxy:3128"
      NO_PROXY                               = "localhost"
      ALL_PROXY                              = "http://proxy:3128"
      http_proxy                             = "http://proxy:3128"
      https_proxy                            = "http://proxy:3128"
      no_proxy                               = "localhost"
      all_proxy                              = "http://proxy:3128"
    }
  }

  assert {
    condition     = length(var.settings) == 19 && alltrue([for name, value in var.settings : strcontains(output.user_data, "${name}='${value}'\n")])
    error_message = "a line for each setting"
  }
}

run "a_setting_that_would_be_lost_is_refused" {
  command = plan

  variables {
    settings = { ROLECAL_DEADLINE = "20m" }
  }

  expect_failures = [var.settings]
}

run "a_setting_of_two_lines_is_refused" {
  command = plan

  variables {
    settings = { ROLECALL_PUBLIC_KEY = "one\ntwo" }
  }

  expect_failures = [var.settings]
}

run "a_file_of_certificates_with_a_space_is_refused" {
  command = plan

  variables {
    settings = { AWS_CA_BUNDLE = "/etc/ssl/our ca.pem" }
  }

  expect_failures = [var.settings]
}

run "user_data_that_ec2_would_refuse_is_refused" {
  command = plan

  variables {
    settings = { NO_PROXY = join(",", [for n in range(1000) : "host-${n}.example.com"]) }
  }

  expect_failures = [aws_launch_template.this]
}

run "a_checksum_is_one" {
  command = plan

  variables {
    rolecall_sha256 = "E3B0"
  }

  expect_failures = [var.rolecall_sha256]
}
