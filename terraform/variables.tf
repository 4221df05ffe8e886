variable "name" {
  description = "Name of the launch template, of the role, and of the group. `rolecall iam --asg` takes the same."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{3,64}$", var.name))
    error_message = "name: 3 to 64 of A-Z a-z 0-9 _ -, the characters that a launch template and a role both accept."
  }
}

variable "ami_id" {
  description = "Image of the instances. Its root device and architecture are read from it."
  type        = string
}

variable "instance_type" {
  description = "Type of the instances, of the image's architecture."
  type        = string
}

variable "security_group_ids" {
  description = "Security groups of the instances. They need a way out to S3, the registry and the packages."
  type        = list(string)
}

variable "bootstrap" {
  description = "Where the project is, as tag `Bootstrap`: `s3://bucket/key` or `s3://bucket/prefix/` of this account. Any other source goes into `settings` as `ROLECALL_SOURCE`, because a tag may not name it."
  type        = string
  default     = null

  validation {
    condition     = var.bootstrap == null || can(regex("^s3://[a-z0-9.-]{3,63}/.", var.bootstrap))
    error_message = "bootstrap: expected s3://bucket/key or s3://bucket/prefix/. For https:// and file:// set ROLECALL_SOURCE in settings."
  }
}

variable "roles" {
  description = "Roles of the instances, as tag `Role`. Empty: the services without a profile."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for role in var.roles : can(regex("^[^:,[:space:]]+$", role))])
    error_message = "roles: one role an entry, without colon, comma or space."
  }
}

variable "environment" {
  description = "Name of the overlay that is merged last (`compose.<environment>.yaml`), as tag `Environment`."
  type        = string
  default     = null
}

variable "tag_prefix" {
  description = "Prefix of the three tags: `rolecall:` makes them `rolecall:Bootstrap`, `rolecall:Role`, `rolecall:Environment`."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[0-9A-Za-z+=._:@-]{0,100}$", var.tag_prefix))
    error_message = "tag_prefix: only letters, digits and + - = . _ : @, or EC2 refuses to launch with tags in metadata."
  }
}

variable "tags" {
  description = "Further tags of everything that is made here, instances and volumes included."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.tags) : can(regex("^[0-9A-Za-z+=._:@,-]{1,128}$", key))])
    error_message = "tags: keys of only letters, digits and + - = . , _ : @, or EC2 refuses to launch with tags in metadata."
  }
}

variable "rolecall_url" {
  description = "Where the binary is, readable without credentials; `{arch}` becomes `x86_64` or `aarch64`. Null: it is baked into the image."
  type        = string
  default     = null
}

variable "rolecall_sha256" {
  description = "Checksum that the binary must have. Null: the one that `<rolecall_url>.sha256` holds."
  type        = string
  default     = null

  validation {
    condition     = var.rolecall_sha256 == null || can(regex("^[0-9a-f]{64}$", var.rolecall_sha256))
    error_message = "rolecall_sha256: 64 hexadecimal digits in lower case, as sha256sum prints them."
  }
}

variable "settings" {
  description = "Further settings for user-data, such as `ROLECALL_DEADLINE`, `ROLECALL_PUBLIC_KEY` or `HTTPS_PROXY`. Whoever may describe the instance can read them: no secrets."
  type        = map(string)
  default     = {}

  validation {
    # What bootstrap.sh hands on, and no more: another name would be lost in silence.
    condition     = alltrue([for name in keys(var.settings) : can(regex("^(((ROLECALL_|AWS_ENDPOINT_URL|AWS_EC2_METADATA_)[A-Z0-9_]*)|AWS_CA_BUNDLE|AWS_REGION|AWS_DEFAULT_REGION|SSL_CERT_FILE|SSL_CERT_DIR|DOCKER_HOST|HTTP_PROXY|HTTPS_PROXY|NO_PROXY|ALL_PROXY|http_proxy|https_proxy|no_proxy|all_proxy)$", name))])
    error_message = "settings: only ROLECALL_*, AWS_ENDPOINT_URL*, AWS_EC2_METADATA_*, AWS_CA_BUNDLE, AWS_REGION, AWS_DEFAULT_REGION, SSL_CERT_*, DOCKER_HOST and the proxies reach rolecall."
  }

  validation {
    condition     = alltrue([for value in values(var.settings) : !can(regex("[[:cntrl:]]", value))])
    error_message = "settings: a value is one line."
  }

  validation {
    condition     = alltrue([for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] : !can(regex("[[:space:]]", var.settings[name]))])
    error_message = "settings: curl and wget are given the file of AWS_CA_BUNDLE or SSL_CERT_FILE on a line that is split at spaces."
  }
}

