//! Log lines on standard error, written by a thread of their own.
//!
//! A full or closed pipe must not stall a request (`docs/threats.md`, row 47): lines go through a
//! bounded channel, and what finds it full is dropped and counted. Taken: a channel of the standard
//! library and one thread. Refused: writing in place, which blocks the whole server once nobody
//! reads its output.
//!
//! No colours: a terminal obeys escape sequences from wherever they come, so every control
//! character that reaches the writer is escaped, without exception (row 75).

use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Once};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

use super::settings::{LogFormat, TelemetrySettings};
use super::traces::{self, TracesGuard};

/// Lines that may wait for standard error; at a few hundred bytes each, a megabyte or two.
const MAX_WAITING_LINES: usize = 4096;

/// Lines lost since the process started.
static DROPPED_LINES: AtomicU64 = AtomicU64::new(0);

/// Logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The operating system gave no thread.
    #[error("the thread of the log or of traces does not start: {0}")]
    Thread(#[from] io::Error),
    /// Something in this process logs already.
    #[error("logging was started before: {0}")]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging, and tracing if there is a collector, for the whole process, and replaces the panic hook by one that logs where, but
/// never what: a panic's message may hold a secret (`docs/threats.md`, row 112).
///
/// # Errors
/// [`TelemetryError`] when no thread starts or logging was started before.
pub fn init(settings: &TelemetrySettings) -> Result<LogGuard, TelemetryError> {
    let filter = Targets::new()
        .with_default(LevelFilter::from(settings.log_level))
        .and(ceiling());
    let (lines, mut guard) = LineSender::start(io::stderr())?;
    let (traces, of_traces) = traces::start(settings)?;
    guard.traces = of_traces;
    Registry::default()
        .with(layer(settings.log_format, lines).with_filter(filter))
        .with(traces)
        .try_init()?;
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(log_panic)));
    Ok(guard)
}

/// How many log lines were lost since the process started, because standard error was full or
/// closed.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED_LINES.load(Ordering::Relaxed)
}

/// The most that may be logged, whatever the settings say. Other crates do not know our secrets:
/// below `info` they show headers and addresses, and the database crates show SQL even at `info`.
fn ceiling() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("enroll", LevelFilter::TRACE)
        .with_target("sqlx", LevelFilter::WARN)
        .with_target("sea_orm", LevelFilter::WARN)
}

fn layer(format: LogFormat, lines: LineSender) -> Box<dyn Layer<Registry> + Send + Sync> {
    let layer = fmt::layer().with_ansi(false).with_writer(lines);
    match format {
        LogFormat::Pretty => layer.boxed(),
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    }
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let location = info.location();
    tracing::error!(
        thread = thread.name().unwrap_or("unnamed"),
        file = location.map_or("unknown", |place| place.file()),
        line = location.map_or(0, |place| place.line()),
        "panic"
    );
}

/// Hands finished lines to the log thread, or drops them.
#[derive(Clone)]
struct LineSender {
    lines: SyncSender<Vec<u8>>,
    /// Lines handed over and not yet written, for [`LogGuard`].
    waiting: Arc<AtomicUsize>,
}

impl LineSender {
    fn start(target: impl Write + Send + 'static) -> io::Result<(Self, LogGuard)> {
        let (sender, receiver) = sync_channel(MAX_WAITING_LINES);
        let waiting = Arc::new(AtomicUsize::new(0));
        let to_write = Arc::clone(&waiting);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_lines(&receiver, &to_write, target))?;
        let guard = LogGuard {
            traces: None,
            waiting: Arc::clone(&waiting),
        };
        Ok((
            Self {
                lines: sender,
                waiting,
            },
            guard,
        ))
    }
}

/// The log thread: the only one that may wait for standard error.
fn write_lines(lines: &Receiver<Vec<u8>>, waiting: &AtomicUsize, mut target: impl Write) {
    for line in lines {
        // A closed pipe loses this line; the next may find it open again (a restarted collector).
        if target
            .write_all(&line)
            .and_then(|()| target.flush())
            .is_err()
        {
            DROPPED_LINES.fetch_add(1, Ordering::Relaxed);
        }
        waiting.fetch_sub(1, Ordering::Release);
    }
}

