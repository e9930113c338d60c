use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Bounds, Claim, Customer, Job, NotQueued, Purpose, Queue, Task};
use crate::clock::Clock;
use crate::domain::ids::TenantId;

const WIDE: Bounds = Bounds {
    total: 10_000,
    per_tenant: 10_000,
};

fn customer(tenant: i64, weight: u32, purpose: Purpose) -> Customer {
    Customer {
        tenant: TenantId::from_i64(tenant),
        weight: NonZeroU32::new(weight).unwrap(),
        most_waiting: None,
        purpose,
    }
}

/// A job that is told from others by its password.
fn job_of(customer: Customer, name: &str) -> Job {
    let now = Clock::system().monotonic();
    let (answer, caller) = oneshot::channel();
    // The caller stays for ever.
    std::mem::forget(caller);
    Job {
        customer,
        password: name.to_owned().into(),
        queued_at: now,
        start_by: now + Duration::from_secs(1),
        claim: Claim::default(),
        turns: 1,
        task: Task::Hash(answer),
    }
}

fn job(tenant: i64) -> Job {
    job_of(customer(tenant, 1, Purpose::Registration), "secret")
}

fn popped(queue: &Queue, count: usize) -> Vec<i64> {
    (0..count)
        .map(|_| queue.pop().unwrap().customer.tenant.as_i64())
        .collect()
}

#[test]
fn a_quiet_tenant_has_its_turn_before_a_loud_ones_next() {
    let queue = Queue::new(WIDE);
    for _ in 0..100 {
        queue.push(job(1)).unwrap();
    }
    assert_eq!(popped(&queue, 2), [1, 1]);
    queue.push(job(2)).unwrap();
    queue.push(job(2)).unwrap();
    assert_eq!(queue.ahead_of(&customer(3, 1, Purpose::Registration)), 2);
    assert_eq!(popped(&queue, 4), [2, 1, 2, 1]);
}

#[test]
fn whoever_comes_again_and_again_gains_nothing_by_it() {
    let queue = Queue::new(WIDE);
    for _ in 0..100 {
        queue.push(job(1)).unwrap();
    }
    assert_eq!(popped(&queue, 1), [1]);
    // Two that always come back as soon as they were served, with one job each.
    let mut served: HashMap<i64, u32> = HashMap::new();
    for tenant in [2, 3] {
        queue.push(job(tenant)).unwrap();
    }
    for _ in 0..90 {
        let tenant = popped(&queue, 1)[0];
        *served.entry(tenant).or_default() += 1;
        if tenant != 1 {
            queue.push(job(tenant)).unwrap();
        }
    }
    assert!(
        served.values().all(|turns| (29..=31).contains(turns)),
        "{served:?}"
    );
}

#[test]
fn a_place_that_nobody_wants_is_gone_when_its_turn_comes() {
    let queue = Queue::new(WIDE);
    let known = || queue.line().registrations.tenants.len();
    for tenant in 0..50 {
        queue.push(job(tenant)).unwrap();
    }
    let leaving = job(50);
    let claim = leaving.claim.clone();
    queue.push(leaving).unwrap();
    assert!(claim.take());
    queue.line().drop_abandoned();
    assert_eq!(queue.depth(), 50);
    assert_eq!(popped(&queue, 50), (0..50).collect::<Vec<_>>());
    assert!(known() >= 50);
    assert!(queue.try_pop().is_none());
    assert_eq!(known(), 0);
}

#[test]
fn a_tenants_own_bound_holds_within_the_servers() {
    let queue = Queue::new(Bounds {
        total: 100,
        per_tenant: 3,
    });
    let of = |tenant, most| Customer {
        most_waiting: NonZeroU32::new(most),
        ..customer(tenant, 1, Purpose::Registration)
    };
    for (tenant, most, room) in [(1, 2, 2), (2, 9, 3), (3, 0, 3)] {
        let customer = of(tenant, most);
        assert_eq!(queue.bound_of(&customer), room);
        for _ in 0..room {
            queue.push(job_of(customer, "secret")).unwrap();
        }
        let refused = queue.push(job_of(customer, "secret"));
        assert_eq!(refused.unwrap_err(), NotQueued::Full);
        assert_eq!(queue.waiting_of(customer.tenant), room);
    }
    // A bound that shrinks keeps those who wait, and lets nobody in before they are fewer.
    assert!(queue.push(job_of(of(2, 1), "secret")).is_err());
    assert_eq!(queue.depth(), 8);
}

