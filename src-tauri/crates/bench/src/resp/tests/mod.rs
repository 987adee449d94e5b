//! The engine against real servers and scripted ones.
mod cluster;
mod hostile;
mod server;
mod support;
mod throughput;
