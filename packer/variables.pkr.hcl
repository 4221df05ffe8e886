variable "region" {
  type        = string
  description = "Region that is built in, and that the images are in afterwards."
}

variable "source" {
  type        = string
  description = "The project that is baked, as `--source` takes it: `s3://bucket/prefix/`, `s3://bucket/key`, `https://…`."
}

variable "roles" {
  type        = list(string)
  default     = []
  description = "Roles whose container images are baked; empty means all roles of the project. An instance can be any of them."
}

variable "environment" {
  type        = string
  default     = null
  description = "Name of the overlay that is merged last (`compose.<environment>.yaml`)."
}

variable "settings" {
  type        = map(string)
  default     = {}
  description = "Other `ROLECALL_*` settings of the bake, such as `ROLECALL_PUBLIC_KEY`. They do not stay in the image."

  validation {
    condition     = join("", [for name in keys(var.settings) : regex_replace(name, "^ROLECALL_[A-Z0-9_]+$", "")]) == ""
    error_message = "The settings: each is named ROLECALL_ and capital letters."
  }
}

variable "binary" {
  type        = string
  description = "Where rolecall comes from: an `https://` address, or a file on the machine that runs Packer. The static binary, or its `.deb` or `.rpm`. `{arch}` becomes `x86_64` or `aarch64`, `{debarch}` `amd64` or `arm64`."
}

variable "sha256" {
  type        = map(string)
  default     = {}
  description = "Its SHA-256 checksums, by `x86_64` and `arm64`. Without one, `<binary>.sha256` has to hold it."

  validation {
    condition     = join("", [for sum in values(var.sha256) : regex_replace(sum, "^[0-9a-f]{64}$", "")]) == "" && ! contains(values(var.sha256), "")
    error_message = "The checksums: each has 64 digits of 0-9 and a-f."
  }
}

variable "name" {
  type        = string
  default     = "rolecall"
  description = "What the images are called: tag `Name`, and the beginning of their names."

  validation {
    condition     = regex_replace(var.name, "^[A-Za-z0-9._/-]{3,80}$", "") == "" && var.name != ""
    error_message = "The name: 3 to 80 of A-Z a-z 0-9 . _ / - are allowed."
  }
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "More tags of the images and their snapshots, and of instance and volume while they are built."
}

variable "ubuntu_version" {
  type        = string
  default     = "24.04"
  description = "Release of Ubuntu: one with long-term support, 24.04 or later."

  validation {
    condition     = regex_replace(var.ubuntu_version, "^(2[468]|[3-9][02468])\\.04$", "") == "" && var.ubuntu_version != ""
    error_message = "The release of Ubuntu: one with long-term support, 24.04 or later."
  }
}

variable "instance_types" {
  type        = map(string)
  default     = { x86_64 = "t3.small", arm64 = "t4g.small" }
  description = "Types of the instances that images are built on, by `x86_64` and `arm64`."
}

variable "volume_size" {
  type        = number
  default     = 16
  description = "Size of the root volume in GiB: the system and the container images, unpacked."
}

variable "kms_key_id" {
  type        = string
  default     = null
  description = "Key of KMS that the images are encrypted with. Without one it is the account's own for EBS, and an image cannot be shared with other accounts."
}

variable "iam_instance_profile" {
  type        = string
  default     = null
  description = "Instance profile of the build: what `rolecall iam` prints for the project lets it read bucket and registry. Without one, only what everybody may read can be baked."
}

variable "subnet_id" {
  type        = string
  default     = null
  description = "Subnet that is built in, with a way out. Without one, the default VPC."
}

variable "ssh_cidrs" {
  type        = list(string)
  default     = ["0.0.0.0/0"]
  description = "Who can reach port 22 of the instance while it is built. It takes only the key that Packer makes for the build."
}
