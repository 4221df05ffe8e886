# What Packer 1.6.6 does not know, which Debian has and the checks use: its Amazon plugin is a part of it, and an old one.
# Everything else is in rolecall.pkr.hcl, and checked.
packer {
  required_version = ">= 1.7.0"

  required_plugins {
    amazon = {
      source = "github.com/hashicorp/amazon"
      # The first one whose amazon-ebs has imds_support.
      version = ">= 1.2.2, < 2.0.0"
    }
  }
}

# Metadata is given out by version 2 of its service only: while an image is built, and to what is started from it.
source "amazon-ebs" "host" {
  imds_support = "v2.0"

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
}
