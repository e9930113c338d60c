//! Every way into an account that exists, and the ways that make one on the spot: password, SMS code, WeChat.
//!
//! Each way shows who somebody is and then passes the gate of room `session`; none signs a token itself. A way costs its
//! attempt before it costs us a hash or a message (`docs/threats.md`, rows 84, 85 and 93).
//!
//! May import `registration` (accounts that make themselves), `session` and what lies below.

pub mod error;
pub mod mini_program;
pub mod password;
pub mod pc_scan;
pub mod phone;
pub mod sms;
pub mod wechat;

pub mod enter;
