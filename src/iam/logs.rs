//! What log drivers need: the engine of the host uses the role of the instance for them.

use serde_json::Value;

use super::{Needs, policy::Statement, scope::written};
use crate::{compose::Project, error::Result, manifest::extension::Extension};

/// The driver that writes to log groups of AWS; the others take no role.
const DRIVER: &str = "awslogs";

/// What of a log group is needed, as resources.
#[derive(Debug, Default)]
pub(super) struct Groups {
    written: std::collections::BTreeSet<String>,
    created: std::collections::BTreeSet<String>,
}

impl Groups {
    /// The statements; one without resources is left out by the policy.
    pub(super) fn statements(&self) -> [Statement; 2] {
        [
            Statement::new("WriteLogs", &["logs:CreateLogStream", "logs:PutLogEvents"], self.written.iter().cloned()),
            Statement::new("CreateLogGroups", &["logs:CreateLogGroup"], self.created.iter().cloned()),
        ]
    }
}

impl Needs<'_> {
    /// Adds the log groups of the services, and that of daemon.json for services that name no driver.
    ///
    /// # Errors
    /// `manifest-invalid` for a group or region that depends on what only an instance knows.
    pub fn logs(&mut self, extension: &Extension, project: &Project) -> Result<()> {
        let daemon = &extension.host.docker.daemon;
        let fallback = daemon.get("log-driver").and_then(Value::as_str).unwrap_or_default();
        for (name, service) in &project.services {
            let logging = service.logging.as_ref();
            let driver = logging.map(|logging| logging.driver.as_str()).filter(|driver| !driver.is_empty());
            if driver.unwrap_or(fallback) != DRIVER {
                continue;
            }
            let option = |key: &str| {
                let own = logging.and_then(|logging| logging.options.get(key)).cloned();
                let common = || daemon.get("log-opts")?.get(key)?.as_str().map(str::to_owned);
                own.or_else(|| (fallback == DRIVER).then(common).flatten())
            };
            // Without a group the engine refuses the container.
            let Some(group) = option("awslogs-group") else { continue };
            let what = format!("the log group of service '{name}'");
            self.unknown.check(&what, &group)?;
            let resource = format!("log-group:{}:*", written(&group));
            let arn = match option("awslogs-region") {
                Some(region) => {
                    self.unknown.check(&what, &region)?;
                    self.scope.arn_in_region("logs", &written(&region), &resource)
                }
                None => self.scope.arn("logs", &resource),
            };
            if option("awslogs-create-group").is_some_and(|value| value == "true") {
                self.groups.created.insert(arn.clone());
            }
            self.groups.written.insert(arn);
        }
        Ok(())
    }
}
