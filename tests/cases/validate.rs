//! Faults that are found before the first step.