#[test]
fn turns_follow_the_weights() {
    let queue = Queue::new(WIDE);
    for _ in 0..12 {
        for (tenant, weight) in [(1, 3), (2, 1), (3, 2)] {
            let job = job_of(customer(tenant, weight, Purpose::Registration), "secret");
            queue.push(job).unwrap();
        }
    }
    assert_eq!(popped(&queue, 12), [1, 1, 1, 2, 3, 3, 1, 1, 1, 2, 3, 3]);
}

#[test]
fn a_dear_job_is_paid_for_in_turns() {
    let queue = Queue::new(WIDE);
    let dear = |tenant, turns| Job {
        turns,
        ..job(tenant)
    };
    for _ in 0..3 {
        queue.push(dear(1, 4)).unwrap();
    }
    for _ in 0..12 {
        queue.push(job(2)).unwrap();
    }
    assert_eq!(queue.ahead_of(&customer(1, 1, Purpose::Registration)), 24);
    assert_eq!(queue.ahead_of(&customer(3, 1, Purpose::Registration)), 2);
    // Four turns of work each: one job of the one, four of the other.
    assert_eq!(popped(&queue, 10), [1, 2, 2, 2, 2, 1, 2, 2, 2, 2]);
    // Whoever leaves still owes, as long as others wait.
    assert_eq!(popped(&queue, 1), [1]);
    queue.push(job(1)).unwrap();
    assert_eq!(popped(&queue, 5), [2, 2, 2, 2, 1]);
    assert_eq!((queue.depth(), queue.line().registrations.work), (0, 0));
    // With nobody else there, nobody waits for a debt.
    queue.push(dear(1, 1000)).unwrap();
    queue.push(dear(1, 1000)).unwrap();
    assert_eq!(popped(&queue, 2), [1, 1]);
    assert!(queue.try_pop().is_none());
}

#[test]
fn work_is_shared_by_weight_however_dear_the_jobs() {
    const MOST_TURNS: u64 = 40;
    let weights = [(1_i64, 1_u32), (2, 1), (3, 3)];
    for seed in 1..=200_u64 {
        let queue = Queue::new(WIDE);
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % MOST_TURNS + 1
        };
        for (tenant, weight) in weights {
            for _ in 0..300 {
                // The first tenant's jobs are all plain.
                let turns = if tenant == 1 {
                    1
                } else {
                    u32::try_from(random()).unwrap()
                };
                let plain = job_of(customer(tenant, weight, Purpose::Registration), "secret");
                queue.push(Job { turns, ..plain }).unwrap();
            }
        }
        let mut work: HashMap<i64, u64> = HashMap::new();
        // Nobody has come to the end of their jobs by then.
        while work.get(&1).copied().unwrap_or(0) < 250 {
            let job = queue.pop().unwrap();
            *work.entry(job.customer.tenant.as_i64()).or_default() += u64::from(job.turns);
        }
        for (tenant, weight) in weights {
            let share = work[&tenant].abs_diff(250 * u64::from(weight));
            assert!(
                share <= MOST_TURNS + u64::from(weight),
                "seed {seed}: {work:?}"
            );
        }
    }
}

#[test]
fn dear_logins_leave_registrations_their_share() {
    let queue = Queue::new(WIDE);
    for _ in 0..10 {
        let login = job_of(customer(2, 1, Purpose::Login), "secret");
        queue.push(Job { turns: 5, ..login }).unwrap();
    }
    for _ in 0..100 {
        queue.push(job(1)).unwrap();
    }
    // For each login worth five turns there are fifteen registrations.
    let served = popped(&queue, 48);
    assert_eq!(
        served.iter().filter(|tenant| **tenant == 2).count(),
        3,
        "{served:?}"
    );
}

#[test]
fn while_both_wait_every_fourth_turn_is_a_logins() {
    let queue = Queue::new(WIDE);
    for _ in 0..8 {
        queue.push(job(1)).unwrap();
        queue
            .push(job_of(customer(2, 1, Purpose::Login), "secret"))
            .unwrap();
    }
    // The first login is a newcomer's.
    assert_eq!(popped(&queue, 9), [1, 2, 1, 1, 2, 1, 1, 1, 2]);
    // Registrations are done soon; then all turns are the logins'.
    assert_eq!(popped(&queue, 7), [1, 1, 2, 2, 2, 2, 2]);
}

#[test]
fn a_newcomer_waits_for_nobody_of_the_other_purpose_but_no_two_go_first_in_a_row() {
    let queue = Queue::new(WIDE);
    let login = |tenant| job_of(customer(tenant, 1, Purpose::Login), "secret");
    for _ in 0..20 {
        queue.push(job(1)).unwrap();
        queue.push(login(2)).unwrap();
    }
    assert_eq!(popped(&queue, 5), [1, 2, 1, 1, 2]);
    for tenant in [3, 4] {
        queue.push(login(tenant)).unwrap();
    }
    assert_eq!(popped(&queue, 5), [3, 1, 4, 1, 1]);
    // The login's turn is due.
    queue.push(job(5)).unwrap();
    assert_eq!(popped(&queue, 3), [5, 2, 1]);
}

