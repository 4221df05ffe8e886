output "groups" {
  description = "Names of the groups, by role."
  value       = { for role, group in module.role : role => group.group_name }
}
