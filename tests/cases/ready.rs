//! When a service is ready, completed or stopped.
