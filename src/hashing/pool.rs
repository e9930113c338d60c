//! The threads that hash, and the refusals in front of them.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;
use tokio::time::timeout_at;
use tracing::Instrument;

use super::bcrypt::{self, BcryptHash};
use super::engine::{self, Engine, EngineError, PasswordHash, Verified};
use super::kernel::{self, EngineKind};
use super::outbox::{Finished, Outbox};
use super::params::{BadParams, HashParams, SALT_BYTES, StoredHash};
use super::queue::{Answer, Bounds, Claim, Customer, Job, NotQueued, Queue, Task};
use super::settings::{EngineSetting, HashingSettings};
use crate::clock::{Clock, Entropy};
use crate::domain::ids::TenantId;
use crate::telemetry::{Metrics, TRACE};

/// The shortest wait that a refused caller is advised.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The pool could not be started.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// The fast engine is asked for, and computes wrong hashes on this machine.
    #[error("hashing.engine: the fast engine computes wrong hashes on this machine")]
    FastEngineWrong,
    /// The settings have faults.
    #[error("hashing.{0} {1}")]
    Settings(&'static str, &'static str),
    /// Argon2 does not take these parameters.
    #[error(transparent)]
    Params(#[from] BadParams),
    /// The memory for the threads is not there, or the first hash failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The operating system gave no thread.
    #[error("a hash thread does not start: {0}")]
    Thread(#[from] io::Error),
}

/// Why a password was not hashed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashRefusal {
    /// Too many wait, or the wait grew too long.
    #[error("too many passwords wait for a hash")]
    Busy {
        /// When to come back, at least a second.
        retry_after: Duration,
    },
    /// The request's own deadline came before a thread was free.
    #[error("the deadline passed before the password was hashed")]
    Deadline,
    /// The pool stops.
    #[error("the hash pool stops")]
    Stopped,
    /// The hash itself failed; the log says more.
    #[error("the password could not be hashed")]
    Failed,
}

