output "group_name" {
  description = "Name of the group."
  value       = module.site.group_name
}

output "ami_id" {
  description = "The image that the group runs."
  value       = data.aws_ami.baked.id
}
