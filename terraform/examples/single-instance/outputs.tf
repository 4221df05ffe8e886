output "url" {
  description = "Where the web server answers, a minute after the instance has been made."
  value       = "http://${aws_instance.host.public_dns}/"
}

output "instance_id" {
  description = "For `aws ec2 get-console-output` and `aws ssm start-session`."
  value       = aws_instance.host.id
}
