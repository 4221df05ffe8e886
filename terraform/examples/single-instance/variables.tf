variable "region" {
  description = "Region of everything."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket that is made. `policy.json` has to name the same."
  type        = string
}

variable "release" {
  description = "Folder of the project in the bucket. Another one makes another instance."
  type        = string
  default     = "1"
}

variable "clients" {
  description = "Who may come to port 80, as a CIDR block."
  type        = string
}

variable "instance_type" {
  description = "Type of the instance, x86_64."
  type        = string
  default     = "t3.small"
}

variable "rolecall_url" {
  description = "Where the binary is, readable without credentials; `{arch}` becomes `x86_64`."
  type        = string
}

variable "rolecall_sha256" {
  description = "Checksum that the binary must have."
  type        = string
}
