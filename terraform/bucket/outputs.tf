output "name" {
  description = "Name of the bucket, for `rolecall iam --bucket` and `bootstrap`."
  value       = aws_s3_bucket.this.id

  # Whoever uses it finds it as it should be.
  depends_on = [aws_s3_bucket_policy.this, aws_s3_bucket_versioning.this, aws_s3_bucket_server_side_encryption_configuration.this]
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}
