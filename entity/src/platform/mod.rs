//! The platform database: tenants, their settings and keys, administrators, audit.

pub mod administrator;
pub mod audit_entry;
pub mod console_session;
pub mod revision;
pub mod signing_key;
pub mod tenant;
pub mod tenant_host;
pub mod tenant_settings;
pub mod usage_count;
