//! Password hashing on a bounded pool of threads that keep their memory.

pub mod pool;
pub mod settings;
