terraform {
  # 1.8 is the oldest that the checks run with, 1.15 the newest.
  required_version = ">= 1.8"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.25 is the version whose schema the checks compare with. A new major release may rename arguments.
      version = "~> 6.25"
    }
  }
}
