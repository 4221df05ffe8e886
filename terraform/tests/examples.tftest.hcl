# The examples, as an apply would make them.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  region          = "eu-west-1"
  bucket          = "acme-deploy"
  clients         = "203.0.113.0/24"
  subnet_ids      = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  rolecall_url    = "https://acme-public.s3.amazonaws.com/rolecall-{arch}"
  rolecall_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
}

run "single_instance" {
  module {
    source = "./examples/single-instance"
  }

  assert {
    condition     = keys(aws_s3_object.project) == ["compose.yaml", "html/index.html"] && aws_s3_object.project["html/index.html"].key == "site/1/html/index.html"
    error_message = "the project is uploaded, with its folders"
  }

  assert {
    condition     = aws_instance.host.launch_template[0].id == module.host.launch_template.id && aws_instance.host.launch_template[0].version == "7"
    error_message = "the instance is of the launch template"
  }

  assert {
    condition     = module.host.instance_tags["Bootstrap"] == "s3://${aws_s3_object.project["compose.yaml"].bucket}/${trimsuffix(aws_s3_object.project["compose.yaml"].key, "compose.yaml")}"
    error_message = "the tag names the folder that was uploaded"
  }

  assert {
    condition     = module.host.group_name == null && !strcontains(module.host.user_data, "ROLECALL_LAUNCH_HOOK='")
    error_message = "a single instance has no hooks"
  }
}

run "two_roles" {
  variables {
    release = "1"
  }

  module {
    source = "./examples/two-roles"
  }

  assert {
    condition     = output.groups == { web = "shop-web", worker = "shop-worker" }
    error_message = "a group for each role"
  }

  assert {
    condition = { for role, group in module.role : role => [group.instance_tags["Bootstrap"], group.instance_tags["Role"], group.instance_tags["Environment"]] } == {
      web    = ["s3://acme-deploy/shop/1/", "web", "prod"]
      worker = ["s3://acme-deploy/shop/1/", "worker", "prod"]
    }
    error_message = "one project, each its role"
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_egress_rule.out : rule.from_port] == [443, 80, 443, 80] && aws_vpc_security_group_ingress_rule.web.from_port == 80
    error_message = "out to AWS, registries and packages; in to the web servers alone"
  }
}

run "baked_ami" {
  variables {
    security_group_ids = ["sg-0123456789abcdef0"]
  }

  module {
    source = "./examples/baked-ami"
  }

  assert {
    condition     = !strcontains(module.site.user_data, "ROLECALL_URL='") && module.site.group_name == "site"
    error_message = "nothing is downloaded"
  }

  assert {
    condition     = output.ami_id == "ami-0123456789abcdef0"
    error_message = "the image that was found"
  }
}
