//! The room `tenant`.
