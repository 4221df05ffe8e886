variable "region" {
  description = "Region of everything."
  type        = string
}

variable "bucket" {
  description = "Bucket that the project is in. `policy.json` has to name the same."
  type        = string
}

variable "prefix" {
  description = "Folder of the project in the bucket, the one that the image was baked from."
  type        = string
  default     = "site/"
}

variable "image_name" {
  description = "What the images are called: tag `Name`, as Packer's variable `name` has it."
  type        = string
  default     = "rolecall"
}

variable "architecture" {
  description = "Architecture of the image: `x86_64` or `arm64`."
  type        = string
  default     = "x86_64"
}

variable "instance_type" {
  description = "Type of the instances, of the image's architecture."
  type        = string
  default     = "t3.small"
}

variable "subnet_ids" {
  description = "Subnets of the instances."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the instances."
  type        = list(string)
}
