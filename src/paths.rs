//! Where things are kept on the host.

use std::path::{Path, PathBuf};

/// The folders of a run. The state folder is a setting; the other two follow systemd's `RUNTIME_DIRECTORY` and
/// `CONFIGURATION_DIRECTORY`, which the unit sets, and have fixed defaults elsewhere.
#[derive(Clone, Debug)]
pub struct Paths {
    /// `/var/lib/rolecall`: what must outlive a reboot.
    pub state: PathBuf,
    /// `/run/rolecall`: what must not.
    pub runtime: PathBuf,
    /// `/etc/rolecall`: config.toml and env.
    pub config: PathBuf,
    /// What was fetched, below the state folder: what did not change is not fetched again.
    pub cache: PathBuf,
}

impl Paths {
    /// The folders as the environment names them, with the given state folder.
    pub fn from_env(state: &Path) -> Self {
        let folder = |name: &str, default: &str| {
            // systemd separates several folders by colons; ours is the first.
            let value = std::env::var(name).ok().and_then(|v| v.split(':').next().map(str::to_owned));
            PathBuf::from(value.filter(|v| v.starts_with('/')).unwrap_or_else(|| default.to_owned()))
        };
        let runtime = folder("RUNTIME_DIRECTORY", "/run/rolecall");
        Self::new(state, runtime, folder("CONFIGURATION_DIRECTORY", "/etc/rolecall"))
    }

    /// These folders.
    pub fn new(state: impl Into<PathBuf>, runtime: impl Into<PathBuf>, config: impl Into<PathBuf>) -> Self {
        let state = state.into();
        Self { cache: state.join("cache"), state, runtime: runtime.into(), config: config.into() }
    }

    /// One checksummed line per event.
    pub fn journal(&self) -> PathBuf {
        self.state.join("journal.jsonl")
    }

    /// Held by the one run that may be under way.
    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// How many runs in a row ended with exit code 4.
    pub fn failures(&self) -> PathBuf {
        self.state.join("failures.json")
    }

    /// Ids of the containers that `rolecall stop` stopped: the next run starts them again.
    pub fn stopped(&self) -> PathBuf {
        self.state.join("stopped.json")
    }

    /// The project files that containers have mounted since their last start, if those are newer than their labels.
    pub fn mounted(&self) -> PathBuf {
        self.state.join("mounted.json")
    }

    /// Ids of images whose containers were replaced, until they are pruned.
    pub fn replaced(&self) -> PathBuf {
        self.state.join("replaced.json")
    }

    /// How new the signatures were that this instance accepted.
    pub fn serials(&self) -> PathBuf {
        self.state.join("serials.json")
    }

    /// What proves to others who this instance is, as metadata gives it.
    pub fn identity(&self) -> PathBuf {
        self.runtime.join("identity")
    }

    /// What checksums over configs and secrets are keyed with, where labels show them.
    pub fn files_key(&self) -> PathBuf {
        self.state.join("files.key")
    }

    /// Scripts, while they run.
    pub fn scripts(&self) -> PathBuf {
        self.state.join("scripts")
    }

    /// The folders of our own in which files are written, as far as they are there.
    pub fn written(&self) -> Vec<PathBuf> {
        let below = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.flat_map(|entry| [entry.path(), entry.path().join("objects")]).collect::<Vec<_>>()
        };
        let own = [self.state.clone(), self.projects(), self.scripts(), self.good()];
        own.into_iter().chain([&self.cache, &self.good(), &self.baked()].into_iter().flat_map(|f| below(f))).collect()
    }

    /// Projects that were ready, by what they were fetched for.
    pub fn good(&self) -> PathBuf {
        self.state.join("good")
    }

    /// Projects that the image brought, for instances that have no good one of their own.
    pub fn baked(&self) -> PathBuf {
        self.state.join("baked")
    }

    /// What was done to the image that this machine was started from.
    pub fn baked_record(&self) -> PathBuf {
        self.state.join("baked.json")
    }

    /// The folder of all projects.
    pub fn projects(&self) -> PathBuf {
        self.state.join("projects")
    }

    /// The stable folder of one project: relative binds live here and are data.
    pub fn project(&self, name: &str) -> PathBuf {
        self.projects().join(name)
    }

    /// What the present or last run has come to.
    pub fn status(&self) -> PathBuf {
        self.runtime.join("status.json")
    }

    /// Secrets that containers mount, by project.
    pub fn secrets(&self) -> PathBuf {
        self.runtime.join("secrets")
    }

    /// Settings of the host's administrator.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }
}
