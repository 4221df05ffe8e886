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

variable "image_tags" {
  description = "Tags that tell the images of this project from others."
  type        = map(string)
  default     = { Name = "rolecall-site" }
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
