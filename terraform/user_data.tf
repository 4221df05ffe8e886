# User-data: settings that a shell reads, then userdata/bootstrap.sh as it is. What `rolecall user-data` prints.
locals {
  # Only a group has hooks, and only rolecall completes them.
  hooks = var.group == null || var.hooks == null ? {} : {
    rolecall-launch = {
      transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
      setting    = "ROLECALL_LAUNCH_HOOK"
      timeout    = var.hooks.launch_timeout
      default    = var.hooks.launch_default
    }
    rolecall-terminate = {
      transition = "autoscaling:EC2_INSTANCE_TERMINATING"
      setting    = "ROLECALL_TERMINATE_HOOK"
      timeout    = var.hooks.terminate_timeout
      default    = var.hooks.terminate_default
    }
  }

  settings = merge(
    {
      ROLECALL_URL        = var.rolecall_url
      ROLECALL_SHA256     = var.rolecall_sha256
      ROLECALL_TAG_PREFIX = var.tag_prefix == "" ? null : var.tag_prefix
    },
    { for name, hook in local.hooks : hook.setting => name },
    var.settings,
  )

  user_data = join("", concat(
    ["#!/bin/sh\n"],
    # In single quotes a shell takes everything literally but the quote itself.
    [for name, value in local.settings : "${name}='${replace(value, "'", "'\\''")}'\n" if value != null],
    [file("${path.module}/../userdata/bootstrap.sh")],
  ))
}
