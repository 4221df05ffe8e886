output "launch_template" {
  description = "Id, name and latest version of the launch template."
  value = {
    id      = aws_launch_template.this.id
    name    = aws_launch_template.this.name
    version = aws_launch_template.this.latest_version
  }
}

output "role" {
  description = "Name and ARN of the role, for policies of your own."
  value = {
    name = aws_iam_role.this.name
    arn  = aws_iam_role.this.arn
  }
}

output "group_name" {
  description = "Name of the autoscaling group, for scaling policies and `start-instance-refresh`. Null where there is none."
  value       = one(aws_autoscaling_group.this[*].name)
}

output "hooks" {
  description = "Names of the lifecycle hooks, each with its transition."
  value       = { for name, hook in local.hooks : name => hook.transition }
}

output "instance_tags" {
  description = "Tags of the instances, those that rolecall reads among them."
  value       = local.instance_tags
}

output "user_data" {
  description = "User-data as the instances get it, before base64."
  value       = local.user_data
}
