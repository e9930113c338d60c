//! What a bounded resource of a tenant looks like now, and which of them limits the tenant.

use std::time::Duration;

use super::refusals::Refused;

/// A bounded resource of one tenant at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What operators call it.
    pub name: String,
    /// The tenant's setting that bounds it.
    pub setting: &'static str,
    /// Where calls meet it.
    pub stage: Stage,
    /// Places taken; `None` where there is no one number, as for a limit per address.
    pub in_use: Option<u64>,
    /// Places there are; `None` where the tenant has no such bound.
    pub bound: Option<u64>,
    /// Callers in line for a place; `None` where nobody waits and the excess is refused at once.
    pub waiting: Option<u64>,
    /// How long one more caller would wait; `None` where nobody waits.
    pub expected_wait: Option<Duration>,
    /// Calls turned away for want of a place, or of an answer in time.
    pub refused: Refused,
}

/// Where calls meet a resource, in the order in which they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Counted at the door.
    Limit,
    /// Let in at the door.
    Admission,
    /// Worked on behind it.
    Work,
}

impl Resource {
    /// Whether the next callers will hardly find a place: more than four fifths are taken, and somebody waits where
    /// waiting is possible.
    fn is_pressed(&self) -> bool {
        let (Some(in_use), Some(bound)) = (self.in_use, self.bound) else {
            return false;
        };
        in_use.saturating_mul(5) > bound.saturating_mul(4) && self.waiting != Some(0)
    }
}

/// The resource that limits the tenant now; `None` when nothing does.
///
/// That is one that turned somebody away within the last 10 s; without such, one that is pressed. Of several it is the
/// one farthest along the way, because what stands there fills what lies before it; of those at one stage, the one with
/// most refusals, then with the greatest part in use.
#[must_use]
pub fn limiting(resources: &[Resource]) -> Option<&Resource> {
    let refusing = resources
        .iter()
        .filter(|resource| resource.refused.lately > 0)
        .max_by_key(|resource| (resource.stage, resource.refused.lately));
    refusing.or_else(|| {
        resources
            .iter()
            .filter(|resource| resource.is_pressed())
            .max_by_key(|resource| (resource.stage, resource.per_mille()))
    })
}

impl Resource {
    /// Thousandths in use.
    fn per_mille(&self) -> u64 {
        let bound = self.bound.unwrap_or(u64::MAX).max(1);
        self.in_use.unwrap_or(0).saturating_mul(1000) / bound
    }
}

#[cfg(test)]
mod tests {
    use super::{Refused, Resource, Stage, limiting};

    fn resource(name: &str, stage: Stage, in_use: u64, bound: u64) -> Resource {
        Resource {
            name: name.to_owned(),
            setting: "",
            stage,
            in_use: Some(in_use),
            bound: Some(bound),
            waiting: None,
            expected_wait: None,
            refused: Refused::default(),
        }
    }

    fn refused(lately: u64, resource: Resource) -> Resource {
        let refused = Refused {
            lately,
            last_minute: lately,
        };
        Resource {
            refused,
            ..resource
        }
    }

    fn named(resources: &[Resource]) -> Option<&str> {
        limiting(resources).map(|resource| resource.name.as_str())
    }

    #[test]
    fn what_refused_lately_limits_and_the_deepest_of_them_first() {
        let door = refused(9, resource("door", Stage::Admission, 1, 10));
        let limit = refused(99, resource("limit", Stage::Limit, 1, 10));
        let hash = refused(1, resource("hash", Stage::Work, 1, 10));
        let database = refused(2, resource("database", Stage::Work, 1, 10));
        let full = resource("full", Stage::Work, 10, 10);
        let all = [limit, door, hash, database, full];
        assert_eq!(named(&all), Some("database"));
        assert_eq!(named(&all[..3]), Some("hash"));
        assert_eq!(named(&all[..2]), Some("door"));
        assert_eq!(named(&all[..1]), Some("limit"));
        assert_eq!(named(&all[4..]), Some("full"));
    }

    #[test]
    fn without_a_refusal_more_than_four_fifths_in_use_limit() {
        let eight = resource("a", Stage::Work, 8, 10);
        assert_eq!(named(std::slice::from_ref(&eight)), None);
        let nine = resource("b", Stage::Work, 9, 10);
        let ten = resource("c", Stage::Work, 10, 10);
        assert_eq!(named(&[eight, ten, nine]), Some("c"));
        assert_eq!(named(&[]), None);
    }

    #[test]
    fn a_resource_with_a_line_limits_only_when_somebody_stands_in_it() {
        let busy = Resource {
            waiting: Some(0),
            ..resource("database", Stage::Work, 4, 4)
        };
        assert_eq!(named(std::slice::from_ref(&busy)), None);
        let waited_for = Resource {
            waiting: Some(1),
            ..busy
        };
        assert_eq!(named(&[waited_for]), Some("database"));
    }

    #[test]
    fn what_has_no_bound_limits_by_refusals_alone() {
        let unbounded = Resource {
            bound: None,
            ..resource("door", Stage::Admission, 1000, 0)
        };
        assert_eq!(named(std::slice::from_ref(&unbounded)), None);
        assert_eq!(named(&[refused(1, unbounded)]), Some("door"));
    }
}
