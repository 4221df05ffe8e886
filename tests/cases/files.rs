//! Project files, bind mounts, secrets and their owners.