variable "metadata_hop_limit" {
  description = "How many hops an answer of the metadata service may travel. With 1 no container on a bridge network can reach it, and with it the role; rolecall runs on the host and hands containers what they need. 2 gives that up."
  type        = number
  default     = 1

  validation {
    condition     = var.metadata_hop_limit >= 1 && var.metadata_hop_limit <= 64
    error_message = "metadata_hop_limit: 1 to 64."
  }
}

variable "root_volume" {
  description = "The root volume, gp3 and encrypted: size in GiB (null: that of the image), IOPS, throughput in MiB/s, and the KMS key (null: the account's for EBS). A key of your own must let the group's service-linked role use it."
  type = object({
    size       = optional(number)
    iops       = optional(number)
    throughput = optional(number)
    kms_key_id = optional(string)
  })
  default = {}
}

variable "detailed_monitoring" {
  description = "Metrics of the instances every minute instead of every five; EC2 charges for it."
  type        = bool
  default     = false
}

variable "policies" {
  description = "What the instances may do, by name: documents that `rolecall iam` prints. As a rule it is one; while another release is rolled out, that of the release before it has to stay, or a roll-back could not read its project. Empty: you attach policies to the role yourself."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for document in values(var.policies) : can(jsondecode(document).Statement)])
    error_message = "policies: expected policy documents, as `rolecall iam` prints them."
  }
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds the role."
  type        = string
  default     = null
}

variable "session_manager" {
  description = "Lets Session Manager open a shell on the instances, by AWS's policy `AmazonSSMManagedInstanceCore`."
  type        = bool
  default     = false
}

variable "group" {
  description = "The autoscaling group: subnets, sizes, target groups, and how it is watched. `health_check` is `EC2` or `ELB` (null: `ELB` where there are target groups), `grace` the seconds after the launch hook in which a failing check does not count, `wait` how long an apply waits for instances in service. Null: no group, only launch template and role."
  type = object({
    subnet_ids        = list(string)
    min_size          = optional(number, 1)
    max_size          = optional(number)
    desired_capacity  = optional(number)
    target_group_arns = optional(list(string), [])
    health_check      = optional(string)
    grace             = optional(number, 60)
    wait              = optional(string, "40m")
  })
  default = null

  validation {
    # Null passes: comparing it is an error, and an error is `true`.
    condition     = try(length(var.group.subnet_ids) > 0, true)
    error_message = "group: subnet_ids has no subnet."
  }

  validation {
    condition     = try(var.group.max_size >= var.group.min_size, true)
    error_message = "group: max_size is below min_size."
  }

  validation {
    condition     = try(contains(["EC2", "ELB"], var.group.health_check), true)
    error_message = "group: health_check is EC2 or ELB."
  }
}

variable "hooks" {
  description = "Lifecycle hooks of the group, which rolecall completes: an instance is in service once its containers are ready, and is terminated once they have stopped. Timeouts are seconds of silence, since rolecall sends heartbeats; `*_default` is what becomes of a silent instance. Null: no hooks."
  type = object({
    launch_timeout    = optional(number, 900)
    launch_default    = optional(string, "ABANDON")
    terminate_timeout = optional(number, 900)
    terminate_default = optional(string, "CONTINUE")
  })
  default = {}

  validation {
    condition     = try(alltrue([for seconds in [var.hooks.launch_timeout, var.hooks.terminate_timeout] : seconds >= 120 && seconds <= 7200]), true)
    error_message = "hooks: a timeout is 120 to 7200 seconds; a sign of life goes out every 60."
  }

  validation {
    condition     = try(alltrue([for verdict in [var.hooks.launch_default, var.hooks.terminate_default] : contains(["ABANDON", "CONTINUE"], verdict)]), true)
    error_message = "hooks: a default is ABANDON or CONTINUE."
  }
}

variable "refresh" {
  description = "How a change of the launch template reaches the instances: share of healthy ones in percent, at least and at most (100 and 110: a new one is in service before an old one goes), and seconds before a new one counts. One that fails stops. Null: by nothing but your own hand."
  type = object({
    min_healthy = optional(number, 100)
    max_healthy = optional(number, 110)
    warmup      = optional(number, 60)
  })
  default = {}
}

variable "warm_pool" {
  description = "Instances that have booted into their roles and wait: `state` is `Stopped`, `Running` or `Hibernated` (then `root_volume.size` has to hold the memory, too), `min_size` how many at least, `max_prepared` how many together with those in service (null: the group's maximum), `reuse` whether scale-in returns instances to the pool. Null: no pool."
  type = object({
    state        = optional(string, "Stopped")
    min_size     = optional(number, 0)
    max_prepared = optional(number)
    reuse        = optional(bool, true)
  })
  default = null

  validation {
    condition     = try(contains(["Stopped", "Running", "Hibernated"], var.warm_pool.state), true)
    error_message = "warm_pool: state is Stopped, Running or Hibernated."
  }
}
