//! Lifecycle hooks of an Auto Scaling group, as far as an instance answers them: one action at most waits for an answer.

use std::collections::BTreeMap;

use super::http::{Reply, Request};

/// The group that the instance is in.
pub const GROUP: &str = "shop-web";

/// An answer that an instance gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub hook: String,
    /// `CONTINUE` or `ABANDON`.
    pub result: String,
}

/// What the group waits for, and what it was told.
#[derive(Clone, Debug, Default)]
pub struct Scaling {
    /// The hook whose action waits for an answer of this instance.
    pub active: Option<(String, String)>,
    /// Answers, in order.
    pub answers: Vec<Answer>,
    /// Heartbeats by hook.
    pub heartbeats: BTreeMap<String, usize>,
    /// How often there was nothing that waited.
    pub early: usize,
}

impl Scaling {
    /// From now on an action waits: `hook` of the group, for this instance.
    pub fn wait(&mut self, hook: &str, instance: &str) {
        self.active = Some((hook.to_owned(), instance.to_owned()));
    }

    /// Answers a request.
    pub fn answer(&mut self, request: &Request) -> Reply {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if get("Version") != "2011-01-01" {
            return error(400, "NoSuchVersion", "The requested version is not valid.");
        }
        if get("AutoScalingGroupName") != GROUP {
            return error(400, "ValidationError", "AutoScalingGroup name not found - null");
        }
        let (hook, instance) = (get("LifecycleHookName").to_owned(), get("InstanceId").to_owned());
        if self.active.as_ref() != Some(&(hook.clone(), instance.clone())) {
            self.early += 1;
            let text = format!("No active Lifecycle Action found with instance ID {instance}");
            return error(400, "ValidationError", &text);
        }
        match (get("Action"), get("LifecycleActionResult")) {
            ("RecordLifecycleActionHeartbeat", _) => *self.heartbeats.entry(hook).or_default() += 1,
            ("CompleteLifecycleAction", result @ ("CONTINUE" | "ABANDON")) => {
                self.answers.push(Answer { hook, result: result.to_owned() });
                self.active = None;
            }
            _ => return error(400, "InvalidAction", "Could not find operation for version 2011-01-01"),
        }
        let name = get("Action");
        let body = format!(
            "<{name}Response xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\">\n  <{name}Result/>\n  \
             <ResponseMetadata>\n    <RequestId>test</RequestId>\n  </ResponseMetadata>\n</{name}Response>\n"
        );
        Reply::new(200, body).with("content-type", "text/xml").with("x-amzn-requestid", "test")
    }
}

/// An error as services of the Query protocol write it.
pub fn error(status: u16, code: &str, text: &str) -> Reply {
    let body = format!(
        "<ErrorResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\">\n  <Error>\n    \
         <Type>Sender</Type>\n    <Code>{code}</Code>\n    <Message>{text}</Message>\n  </Error>\n  \
         <RequestId>test</RequestId>\n</ErrorResponse>\n"
    );
    Reply::new(status, body).with("content-type", "text/xml").with("x-amzn-requestid", "test")
}
