variable "region" {
  description = "Region of everything."
  type        = string
}

variable "bucket" {
  description = "Bucket that the project is in. The policies have to name the same."
  type        = string
}

variable "release" {
  description = "Folder of the project in the bucket. Another one is rolled out to both groups."
  type        = string
}

variable "previous" {
  description = "The release that is being replaced: its project stays readable, for the instances that still run it and for a roll-back."
  type        = string
  default     = ""
}

variable "subnet_ids" {
  description = "Subnets of the instances, with a way out."
  type        = list(string)
}

variable "clients" {
  description = "Who may come to port 80 of the web servers, as a CIDR block: the load balancer's subnets, as a rule."
  type        = string
}

variable "target_group_arns" {
  description = "Target groups that the web servers are registered with."
  type        = list(string)
  default     = []
}

variable "instance_type" {
  description = "Type of the instances, x86_64."
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

variable "running" {
  description = "False takes all instances away, each after its containers have stopped: the step before a destroy."
  type        = bool
  default     = true
}
