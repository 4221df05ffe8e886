# How many instances there are, and how one makes room for another.
resource "aws_autoscaling_group" "this" {
  count = var.group == null ? 0 : 1

  name                      = var.name
  vpc_zone_identifier       = var.group.subnet_ids
  min_size                  = var.group.min_size
  max_size                  = coalesce(var.group.max_size, var.group.min_size)
  desired_capacity          = var.group.desired_capacity
  target_group_arns         = var.group.target_group_arns
  health_check_type         = coalesce(var.group.health_check, length(var.group.target_group_arns) == 0 ? "EC2" : "ELB")
  health_check_grace_period = var.group.grace
  wait_for_capacity_timeout = var.group.wait

  launch_template {
    id = aws_launch_template.this.id
    # A number: what is rolled out is what was planned.
    version = aws_launch_template.this.latest_version
  }

  # These are there before the first instance is. In the provider's source a change of them makes another group (ForceNew), so
  # they are compared no more; the resource below carries later changes.
  dynamic "initial_lifecycle_hook" {
    for_each = local.hooks

    content {
      name                 = initial_lifecycle_hook.key
      lifecycle_transition = initial_lifecycle_hook.value.transition
      heartbeat_timeout    = initial_lifecycle_hook.value.timeout
      default_result       = initial_lifecycle_hook.value.default
    }
  }

  dynamic "instance_refresh" {
    for_each = var.refresh == null ? [] : [var.refresh]

    content {
      strategy = "Rolling"
      # A new launch template starts one anyway.
      triggers = ["tag"]

      preferences {
        min_healthy_percentage = instance_refresh.value.min_healthy
        max_healthy_percentage = instance_refresh.value.max_healthy
        instance_warmup        = instance_refresh.value.warmup
        skip_matching          = true
      }
    }
  }

  dynamic "warm_pool" {
    for_each = var.warm_pool == null ? [] : [var.warm_pool]

    content {
      pool_state                  = warm_pool.value.state
      min_size                    = warm_pool.value.min_size
      max_group_prepared_capacity = warm_pool.value.max_prepared

      instance_reuse_policy {
        reuse_on_scale_in = warm_pool.value.reuse
      }
    }
  }

  dynamic "tag" {
    for_each = local.instance_tags

    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  # The first instance needs its permissions, and the last one needs them to complete its hook.
  depends_on = [aws_iam_role_policy.this, aws_iam_role_policy_attachment.session_manager]

  lifecycle {
    ignore_changes = [initial_lifecycle_hook]

    precondition {
      condition     = !contains(keys(var.settings), "ROLECALL_LAUNCH_HOOK") && !contains(keys(var.settings), "ROLECALL_TERMINATE_HOOK")
      error_message = "The hooks are made here, so their names are not for settings."
    }
  }
}

resource "aws_autoscaling_lifecycle_hook" "this" {
  for_each = local.hooks

  name                   = each.key
  autoscaling_group_name = aws_autoscaling_group.this[0].name
  lifecycle_transition   = each.value.transition
  heartbeat_timeout      = each.value.timeout
  default_result         = each.value.default
}
