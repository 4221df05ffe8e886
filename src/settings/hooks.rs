//! Lifecycle hooks of the Auto Scaling group, by their names. Only the environment names them: a tag is trusted little,
//! and a hook decides whether an instance lives.

use super::{Env, carried};
use crate::error::Result;

/// The variables that name them.
pub const NAMES: [&str; 2] = ["ROLECALL_LAUNCH_HOOK", "ROLECALL_TERMINATE_HOOK"];

/// The hooks that this instance answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// Of the transition `autoscaling:EC2_INSTANCE_LAUNCHING`.
    pub launch: Option<String>,
    /// Of the transition `autoscaling:EC2_INSTANCE_TERMINATING`.
    pub terminate: Option<String>,
}

impl Hooks {
    /// Reads them.
    ///
    /// # Errors
    /// `usage`: what cannot be the name of a hook.
    pub(super) fn read(env: &Env) -> Result<Self> {
        let [launch, terminate] = NAMES.map(|name| env.get(name).map(|value| carried::check(name, value)).transpose());
        Ok(Self { launch: launch?, terminate: terminate? })
    }

    /// Whether there is one.
    pub fn any(&self) -> bool {
        self.launch.is_some() || self.terminate.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_named_by_the_environment() {
        let read = |pairs: &[(&str, &str)]| Hooks::read(&pairs.iter().copied().collect());
        assert!(!read(&[("ROLECALL_LAUNCH_HOOK", " ")]).unwrap().any());
        let hooks = read(&[("ROLECALL_LAUNCH_HOOK", "shop/launch-1"), ("ROLECALL_TERMINATE_HOOK", "")]).unwrap();
        assert_eq!(hooks, Hooks { launch: Some("shop/launch-1".into()), terminate: None });
        let long = "x".repeat(256);
        for bad in ["two words", "a.b", "ü", &long] {
            let err = read(&[("ROLECALL_TERMINATE_HOOK", bad)]).unwrap_err();
            assert_eq!(err.exit() as u8, 2);
            assert!(err.message.starts_with("ROLECALL_TERMINATE_HOOK: "), "{err}");
        }
    }
}
