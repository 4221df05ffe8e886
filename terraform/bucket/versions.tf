terraform {
  # 1.6 is the oldest that the checks validate with; nothing here is known to break later.
  required_version = ">= 1.6"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.25 is the version whose schema the checks compare with. A new major release may rename arguments.
      version = "~> 6.25"
    }
  }
}
