//! Networks, ports, images and registries.

mod hooks;
mod limits;
mod networks;
mod ports;
mod registries;
mod starts;
