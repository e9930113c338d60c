//! A tenant database: users, invite codes, refresh tokens, saved answers. `tenant_id` comes first in every primary key and unique index.

pub mod invite_code;
pub mod refresh_token;
pub mod saved_answer;
pub mod user;
