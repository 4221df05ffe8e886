# Images that are ready without a registry: rolecall, Docker, and a project with its container images. Ubuntu LTS and
# Amazon Linux 2023, each for x86_64 and arm64. README.md says how to build them.

locals {
  systems = {
    ubuntu = {
      # Canonical.
      owner = "099720109477"
      image = "ubuntu/images/hvm-ssd*/ubuntu-*-${var.ubuntu_version}-{ami}-server-*"
      amis  = { x86_64 = "amd64", arm64 = "arm64" }
      user  = "ubuntu"
      root  = "/dev/sda1"
    }
    al2023 = {
      owner = "amazon"
      # Neither the minimal one nor that of ECS.
      image = "al2023-ami-2023.*-kernel-6.1-{ami}"
      amis  = { x86_64 = "x86_64", arm64 = "arm64" }
      user  = "ec2-user"
      root  = "/dev/xvda"
    }
  }
  # What `uname -m` says, and what Debian's packages say.
  machines = { x86_64 = "x86_64", arm64 = "aarch64" }
  debs     = { x86_64 = "amd64", arm64 = "arm64" }

  # ubuntu-x86_64, ubuntu-arm64, al2023-x86_64, al2023-arm64
  targets = {
    for pair in setproduct(keys(local.systems), ["x86_64", "arm64"]) : join("-", pair) => merge(local.systems[pair[0]], {
      system = pair[0]
      arch   = pair[1]
      image  = replace(local.systems[pair[0]].image, "{ami}", local.systems[pair[0]].amis[pair[1]])
      binary = replace(replace(var.binary, "{arch}", local.machines[pair[1]]), "{debarch}", local.debs[pair[1]])
    })
  }

  web  = regex_replace(var.binary, "^https://", "") != var.binary
  time = formatdate("YYYYMMDD'-'hhmmss", timestamp())
  tags = merge({ Name = var.name, Source = var.source, Roles = join(":", var.roles) }, var.tags)

  settings = merge(var.settings, { ROLECALL_SOURCE = var.source },
    length(var.roles) == 0 ? {} : { ROLECALL_ROLES = join(":", var.roles) },
    var.environment == null ? {} : { ROLECALL_ENVIRONMENT = var.environment },
  )
}

build {
  name = "rolecall"

  dynamic "source" {
    for_each = local.targets
    iterator = target
    labels   = ["amazon-ebs.host"]

    content {
      name                 = target.key
      ami_name             = "${var.name}-${target.key}-${local.time}"
      region               = var.region
      subnet_id            = var.subnet_id
      instance_type        = var.instance_types[target.value.arch]
      iam_instance_profile = var.iam_instance_profile

      # A key that Packer makes for this build; the seal takes it out of the image.
      communicator                          = "ssh"
      ssh_username                          = target.value.user
      temporary_security_group_source_cidrs = var.ssh_cidrs

      source_ami_filter {
        most_recent = true
        owners      = [target.value.owner]
        filters = {
          name                = target.value.image
          architecture        = target.value.arch
          root-device-type    = "ebs"
          virtualization-type = "hvm"
        }
      }

      # Encrypted from the first byte on, and so is what becomes of it; there is no copy in the clear to be removed.
      launch_block_device_mappings {
        device_name           = target.value.root
        volume_type           = "gp3"
        volume_size           = var.volume_size
        iops                  = 3000
        throughput            = 125
        encrypted             = true
        kms_key_id            = var.kms_key_id
        delete_on_termination = true
      }

      # Snapshots of large volumes take their time.
      aws_polling {
        delay_seconds = 15
        max_attempts  = 240
      }

      tags = merge(local.tags, {
        System       = target.value.system
        Architecture = target.value.arch
        Base         = "{{ .SourceAMIName }}"
      })
      snapshot_tags   = local.tags
      run_tags        = merge(local.tags, { Name = "${var.name} is built" })
      run_volume_tags = merge(local.tags, { Name = "${var.name} is built" })
    }
  }

  provisioner "file" {
    sources     = ["${path.root}/../userdata/rolecall.service", "${path.root}/../userdata/rolecall-containers.service"]
    destination = "/tmp/"
  }

  dynamic "provisioner" {
    for_each = local.web ? [] : [1]
    labels   = ["file"]

    content {
      source      = local.targets[source.name].binary
      destination = "/tmp/"
    }
  }

  provisioner "shell" {
    environment_vars = concat(
      [for name, value in local.settings : "${name}=${value}"],
      ["BINARY=${local.targets[source.name].binary}"],
      # An uploaded file has its checksum beside it, here; that of an address is fetched from beside it, there.
      ["SHA256=${lookup(var.sha256, local.targets[source.name].arch,
      try(substr(file(abspath("${local.targets[source.name].binary}.sha256")), 0, 64), ""))}"],
    )
    execute_command = "sudo env {{ .Vars }} sh {{ .Path }}"
    scripts         = [for name in ["install", "bake", "smoke", "seal"] : "${path.root}/${name}.sh"]
  }
}
