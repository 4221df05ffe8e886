//! The generations of Docker Compose.

/// The generation of Docker Compose whose rules a project is read and printed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// Docker Compose 2.40.3.
    #[default]
    Two,
    /// Docker Compose 5.5.
    Five,
}

impl Generation {
    /// The one that is installed today.
    pub const NEWEST: Self = Self::Five;
}
