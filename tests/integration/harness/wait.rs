//! Waiting for something to become true, instead of sleeping and hoping.

use std::time::{Duration, Instant};

/// How often a waiting test looks again.
const POLL: Duration = Duration::from_millis(20);

/// How long a test waits for what is due soon. Far more than is ever needed on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until there is an answer, and fails when there is none for a long time.
pub(crate) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}
