//! What is seen of real databases from outside: the pools of applications, and the health.
mod health;
mod lost;
mod pools;