#[test]
fn both_bounds_hold_and_callers_who_left_make_room() {
    let bounds = Bounds {
        total: 3,
        per_tenant: 2,
    };
    let queue = Queue::new(bounds);
    let leaving = job(1);
    let claim = leaving.claim.clone();
    queue.push(leaving).unwrap();
    queue.push(job(1)).unwrap();
    assert_eq!(queue.push(job(1)), Err(NotQueued::Full));
    queue.push(job(2)).unwrap();
    assert_eq!(queue.push(job(3)), Err(NotQueued::Full));
    assert!(claim.take());
    queue.push(job(3)).unwrap();
    assert_eq!(queue.depth(), 3);
    assert_eq!(popped(&queue, 3), [1, 2, 3]);
}

#[test]
fn a_closed_queue_empties_and_then_ends() {
    let queue = Queue::new(WIDE);
    queue.push(job(1)).unwrap();
    queue.close();
    assert_eq!(queue.push(job(2)), Err(NotQueued::Closed));
    assert!(queue.pop().is_some());
    assert!(queue.pop().is_none());
}

#[test]
fn closing_wakes_every_thread_that_waits() {
    let queue = Arc::new(Queue::new(WIDE));
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || queue.pop().is_none())
        })
        .collect();
    queue.close();
    assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
}

#[test]
fn a_poisoned_lock_still_works() {
    let queue = Arc::new(Queue::new(WIDE));
    let other = Arc::clone(&queue);
    let died = std::thread::spawn(move || {
        let _line = other.line();
        panic!("while holding the lock");
    });
    assert!(died.join().is_err());
    queue.push(job(1)).unwrap();
    assert_eq!(queue.depth(), 1);
}

#[test]
fn a_claim_goes_to_the_first_taker_only() {
    let claim = Claim::default();
    let other = claim.clone();
    assert!(claim.take());
    assert!(!other.take());
}

