# One instance with a web server, from an empty account: bucket, project, role, instance.
provider "aws" {
  region = var.region
}

module "bucket" {
  source = "../../bucket"

  name = var.bucket
}

# Each release has a folder of its own, so that another release is another instance.
resource "aws_s3_object" "project" {
  for_each = fileset("${path.module}/project", "**")

  bucket      = module.bucket.name
  key         = "site/${var.release}/${each.value}"
  source      = "${path.module}/project/${each.value}"
  source_hash = filemd5("${path.module}/project/${each.value}")
}

# The newest image; another one is another instance.
data "aws_ssm_parameter" "ami" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

module "host" {
  source = "../.."

  name               = "site"
  ami_id             = data.aws_ssm_parameter.ami.insecure_value
  instance_type      = var.instance_type
  security_group_ids = [aws_security_group.host.id]
  bootstrap          = "s3://${var.bucket}/site/${var.release}/"
  rolecall_url       = var.rolecall_url
  rolecall_sha256    = var.rolecall_sha256
  policies           = { project = file("${path.module}/policy.json") }
  session_manager    = true
}

resource "terraform_data" "version" {
  input = module.host.launch_template.version
}

resource "aws_instance" "host" {
  # What the launch template says, checkov does not look up:
  #checkov:skip=CKV_AWS_79: the launch template requires tokens
  #checkov:skip=CKV_AWS_8: the launch template encrypts the root volume
  #checkov:skip=CKV2_AWS_41: the launch template names the instance profile
  #checkov:skip=CKV_AWS_126: five minutes between metrics do for an example, and cost nothing
  #checkov:skip=CKV_AWS_135: every type on sale is EBS-optimized without being told
  subnet_id = data.aws_subnets.default.ids[0]
  # The launch template gives it these. Those that are not said here are taken away by the next apply.
  tags = module.host.instance_tags

  launch_template {
    id      = module.host.launch_template.id
    version = module.host.launch_template.version
  }

  # The instance fetches the project as soon as it boots.
  depends_on = [module.host, aws_s3_object.project]

  lifecycle {
    replace_triggered_by = [terraform_data.version]
  }
}
