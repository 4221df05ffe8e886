# The group: hooks, refresh, warm pool.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "web"
  ami_id             = "ami-0123456789abcdef0"
  instance_type      = "t3.small"
  security_group_ids = ["sg-0123456789abcdef0"]
  bootstrap          = "s3://acme-deploy/prod/"
  group              = { subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"], min_size = 2, max_size = 4 }
}

run "the_group_runs_the_planned_version" {
  assert {
    condition     = aws_autoscaling_group.this[0].launch_template[0].id == "lt-0123456789abcdef0" && aws_autoscaling_group.this[0].launch_template[0].version == "7"
    error_message = "a number, not $Latest"
  }

  assert {
    condition     = output.group_name == "web" && aws_autoscaling_group.this[0].min_size == 2 && aws_autoscaling_group.this[0].max_size == 4 && aws_autoscaling_group.this[0].desired_capacity == null
    error_message = "sizes as they were given; what a scaling policy does stays"
  }

  assert {
    condition     = aws_autoscaling_group.this[0].health_check_type == "EC2"
    error_message = "without a load balancer only EC2 can tell"
  }

  assert {
    condition     = { for tag in aws_autoscaling_group.this[0].tag : tag.key => tag.value if tag.propagate_at_launch } == { Name = "web", Bootstrap = "s3://acme-deploy/prod/" }
    error_message = "the group hands its tags on"
  }
}

run "hooks_hold_the_first_instance_too" {
  assert {
    condition = { for hook in aws_autoscaling_group.this[0].initial_lifecycle_hook : hook.name => [hook.lifecycle_transition, hook.heartbeat_timeout, hook.default_result] } == {
      rolecall-launch    = ["autoscaling:EC2_INSTANCE_LAUNCHING", 900, "ABANDON"]
      rolecall-terminate = ["autoscaling:EC2_INSTANCE_TERMINATING", 900, "CONTINUE"]
    }
    error_message = "silence at launch is a failure, at termination it is an end"
  }

  assert {
    condition = alltrue([for hook in aws_autoscaling_group.this[0].initial_lifecycle_hook :
      aws_autoscaling_lifecycle_hook.this[hook.name].lifecycle_transition == hook.lifecycle_transition &&
      aws_autoscaling_lifecycle_hook.this[hook.name].heartbeat_timeout == hook.heartbeat_timeout &&
      aws_autoscaling_lifecycle_hook.this[hook.name].default_result == hook.default_result &&
      aws_autoscaling_lifecycle_hook.this[hook.name].autoscaling_group_name == "web"
    ])
    error_message = "the hooks that later changes reach are the same two"
  }
}

run "a_refresh_adds_before_it_takes" {
  assert {
    condition     = aws_autoscaling_group.this[0].instance_refresh[0].strategy == "Rolling" && aws_autoscaling_group.this[0].instance_refresh[0].triggers == toset(["tag"])
    error_message = "rolling, for tags too"
  }

  assert {
    condition = [for preferences in aws_autoscaling_group.this[0].instance_refresh[0].preferences : [preferences.min_healthy_percentage, preferences.max_healthy_percentage, preferences.skip_matching]] == [
      [100, 110, true]
    ]
    error_message = "all stay healthy, and what matches is skipped"
  }
}

run "a_pool_that_hibernates_has_instances_that_can" {
  variables {
    warm_pool = { state = "Hibernated" }
  }

  assert {
    condition     = aws_launch_template.this.hibernation_options[0].configured
    error_message = "instances have to be launched for hibernation"
  }
}

run "a_warm_pool_is_there_when_it_is_asked_for" {
  variables {
    warm_pool = { min_size = 1 }
  }

  assert {
    condition     = aws_autoscaling_group.this[0].warm_pool[0].pool_state == "Stopped" && aws_autoscaling_group.this[0].warm_pool[0].min_size == 1 && aws_autoscaling_group.this[0].warm_pool[0].instance_reuse_policy[0].reuse_on_scale_in
    error_message = "stopped, one, reused"
  }
}

run "a_load_balancer_has_the_word" {
  variables {
    group     = { subnet_ids = ["subnet-0123456789abcdef0"], target_group_arns = ["arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/1"] }
    hooks     = null
    refresh   = null
    warm_pool = null
  }

  assert {
    condition     = aws_autoscaling_group.this[0].health_check_type == "ELB" && aws_autoscaling_group.this[0].max_size == 1
    error_message = "its health check counts"
  }

  assert {
    condition     = length(aws_autoscaling_lifecycle_hook.this) == 0 && length(aws_autoscaling_group.this[0].instance_refresh) == 0 && length(aws_autoscaling_group.this[0].warm_pool) == 0
    error_message = "null is none"
  }

  assert {
    # Those that the runs above began with.
    condition     = length(aws_autoscaling_group.this[0].initial_lifecycle_hook) == 2
    error_message = "a change of the hooks must not reach the group, which would be made anew"
  }
}

run "no_group_is_no_hook" {
  variables {
    group = null
  }

  assert {
    condition     = output.group_name == null && length(aws_autoscaling_group.this) == 0 && length(aws_autoscaling_lifecycle_hook.this) == 0 && output.hooks == {}
    error_message = "only launch template and role"
  }
}

run "a_hook_of_ten_seconds_is_refused" {
  command = plan

  variables {
    hooks = { launch_timeout = 10 }
  }

  expect_failures = [var.hooks]
}

run "a_maximum_below_the_minimum_is_refused" {
  command = plan

  variables {
    group = { subnet_ids = ["subnet-0123456789abcdef0"], min_size = 3, max_size = 2 }
  }

  expect_failures = [var.group]
}

run "a_hook_of_another_name_is_refused" {
  command = plan

  variables {
    settings = { ROLECALL_LAUNCH_HOOK = "mine" }
  }

  expect_failures = [aws_autoscaling_group.this]
}
