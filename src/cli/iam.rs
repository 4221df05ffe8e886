//! Flags of `rolecall iam`.

use std::path::PathBuf;

use clap::Args;

/// What a policy is for, as far as the manifest does not say it.
#[derive(Debug, Default, Args)]
pub struct IamArgs {
    /// The compose file or script, or the folder of a project.
    pub file: PathBuf,
    /// Bucket that it is uploaded to.
    #[arg(long)]
    pub bucket: String,
    /// Prefix in the bucket that it stands below.
    #[arg(long, default_value = "")]
    pub prefix: String,
    /// Account of the instances [default: any]
    #[arg(long)]
    pub account: Option<String>,
    /// Region of the instances [default: any]
    #[arg(long)]
    pub region: Option<String>,
    /// aws, aws-cn or aws-us-gov [default: that of the region]
    #[arg(long)]
    pub partition: Option<String>,
    /// Roles of the instances [default: each role that there is]
    #[arg(long)]
    pub roles: Option<String>,
    /// Environment whose overlay is merged.
    #[arg(long)]
    pub environment: Option<String>,
    /// Value of a variable that only instances know, as `NAME=VALUE`: of x-rolecall.variables, or `ROLECALL_TAG_…`
    #[arg(long)]
    pub set: Vec<String>,
    /// Auto Scaling group whose lifecycle hooks are completed.
    #[arg(long)]
    pub asg: Vec<String>,
    /// ARN of a key of yours that the bucket, parameters or secrets are encrypted with.
    #[arg(long)]
    pub kms_key: Vec<String>,
    /// Tags are read from the EC2 API: instance metadata does not show them.
    #[arg(long)]
    pub describe_tags: bool,
    /// Content has to be signed (--public-key of the run): signatures are read too.
    #[arg(long)]
    pub signed: bool,
    /// The source pins a version of the file (?versionId=).
    #[arg(long)]
    pub pinned: bool,
}
