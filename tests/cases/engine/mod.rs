//! Networks, ports, images and registries.

mod limits;
mod networks;
mod ports;
mod registries;
