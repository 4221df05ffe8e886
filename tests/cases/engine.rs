//! Networks, ports, images and registries.