impl HashRefusal {
    /// The label of `hash_refusals_total`.
    fn reason(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::Deadline => "deadline",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// The one hash pool of a server. Clones share it; when the last is dropped, the threads finish
/// what waits and end.
#[derive(Clone)]
pub struct HashPool {
    inner: Arc<Inner>,
}

/// One tenant's part of the queue.
pub(super) struct TenantLine {
    /// Passwords that wait.
    pub(super) waiting: usize,
    /// Most that may.
    pub(super) bound: usize,
    /// How long one more would wait.
    pub(super) expected_wait: Duration,
}

struct Inner {
    shared: Arc<Shared>,
    /// Until [`HashPool::stop`] joins them.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What callers and threads have in common.
struct Shared {
    queue: Queue,
    outbox: Outbox,
    clock: Clock,
    entropy: Entropy,
    metrics: Metrics,
    thread_count: usize,
    max_wait: Duration,
    /// Running mean of a hash's time, in nanoseconds; the estimate of a wait rests on it.
    mean_nanos: AtomicU64,
    params: HashParams,
    /// The time of a hash by bcrypt of the least cost, in nanoseconds.
    bcrypt_nanos: u64,
}

/// Most turns that one stored hash is taken for; of those that are accepted, only an Argon2id hash far dearer than any
/// site's takes longer.
const MOST_TURNS: u64 = 1000;

impl HashPool {
    /// Takes the memory of every thread, measures one hash, and starts the threads.
    ///
    /// # Errors
    /// [`HashingError`] when the settings have faults, or memory or threads are not there.
    pub fn start(
        settings: &HashingSettings,
        clock: Clock,
        entropy: Entropy,
        metrics: Metrics,
    ) -> Result<Self, HashingError> {
        let (pool, workers) = Self::prepare(settings, clock, entropy, metrics)?;
        pool.spawn(workers)?;
        Ok(pool)
    }

    /// A pool whose threads do not run yet.
    fn prepare(
        settings: &HashingSettings,
        clock: Clock,
        entropy: Entropy,
        metrics: Metrics,
    ) -> Result<(Self, Vec<Worker>), HashingError> {
        if let Some((key, fault)) = settings.check().into_iter().next() {
            return Err(HashingError::Settings(key, fault));
        }
        let params = HashParams::new(settings.memory_kib, settings.iterations, settings.lanes)?;
        let kind = choose_engine(settings.engine, entropy, &metrics)?;
        let shared = Arc::new(Shared {
            queue: Queue::new(Bounds {
                total: settings.queue,
                per_tenant: settings.queue_per_tenant,
            }),
            outbox: Outbox::default(),
            clock,
            entropy,
            metrics,
            thread_count: settings.thread_count(),
            max_wait: Duration::from_millis(settings.wait_ms),
            mean_nanos: AtomicU64::new(0),
            params: params.clone(),
            bcrypt_nanos: bcrypt_nanos(),
        });
        let workers = (0..shared.thread_count)
            .map(|_| Worker::new(&shared, kind, &params))
            .collect::<Result<Vec<_>, _>>()?;
        let memory = workers.iter().map(Worker::memory_bytes).sum();
        shared.metrics.hash_pool(shared.thread_count, memory);
        tracing::info!(
            engine = %kind,
            threads = shared.thread_count,
            memory_bytes = memory,
            "hashing: the memory is threads times one hash's, under any load"
        );
        let pool = Self {
            inner: Arc::new(Inner {
                shared,
                threads: Mutex::default(),
            }),
        };
        Ok((pool, workers))
    }

    fn spawn(&self, workers: Vec<Worker>) -> io::Result<()> {
        for (number, mut worker) in workers.into_iter().enumerate() {
            let thread = std::thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || {
                    yield_to_others();
                    worker.work();
                })?;
            self.inner
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(thread);
        }
        Ok(())
    }

    /// Hashes a password on behalf of a tenant. A call that cannot be served within the wait limit
    /// and before `deadline` is refused at once; one that waits is given up when its time is over,
    /// unless its hash has begun. Dropping the future takes the password out of the queue.
    ///
    /// # Errors
    /// [`HashRefusal`]; nothing was hashed, except perhaps for [`HashRefusal::Failed`].
    pub async fn hash(
        &self,
        customer: Customer,
        password: SecretString,
        deadline: Instant,
    ) -> Result<PasswordHash, HashRefusal> {
        let shared = &self.inner.shared;
        shared
            .run(customer, password, deadline, 1, Task::Hash)
            .await
    }

    /// Holds a password against a stored hash, or against nothing, which costs the same. Bounded as [`HashPool::hash`] is; a
    /// hash that takes as long as several of ours is paid for with as many turns. A stored text that is no hash opens to
    /// nothing, as an account without a password does, and is told to the log.
    ///
    /// # Errors
    /// [`HashRefusal`]; nothing was compared, except perhaps for [`HashRefusal::Failed`].
    pub async fn verify(
        &self,
        customer: Customer,
        password: SecretString,
        stored: Option<SecretString>,
        deadline: Instant,
    ) -> Result<Verified, HashRefusal> {
        let shared = &self.inner.shared;
        let stored = stored.filter(|stored| {
            let opens = engine::opens(stored.expose_secret());
            if !opens {
                tracing::error!(tenant = %customer.tenant, "a stored password hash is of no known form");
            }
            opens
        });
        let turns = stored.as_ref().map_or(1, |stored| shared.turns_of(stored));
        let task = |answer| Task::Verify(stored, answer);
        shared.run(customer, password, deadline, turns, task).await
    }

    /// Whether a password that came now would find a place and have its turn in time. For those who would work in vain if
    /// it did not; it takes no place, so [`HashPool::hash`] may refuse all the same.
    ///
    /// # Errors
    /// The [`HashRefusal`] that [`HashPool::hash`] would give at once.
    pub fn foresee(&self, customer: &Customer, deadline: Instant) -> Result<(), HashRefusal> {
        let shared = &self.inner.shared;
        let foreseen = shared.foresee(customer, deadline);
        shared.counted(foreseen)
    }

    /// How many passwords wait for a thread.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.inner.shared.queue.depth()
    }

    /// The part of the queue that is this customer's tenant's.
    pub(super) fn line_of(&self, customer: &Customer) -> TenantLine {
        let shared = &self.inner.shared;
        TenantLine {
            waiting: shared.queue.waiting_of(customer.tenant),
            bound: shared.queue.bound_of(customer),
            expected_wait: shared.expected_wait(customer),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub(super) fn today(&self) -> i64 {
        self.inner.shared.clock.now().as_millis()
    }

    /// The pool's own time.
    pub(super) fn now(&self) -> Instant {
        self.inner.shared.clock.monotonic()
    }

    /// Takes no more passwords, waits for those in the queue and for the threads to end. Blocks for
    /// at most the wait limit and one hash, so call it once no request is at work; a second call
    /// does nothing.
    pub fn stop(&self) {
        self.inner.shared.queue.close();
        let threads = std::mem::take(
            &mut *self
                .inner
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a hash thread had died");
            }
        }
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool")
            .field("depth", &self.depth())
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    /// The threads end by themselves; waiting for them here could block a runtime.
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl Shared {
    /// Has a thread do a task, and counts a refusal.
    async fn run<T>(
        &self,
        customer: Customer,
        password: SecretString,
        deadline: Instant,
        turns: u32,
        task: impl FnOnce(Answer<T>) -> Task,
    ) -> Result<T, HashRefusal> {
        let waiting = self.wait_for(customer, password, deadline, turns, task);
        let done = waiting
            .instrument(tracing::trace_span!(target: TRACE, "hash"))
            .await;
        self.counted(done)
    }

    fn counted<T>(&self, done: Result<T, HashRefusal>) -> Result<T, HashRefusal> {
        done.inspect_err(|refusal| self.metrics.hash_refusal(refusal.reason()))
    }

    fn foresee(&self, customer: &Customer, deadline: Instant) -> Result<(), HashRefusal> {
        let now = self.clock.monotonic();
        self.admit(customer, now, deadline.min(now + self.max_wait))?;
        if self.queue.has_room(customer) {
            Ok(())
        } else {
            Err(self.busy(customer))
        }
    }

    async fn wait_for<T>(
        &self,
        customer: Customer,
        password: SecretString,
        deadline: Instant,
        turns: u32,
        task: impl FnOnce(Answer<T>) -> Task,
    ) -> Result<T, HashRefusal> {
        let now = self.clock.monotonic();
        let start_by = deadline.min(now + self.max_wait);
        self.admit(&customer, now, start_by)?;
        let claim = Claim::default();
        let (sender, mut answer) = oneshot::channel();
        let job = Job {
            customer,
            password,
            queued_at: now,
            start_by,
            claim: claim.clone(),
            turns,
            task: task(sender),
        };
        self.queue.push(job).map_err(|error| match error {
            NotQueued::Full => self.busy(&customer),
            NotQueued::Closed => HashRefusal::Stopped,
        })?;
        self.metrics.hash_queue_depth(self.queue.depth());
        let late = || {
            if start_by == deadline {
                HashRefusal::Deadline
            } else {
                self.busy(&customer)
            }
        };
        let answered = match timeout_at(start_by.into(), &mut answer).await {
            Ok(answered) => answered,
            Err(_) if claim.take() => return Err(late()),
            // The hash has begun: its end is near, and the work would be lost.
            Err(_) => answer.await,
        };
        // A job dropped without an answer was popped too late, or left behind by a pool that died.
        answered.unwrap_or_else(|_| {
            let in_time = self.clock.monotonic() < start_by;
            Err(if in_time {
                HashRefusal::Stopped
            } else {
                late()
            })
        })
    }

    /// Refuses what cannot begin in time, before it takes a place.
    fn admit(
        &self,
        customer: &Customer,
        now: Instant,
        start_by: Instant,
    ) -> Result<(), HashRefusal> {
        let patience = start_by.saturating_duration_since(now);
        if patience.is_zero() {
            return Err(HashRefusal::Deadline);
        }
        if self.expected_wait(customer) > patience {
            return Err(self.busy(customer));
        }
        Ok(())
    }

    /// How long a new job of this customer will wait, by whose turns come before it and what hashes took so far.
    fn expected_wait(&self, customer: &Customer) -> Duration {
        let ahead = self.queue.ahead_of(customer);
        let depth = u64::try_from(ahead).unwrap_or(u64::MAX);
        let threads = u64::try_from(self.thread_count).unwrap_or(u64::MAX).max(1);
        let mean = self.mean_nanos.load(Ordering::Relaxed);
        Duration::from_nanos(mean.saturating_mul(depth) / threads)
    }

    fn busy(&self, customer: &Customer) -> HashRefusal {
        HashRefusal::Busy {
            retry_after: self.expected_wait(customer).max(MIN_RETRY_AFTER),
        }
    }

    /// How many turns a stored hash is worth.
    fn turns_of(&self, stored: &SecretString) -> u32 {
        let stored = stored.expose_secret();
        let turns = match (BcryptHash::parse(stored), StoredHash::parse(stored)) {
            (Some(imported), _) => {
                let nanos = self.bcrypt_nanos << (imported.cost() - bcrypt::LEAST_COST);
                let mean = self.mean_nanos.load(Ordering::Relaxed).max(1);
                nanos.div_ceil(mean)
            }
            (None, Some(stored)) => self.params.times(&stored),
            (None, None) => 1,
        };
        u32::try_from(turns.clamp(1, MOST_TURNS)).unwrap_or(1)
    }

    /// Notes the time of a hash: the first one whole, each later one with a weight of an eighth.
    /// Two threads may overwrite each other's note, which an estimate can bear.
    fn note_hash(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let mean = match self.mean_nanos.load(Ordering::Relaxed) {
            0 => took,
            mean => (mean - mean / 8).saturating_add(took / 8),
        };
        self.mean_nanos.store(mean, Ordering::Relaxed);
    }
}

fn bcrypt_nanos() -> u64 {
    let clock = Clock::system();
    let start = clock.monotonic();
    bcrypt::least_work();
    let took = clock.monotonic().saturating_duration_since(start);
    u64::try_from(took.as_nanos())
        .unwrap_or(u64::MAX >> 16)
        .min(u64::MAX >> 16)
}

/// The engine of this process. The fast one must give what the reference gives, on this very machine.
///
/// # Errors
/// [`HashingError::FastEngineWrong`] when only the fast one will do and it fails its check.
pub fn choose_engine(
    setting: EngineSetting,
    entropy: Entropy,
    metrics: &Metrics,
) -> Result<EngineKind, HashingError> {
    let pinned = match setting {
        EngineSetting::Reference => Some(EngineKind::Reference),
        EngineSetting::ReferencePlain => Some(EngineKind::ReferencePlain),
        EngineSetting::Auto | EngineSetting::Fast => None,
    };
    if let Some(kind) = pinned {
        metrics.hash_engine(kind.as_str(), false);
        return Ok(kind);
    }
    let random = entropy
        .bytes()
        .map_err(|_| HashingError::Engine(EngineError::Refused))?;
    let agree = kernel::agree(&random);
    let kind = match (agree, setting) {
        (true, _) => EngineKind::Fast,
        (false, EngineSetting::Fast) => return Err(HashingError::FastEngineWrong),
        (false, _) => {
            tracing::error!(
                "the fast hash engine computes wrong hashes on this machine; the reference takes its place"
            );
            EngineKind::Reference
        }
    };
    metrics.hash_engine(kind.as_str(), !agree);
    Ok(kind)
}

/// How far below the other threads those that hash stand: they would take all there is, and a refusal or a health check
/// must not wait for them.
const NICENESS: i32 = 10;

/// Lowers the calling thread's priority.
fn yield_to_others() {
    // On Linux a priority is the thread's own. Without it everything works, only less promptly.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!(%error, "a hash thread keeps the usual priority");
    }
}

/// One thread's share: an engine, and the queue it serves.
struct Worker {
    shared: Arc<Shared>,
    kind: EngineKind,
    params: HashParams,
    /// Gone after a panic, until the next job brings a fresh one.
    engine: Option<Engine>,
}

impl Worker {
    /// A worker that has hashed once, so that the pool knows the price of a hash before its first
    /// caller comes.
    fn new(
        shared: &Arc<Shared>,
        kind: EngineKind,
        params: &HashParams,
    ) -> Result<Self, EngineError> {
        let mut engine = Engine::new(kind, params.clone())?;
        let start = shared.clock.monotonic();
        engine.hash(b"", &[0; SALT_BYTES])?;
        shared.note_hash(shared.clock.monotonic().saturating_duration_since(start));
        Ok(Self {
            shared: Arc::clone(shared),
            kind,
            params: params.clone(),
            engine: Some(engine),
        })
    }

    fn memory_bytes(&self) -> usize {
        self.engine.as_ref().map_or(0, Engine::memory_bytes)
    }

    /// Serves the queue until it is closed and empty.
    fn work(&mut self) {
        while let Some(job) = self.next_job() {
            self.shared
                .metrics
                .hash_queue_depth(self.shared.queue.depth());
            self.serve(job);
        }
    }

    /// The next job; nobody's answer is kept back while a thread waits for one.
    fn next_job(&self) -> Option<Job> {
        let Shared { queue, outbox, .. } = &*self.shared;
        queue.try_pop().or_else(|| {
            outbox.empty();
            queue.pop()
        })
    }

    /// Hashes one password, unless it is too late or nobody waits for it any more.
    fn serve(&mut self, job: Job) {
        let start = self.shared.clock.monotonic();
        if start >= job.start_by || !job.claim.take() {
            return;
        }
        if job.task.is_abandoned() {
            self.shared.metrics.hash_refusal("left");
            return;
        }
        self.shared
            .metrics
            .hash_wait(start.saturating_duration_since(job.queued_at).as_secs_f64());
        let Job {
            customer: Customer { tenant, .. },
            password,
            turns,
            task,
            ..
        } = job;
        let password = password.expose_secret().as_bytes();
        let finished = match task {
            Task::Hash(answer) => Finished::Hash(answer, self.hash(tenant, password, start)),
            Task::Verify(stored, answer) => {
                let stored = stored.as_ref().map(ExposeSecret::expose_secret);
                if stored.is_some_and(|stored| !self.params.made_string(stored)) {
                    // A hash from elsewhere may be dear; nobody's answer is kept back for that long.
                    self.shared.outbox.empty();
                }
                let verified = self.timed(tenant, start, turns, |engine| {
                    engine.verify(password, stored)
                });
                Finished::Verify(answer, verified)
            }
        };
        let shared = &self.shared;
        let waiting = shared.queue.waiting_of(tenant);
        let mean = Duration::from_nanos(shared.mean_nanos.load(Ordering::Relaxed));
        shared
            .outbox
            .put(finished, waiting, shared.clock.monotonic(), mean);
    }

    fn hash(
        &mut self,
        tenant: TenantId,
        password: &[u8],
        start: Instant,
    ) -> Result<PasswordHash, HashRefusal> {
        let salt = self.shared.entropy.bytes::<SALT_BYTES>().map_err(|error| {
            tracing::error!(%tenant, %error, "no salt for a password");
            HashRefusal::Failed
        })?;
        self.timed(tenant, start, 1, |engine| engine.hash(password, &salt))
    }

    /// Lets `work` hash once, and notes how long it took for each turn that it was worth.
    fn timed<T>(
        &mut self,
        tenant: TenantId,
        start: Instant,
        turns: u32,
        work: impl FnOnce(&mut Engine) -> Result<T, EngineError>,
    ) -> Result<T, HashRefusal> {
        let done = self.guarded(|engine| {
            fail::fail_point!("hash");
            work(engine)
        });
        let Some(Ok(done)) = done else {
            tracing::error!(%tenant, panicked = done.is_none(), "a hash failed");
            return Err(HashRefusal::Failed);
        };
        let took = self
            .shared
            .clock
            .monotonic()
            .saturating_duration_since(start);
        self.shared.note_hash(took / turns.max(1));
        self.shared.metrics.hash_finished(took.as_secs_f64());
        Ok(done)
    }

    /// Lets `work` use the engine; `None` when it panicked or no memory is left. The thread goes on
    /// either way, with fresh memory, since a panic may leave the old half written.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Engine) -> T) -> Option<T> {
        let mut engine = match self.engine.take() {
            Some(engine) => engine,
            None => Engine::new(self.kind, self.params.clone()).ok()?,
        };
        let done = catch_unwind(AssertUnwindSafe(|| work(&mut engine))).ok()?;
        self.engine = Some(engine);
        Some(done)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Waker};
    use std::time::{Duration, Instant};

    use argon2::{Argon2, PasswordVerifier};

    use super::{HashPool, HashRefusal, HashingError, HashingSettings, PasswordHash, Worker};
    use crate::clock::{Clock, Entropy};
    use crate::domain::ids::TenantId;
    use crate::hashing::engine::Verified;
    use crate::hashing::queue::{Customer, Purpose};
    use crate::hashing::settings::EngineSetting;
    use crate::telemetry::Metrics;

    const TENANT: Customer = Customer {
        tenant: TenantId::from_i64(7),
        weight: std::num::NonZeroU32::MIN,
        most_waiting: None,
        purpose: Purpose::Registration,
    };

    fn settings() -> HashingSettings {
        HashingSettings {
            threads: 1,
            engine: EngineSetting::Auto,
            queue: 4,
            queue_per_tenant: 4,
            wait_ms: 10_000,
            memory_kib: 64,
            iterations: 1,
            lanes: 1,
            allow_weak: true,
        }
    }

    fn prepared(settings: &HashingSettings) -> (HashPool, Vec<Worker>, Metrics) {
        let metrics = Metrics::new(0).unwrap();
        let (pool, workers) =
            HashPool::prepare(settings, Clock::system(), Entropy, metrics.clone()).unwrap();
        (pool, workers, metrics)
    }

    fn started(settings: &HashingSettings) -> (HashPool, Metrics) {
        let (pool, workers, metrics) = prepared(settings);
        pool.spawn(workers).unwrap();
        (pool, metrics)
    }

    fn soon() -> Instant {
        Clock::system().monotonic() + Duration::from_secs(30)
    }

    fn counted(metrics: &Metrics, series: &str) -> bool {
        metrics.encode().unwrap().lines().any(|line| line == series)
    }

    #[tokio::test]
    async fn a_hash_from_elsewhere_is_worth_the_turns_that_it_takes() {
        let (pool, _workers, _) = prepared(&settings());
        let shared = &pool.inner.shared;
        shared.mean_nanos.store(1_000_000, super::Ordering::Relaxed);
        let turns = |stored: &str| shared.turns_of(&stored.into());
        let bcrypt = |cost: u32| {
            turns(&format!(
                "$2y${cost:02}$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"
            ))
        };
        let expected = |cost: u32| {
            (shared.bcrypt_nanos << (cost - 4))
                .div_ceil(1_000_000)
                .clamp(1, 1000)
        };
        for cost in 4..=14 {
            assert_eq!(u64::from(bcrypt(cost)), expected(cost));
        }
        assert!(bcrypt(12) > bcrypt(8) && bcrypt(8) > 1);
        let argon2 = |memory: u32, passes: u32| {
            turns(&format!(
                "$argon2id$v=19$m={memory},t={passes},p=1$BwcHBwcHBwcHBwcHBwcHBw$BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
            ))
        };
        assert_eq!(
            (argon2(64, 1), argon2(32, 1), argon2(65, 1), argon2(640, 2)),
            (1, 1, 2, 20)
        );
        assert_eq!(argon2(262_144, 64), 1000);
    }

    #[tokio::test]
    async fn what_is_no_hash_opens_nothing_and_costs_what_none_costs() {
        let (pool, metrics) = started(&settings());
        for stored in [None, Some("5f4dcc3b5aa765d61d8327deb882cf99"), Some("")] {
            let verified = pool.verify(TENANT, "password".into(), stored.map(Into::into), soon());
            assert_eq!(verified.await.unwrap(), Verified::Wrong);
        }
        assert!(counted(&metrics, "enroll_hashes_total 3"));
    }

    /// Asks for a hash and polls once, so that the password waits in the queue.
    async fn queue_up(
        pool: &HashPool,
    ) -> Pin<Box<dyn Future<Output = Result<PasswordHash, HashRefusal>>>> {
        let pool = pool.clone();
        let mut call: Pin<Box<dyn Future<Output = _>>> =
            Box::pin(async move { pool.hash(TENANT, "pw".into(), soon()).await });
        assert!(
            call.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        call
    }

    #[tokio::test]
    async fn a_hash_opens_with_its_password_and_never_repeats() {
        let (pool, metrics) = started(&settings());
        let one = pool.hash(TENANT, "hunter2".into(), soon()).await.unwrap();
        let two = pool.hash(TENANT, "hunter2".into(), soon()).await.unwrap();
        assert_ne!(one.as_str(), two.as_str());
        for hash in [&one, &two] {
            Argon2::default()
                .verify_password(b"hunter2", hash.as_str())
                .unwrap();
            assert!(
                Argon2::default()
                    .verify_password(b"hunter3", hash.as_str())
                    .is_err()
            );
        }
        assert!(counted(&metrics, "enroll_hashes_total 2"));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let (pool, workers, metrics) = prepared(&settings());
        let mut waiting = Vec::new();
        for _ in 0..4 {
            waiting.push(queue_up(&pool).await);
        }
        assert_eq!(pool.depth(), 4);
        let busy = HashRefusal::Busy {
            retry_after: Duration::from_secs(1),
        };
        let refused = pool.hash(TENANT, "pw".into(), soon()).await.unwrap_err();
        assert_eq!(refused, busy);
        assert_eq!(pool.foresee(&TENANT, soon()), Err(busy));
        assert!(counted(
            &metrics,
            "enroll_hash_refusals_total{reason=\"busy\"} 2"
        ));
        let past = Clock::system().monotonic();
        assert_eq!(pool.foresee(&TENANT, past), Err(HashRefusal::Deadline));
        // A place that its caller left is free, and foreseeing takes none.
        drop(waiting.pop());
        assert_eq!(pool.foresee(&TENANT, soon()), Ok(()));
        waiting.push(queue_up(&pool).await);
        pool.spawn(workers).unwrap();
        for call in waiting {
            call.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_wait_expected_to_be_too_long_is_refused_at_once() {
        let (pool, _workers, _) = prepared(&settings());
        let _waiting = queue_up(&pool).await;
        pool.inner
            .shared
            .mean_nanos
            .store(11_000_000_000, super::Ordering::Relaxed);
        let busy = HashRefusal::Busy {
            retry_after: Duration::from_secs(11),
        };
        assert_eq!(pool.foresee(&TENANT, soon()), Err(busy.clone()));
        let refused = pool.hash(TENANT, "pw".into(), soon()).await.unwrap_err();
        assert_eq!(refused, busy);
    }

    #[tokio::test]
    async fn who_waited_long_enough_leaves_and_costs_nothing() {
        let settings = HashingSettings {
            wait_ms: 20,
            ..settings()
        };
        let (pool, workers, metrics) = prepared(&settings);
        let refused = pool.hash(TENANT, "pw".into(), soon()).await.unwrap_err();
        assert!(matches!(refused, HashRefusal::Busy { .. }));
        pool.spawn(workers).unwrap();
        pool.stop();
        assert!(counted(&metrics, "enroll_hashes_total 0"));
    }

    #[tokio::test]
    async fn the_deadline_of_the_request_counts_too() {
        let (pool, workers, metrics) = prepared(&settings());
        let now = Clock::system().monotonic();
        for deadline in [now, now + Duration::from_millis(20)] {
            let refused = pool.hash(TENANT, "pw".into(), deadline).await.unwrap_err();
            assert_eq!(refused, HashRefusal::Deadline);
        }
        pool.spawn(workers).unwrap();
        pool.stop();
        assert!(counted(&metrics, "enroll_hashes_total 0"));
        assert!(counted(
            &metrics,
            "enroll_hash_refusals_total{reason=\"deadline\"} 2"
        ));
    }

    #[tokio::test]
    async fn a_job_granted_too_late_is_skipped_even_if_its_caller_has_not_noticed() {
        let settings = HashingSettings {
            wait_ms: 100,
            ..settings()
        };
        let (pool, workers, metrics) = prepared(&settings);
        let call = queue_up(&pool).await;
        std::thread::sleep(Duration::from_millis(150));
        pool.spawn(workers).unwrap();
        pool.stop();
        assert!(matches!(call.await.unwrap_err(), HashRefusal::Busy { .. }));
        assert!(counted(&metrics, "enroll_hashes_total 0"));
    }

    #[tokio::test]
    async fn a_caller_who_left_is_skipped() {
        let (pool, workers, metrics) = prepared(&settings());
        drop(queue_up(&pool).await);
        let stays = queue_up(&pool).await;
        pool.spawn(workers).unwrap();
        stays.await.unwrap();
        assert!(counted(&metrics, "enroll_hashes_total 1"));
        assert!(counted(
            &metrics,
            "enroll_hash_refusals_total{reason=\"left\"} 1"
        ));
    }

    #[tokio::test]
    async fn a_hash_that_has_begun_is_awaited_beyond_the_wait_limit() {
        let settings = HashingSettings {
            wait_ms: 100,
            ..settings()
        };
        let (pool, _workers, _) = prepared(&settings);
        let call = queue_up(&pool).await;
        let job = pool.inner.shared.queue.pop().unwrap();
        assert!(job.claim.take());
        let answer = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            let crate::hashing::queue::Task::Hash(answer) = job.task else {
                unreachable!("nothing else was asked for")
            };
            answer.send(Err(HashRefusal::Failed)).unwrap();
        };
        let (outcome, ()) = tokio::join!(call, answer);
        assert_eq!(outcome.unwrap_err(), HashRefusal::Failed);
    }

    #[tokio::test]
    async fn stopping_finishes_what_waits_and_refuses_the_rest() {
        let (pool, workers, metrics) = prepared(&settings());
        let waiting = [
            queue_up(&pool).await,
            queue_up(&pool).await,
            queue_up(&pool).await,
        ];
        pool.spawn(workers).unwrap();
        pool.stop();
        assert!(counted(&metrics, "enroll_hashes_total 3"));
        for call in waiting {
            call.await.unwrap();
        }
        let refused = pool.hash(TENANT, "pw".into(), soon()).await.unwrap_err();
        assert_eq!(refused, HashRefusal::Stopped);
        pool.stop();
    }

    #[tokio::test]
    async fn dropping_the_last_clone_lets_the_threads_end() {
        let (pool, workers, _) = prepared(&settings());
        let shared = std::sync::Arc::downgrade(&pool.inner.shared);
        pool.spawn(workers).unwrap();
        pool.hash(TENANT, "pw".into(), soon()).await.unwrap();
        drop(pool);
        for _ in 0..500 {
            if shared.strong_count() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the threads still hold the pool");
    }

    #[test]
    fn a_panic_costs_one_hash_and_not_the_thread() {
        let (_pool, mut workers, _) = prepared(&settings());
        let worker = workers.first_mut().unwrap();
        assert!(
            worker
                .guarded(|_| -> () { panic!("inside a hash") })
                .is_none()
        );
        assert_eq!(worker.memory_bytes(), 0);
        let hash = worker
            .guarded(|engine| engine.hash(b"pw", &[1; 16]))
            .unwrap()
            .unwrap();
        Argon2::default()
            .verify_password(b"pw", hash.as_str())
            .unwrap();
    }

    #[test]
    fn the_first_hash_is_measured_and_later_ones_move_the_mean() {
        let (pool, _workers, metrics) = prepared(&HashingSettings {
            threads: 2,
            ..settings()
        });
        let shared = &pool.inner.shared;
        assert!(shared.mean_nanos.load(super::Ordering::Relaxed) > 0);
        shared.mean_nanos.store(800, super::Ordering::Relaxed);
        shared.note_hash(Duration::from_nanos(1600));
        assert_eq!(shared.mean_nanos.load(super::Ordering::Relaxed), 900);
        assert!(counted(&metrics, "enroll_hash_threads 2"));
        assert!(counted(&metrics, "enroll_hash_memory_bytes 131072"));
    }

    #[test]
    fn nothing_starts_below_the_floor() {
        let weak = HashingSettings {
            engine: EngineSetting::Auto,
            queue_per_tenant: 1,
            threads: 1,
            queue: 1,
            wait_ms: 1,
            memory_kib: 19_455,
            iterations: 2,
            lanes: 1,
            allow_weak: false,
        };
        let pool = HashPool::start(&weak, Clock::system(), Entropy, Metrics::new(0).unwrap());
        assert!(matches!(pool, Err(HashingError::Settings("memory_kib", _))));
        let good = HashingSettings {
            memory_kib: 19_456,
            threads: 0,
            ..weak
        };
        assert_eq!(good.check(), []);
    }
}
