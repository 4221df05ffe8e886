//! Networks, ports, images and registries.

mod networks;
mod ports;
mod registries;