impl<'a> MakeWriter<'a> for LineSender {
    type Writer = &'a LineSender;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &LineSender {
    /// Takes one whole event: the formatting layer hands each over in a single call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.lines.try_send(escape_controls(line)).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            DROPPED_LINES.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Escapes, as JSON does, whatever could end a line early, steer a terminal or reorder its text;
/// the final newline stays.
fn escape_controls(line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let mut escaped = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            odd if odd.is_control() || is_separator_or_direction(odd) => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(odd)));
            }
            plain => escaped.push(plain),
        }
    }
    escaped.push('\n');
    escaped.into_bytes()
}

/// Line and paragraph separators, and the marks that change the direction of text (UAX 9).
fn is_separator_or_direction(character: char) -> bool {
    matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Has the last traces sent, and gives the log thread up to a second to write what waits, when dropped at the end of the
/// process.
#[derive(Debug)]
#[must_use = "lines that still wait are lost unless the guard lives to the end of the process"]
pub struct LogGuard {
    traces: Option<TracesGuard>,
    waiting: Arc<AtomicUsize>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        // First, for it may have something to say.
        drop(self.traces.take());
        // A reader that stopped reading must not hold up the end either, hence the bound.
        for _ in 0..100 {
            if self.waiting.load(Ordering::Acquire) == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::{Layer, SubscriberExt};

    use super::super::traces::TRACE;
    use super::{LineSender, LogFormat, MAX_WAITING_LINES, ceiling, dropped_lines, layer};

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Blocks in its first write until told to go on, as a full pipe does.
    struct Full(Receiver<()>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Fails each write, as a closed pipe does.
    struct Closed(SyncSender<()>);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(());
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let (lines, guard) = LineSender::start(kept.clone()).unwrap();
        let subscriber = Registry::default().with(layer(format, lines).with_filter(ceiling()));
        tracing::subscriber::with_default(subscriber, log);
        drop(guard);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_line_whatever_it_carries() {
        let evil = "a\nb\r\u{1b}[31mc\u{9b}2J\u{202e}\u{2028}";
        for format in [LogFormat::Pretty, LogFormat::Json] {
            let text = logged(format, || tracing::info!(name = %evil, "{evil}"));
            assert!(text.ends_with('\n'), "{text:?}");
            let line = text.trim_end_matches('\n');
            assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
            assert!(!line.contains(['\u{202e}', '\u{2028}']), "{line:?}");
            assert!(line.contains("a\\nb"), "{line:?}");
            if format == LogFormat::Json {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(value["name"], evil);
            }
        }
    }

    #[test]
    fn sql_statements_and_foreign_details_stay_off() {
        let text = logged(LogFormat::Pretty, || {
            tracing::info!(target: "sqlx::query", "needle");
            tracing::info!(target: "sea_orm::driver", "needle");
            tracing::debug!(target: "hyper::client", "needle");
            tracing::trace!("kept");
        });
        assert!(!text.contains("needle") && text.contains("kept"), "{text}");
    }

    #[test]
    fn spans_for_traces_alone_are_not_made_for_the_log() {
        let text = logged(LogFormat::Pretty, || {
            let only_traced = tracing::trace_span!(target: TRACE, "hash");
            assert!(only_traced.is_disabled());
            let _entered = tracing::trace_span!("kept").entered();
            let _inner = only_traced.entered();
            tracing::trace!("line");
        });
        assert!(text.contains("kept") && !text.contains("hash"), "{text}");
    }

    #[test]
    fn a_full_pipe_drops_lines_and_stalls_nobody() {
        let (go_on, wait) = sync_channel(0);
        let (lines, guard) = LineSender::start(Full(wait)).unwrap();
        let before = dropped_lines();
        for _ in 0..MAX_WAITING_LINES + 10 {
            (&lines).write_all(b"line\n").unwrap();
        }
        // The thread holds at most one line, the channel the others.
        assert!(dropped_lines() >= before + 9);
        drop(go_on);
        drop(guard);
    }

    #[test]
    fn a_closed_pipe_counts_and_the_thread_lives_on() {
        let (written, writes) = sync_channel(2);
        let (lines, guard) = LineSender::start(Closed(written)).unwrap();
        let before = dropped_lines();
        (&lines).write_all(b"one\n").unwrap();
        (&lines).write_all(b"two\n").unwrap();
        drop(guard);
        assert_eq!(writes.try_iter().count(), 2);
        assert!(dropped_lines() >= before + 2);
    }
}