#[test]
fn no_wake_up_is_lost_between_many_threads() {
    let queue = Arc::new(Queue::new(WIDE));
    let served = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (queue, served) = (Arc::clone(&queue), Arc::clone(&served));
            std::thread::spawn(move || {
                while queue.pop().is_some() {
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let callers: Vec<_> = (0..4)
        .map(|tenant| {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                for number in 0..2000 {
                    queue.push(job(tenant)).unwrap();
                    if number % 100 == 0 {
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    queue.close();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!(served.load(Ordering::Relaxed), 8000);
}

/// Numbers that a seed decides (xorshift64*).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}

/// What a simulation knows of each job, beside the queue.
struct Expected {
    /// Jobs popped when this one came.
    came_at: usize,
    /// Jobs of its own line that were before it.
    own_ahead: usize,
}

/// One arrival pattern: tenants of random weights push and threads pop, at random, under random bounds. Checked at each
/// step: bounds; nothing waits while a thread asks; first come, first served within a tenant and purpose; no job waits for
/// more than the turns that weights and purposes give the others.
fn simulate(seed: u64) {
    let mut random = Seeded(seed | 1);
    let bounds = Bounds {
        total: 1 + usize::try_from(random.below(60)).unwrap(),
        per_tenant: 1 + usize::try_from(random.below(20)).unwrap(),
    };
    let queue = Queue::new(bounds);
    let tenants = 1 + random.below(6);
    let weights: Vec<u32> = (0..tenants)
        .map(|_| 1 + u32::try_from(random.below(4)).unwrap())
        .collect();
    let all_weights: usize = weights.iter().map(|weight| *weight as usize).sum();
    // How loud each tenant is.
    let loud: Vec<u64> = (0..tenants).map(|_| 1 + random.below(20)).collect();
    let mut waiting: HashMap<(i64, Purpose), Vec<String>> = HashMap::new();
    let mut expected: HashMap<String, Expected> = HashMap::new();
    let (mut depth, mut pops) = (0, 0);
    for step in 0..400 {
        if random.below(5) < 3 {
            let tenant = pick(&mut random, &loud);
            let weight = weights[tenant];
            let purpose = match random.below(3) {
                0 => Purpose::Login,
                _ => Purpose::Registration,
            };
            let customer = customer(i64::try_from(tenant).unwrap(), weight, purpose);
            let name = format!("{step}");
            let key = (customer.tenant.as_i64(), purpose);
            let own: usize = [Purpose::Login, Purpose::Registration]
                .iter()
                .map(|purpose| waiting.get(&(key.0, *purpose)).map_or(0, Vec::len))
                .sum();
            let has_room = depth < bounds.total && own < bounds.per_tenant;
            let pushed = queue.push(job_of(customer, &name));
            assert_eq!(pushed.is_ok(), has_room, "seed {seed} step {step}");
            if has_room {
                let line = waiting.entry(key).or_default();
                let own_ahead = line.len();
                line.push(name.clone());
                depth += 1;
                expected.insert(
                    name,
                    Expected {
                        came_at: pops,
                        own_ahead,
                    },
                );
            }
        } else if depth > 0 {
            let job = queue.pop().unwrap();
            let key = (job.customer.tenant.as_i64(), job.customer.purpose);
            let line = waiting.get_mut(&key).unwrap();
            let name = line.remove(0);
            assert_eq!(
                secrecy::ExposeSecret::expose_secret(&job.password),
                name,
                "seed {seed} step {step}"
            );
            let Expected { came_at, own_ahead } = &expected[&name];
            let waited = pops - came_at;
            // Its own rounds, each with a turn of every weight, and for each of those the turns of the other purpose.
            let rounds = own_ahead / usize::try_from(job.customer.weight.get()).unwrap() + 2;
            let share = if job.customer.purpose == Purpose::Login {
                8
            } else {
                3
            };
            let most = (rounds * all_weights + 1) * share;
            assert!(
                waited <= most,
                "seed {seed} step {step}: waited {waited}, at most {most}"
            );
            expected.remove(&name);
            depth -= 1;
            pops += 1;
        }
        assert_eq!(queue.depth(), depth, "seed {seed} step {step}");
    }
}

fn pick(random: &mut Seeded, loud: &[u64]) -> usize {
    let mut ticket = random.below(loud.iter().sum());
    loud.iter()
        .position(|share| {
            let hit = ticket < *share;
            ticket = ticket.saturating_sub(*share);
            hit
        })
        .unwrap_or(0)
}

#[test]
fn thousands_of_arrival_patterns_keep_every_promise() {
    for seed in 0..4000 {
        simulate(seed * 0x9E37_79B9 + 1);
    }
}

/// Two tenants that always wait: between any two moments, their turns differ by no more than one round of weights.
#[test]
fn shares_of_tenants_that_always_wait_follow_their_weights() {
    for seed in 1..500 {
        let mut random = Seeded(seed);
        let weights =
            [1 + random.below(5), 1 + random.below(5)].map(|weight| u32::try_from(weight).unwrap());
        let queue = Queue::new(WIDE);
        let push = |tenant: usize| {
            let customer = customer(
                i64::try_from(tenant).unwrap(),
                weights[tenant],
                Purpose::Registration,
            );
            queue.push(job_of(customer, "secret")).unwrap();
        };
        for tenant in [0, 1] {
            for _ in 0..5 {
                push(tenant);
            }
        }
        let mut served = [0_i64; 2];
        for _ in 0..200 {
            let tenant = usize::try_from(queue.pop().unwrap().customer.tenant.as_i64()).unwrap();
            served[tenant] += 1;
            push(tenant);
            let [one, two] = weights.map(i64::from);
            let apart = (served[0] * two - served[1] * one).abs();
            assert!(
                apart <= one * two,
                "seed {seed}: {served:?} of weights {weights:?}"
            );
        }
    }
}

/// What the queue says to a caller about the turns before its own is enough, if nobody comes after it.
#[test]
fn the_estimate_of_turns_ahead_is_an_upper_bound() {
    for seed in 1..2000 {
        let mut random = Seeded(seed);
        let queue = Queue::new(WIDE);
        let mut draw = |queue: &Queue, name: &str| {
            let tenant = random.below(5);
            let purpose = match random.below(3) {
                0 => Purpose::Login,
                _ => Purpose::Registration,
            };
            let weight = 1 + u32::try_from(tenant % 3).unwrap();
            let customer = customer(i64::try_from(tenant).unwrap(), weight, purpose);
            let ahead = queue.ahead_of(&customer);
            queue.push(job_of(customer, name)).unwrap();
            ahead
        };
        for _ in 0..seed % 60 {
            draw(&queue, "other");
        }
        for _ in 0..(seed % 7).min(seed % 60) {
            queue.pop();
        }
        let ahead = draw(&queue, "probe");
        let mut before = 0;
        while secrecy::ExposeSecret::expose_secret(&queue.pop().unwrap().password) != "probe" {
            before += 1;
        }
        assert!(
            before <= ahead,
            "seed {seed}: {before} before, {ahead} promised"
        );
    }
}
