//! Signed access tokens, random refresh tokens, and the keys behind them.
