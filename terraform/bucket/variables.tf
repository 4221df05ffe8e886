variable "name" {
  description = "Name of the bucket."
  type        = string
}

variable "kms_key_arn" {
  description = "KMS key that objects are encrypted with; `rolecall iam --kms-key` lets instances use it. Null: S3's own keys."
  type        = string
  default     = null
}

variable "old_version_days" {
  description = "Days that a replaced or deleted object is kept."
  type        = number
  default     = 90
}

variable "log_bucket" {
  description = "Bucket that gets the access logs. Null: none are written."
  type        = string
  default     = null
}

variable "binaries" {
  description = "Lets anyone who comes through these VPC endpoints fetch what is below `prefix`, without credentials: user-data fetches the binary before there is anything that could sign. Null: nobody."
  type = object({
    vpc_endpoint_ids = list(string)
    prefix           = optional(string, "bin/")
  })
  default = null

  validation {
    condition     = try(length(var.binaries.vpc_endpoint_ids) > 0 && endswith(var.binaries.prefix, "/"), true)
    error_message = "binaries: expected VPC endpoints, and a prefix that ends with a slash."
  }
}

variable "force_destroy" {
  description = "Whether a destroy deletes the objects too."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of the bucket."
  type        = map(string)
  default     = {}
}
