//! How the vendors behave: well, slowly, or badly on purpose (`docs/threats.md` row 82).

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a vendor sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Wechat,
    Sms,
    Captcha,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    #[default]
    Good,
    /// The true answer, after `slow_ms`.
    Slow,
    /// No answer to the question: see [`Failure`].
    Failing,
    /// An answer that must not be believed: see [`Lie`].
    Lying,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Failure {
    /// HTTP 500 with a page.
    Status,
    /// The vendor's own words for "not now".
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Lie {
    /// Text that is cut in the middle of its JSON.
    Json,
    /// 10 MiB of well-formed JSON.
    Huge,
    /// 302 to another path, which counts who follows (`redirect_followed`).
    Redirect,
    /// 200 with an error; at WeChat beside all the fields of success.
    Errcode,
    /// The openid of somebody else, in `userinfo` and `jscode2session`.
    Openid,
    /// Another session key than the one that sealed the data, in `jscode2session`.
    SessionKey,
}

const FAILURES: [Failure; 2] = [Failure::Status, Failure::Refused];
const LIES: [Lie; 4] = [Lie::Json, Lie::Huge, Lie::Redirect, Lie::Errcode];
const LIES_OF_WECHAT: [Lie; 6] = [
    Lie::Json,
    Lie::Huge,
    Lie::Redirect,
    Lie::Errcode,
    Lie::Openid,
    Lie::SessionKey,
];

/// The modes of all three services; what is left out is good.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Modes {
    pub(super) wechat: Mode,
    pub(super) sms: Mode,
    pub(super) captcha: Mode,
    /// Milliseconds; at most a minute.
    pub(super) slow_ms: u64,
    /// One failure always; without it they take turns.
    pub(super) failure: Option<Failure>,
    /// One lie always; without it they take turns.
    pub(super) lie: Option<Lie>,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            wechat: Mode::Good,
            sms: Mode::Good,
            captcha: Mode::Good,
            slow_ms: 5000,
            failure: None,
            lie: None,
        }
    }
}

/// What one call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Good,
    Slow(Duration),
    Failing(Failure),
    Lying(Lie),
}

/// Longest delay that [`Mode::Slow`] may be given.
const MOST_SLOW_MS: u64 = 60_000;

impl Modes {
    /// Why these modes cannot stand, if they cannot.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if self.slow_ms > MOST_SLOW_MS {
            return Some("slow_ms: at most 60000");
        }
        let wechat_alone = matches!(self.lie, Some(Lie::Openid | Lie::SessionKey));
        let others_lie = self.sms == Mode::Lying || self.captcha == Mode::Lying;
        (wechat_alone && others_lie).then_some("lie: only WeChat knows openid and session_key")
    }

    /// How a call to the service is met; `turn` counts the calls that were met badly.
    pub(super) fn manner(&self, service: Service, turn: usize) -> Manner {
        let (mode, lies) = match service {
            Service::Wechat => (self.wechat, LIES_OF_WECHAT.as_slice()),
            Service::Sms => (self.sms, LIES.as_slice()),
            Service::Captcha => (self.captcha, LIES.as_slice()),
        };
        match mode {
            Mode::Good => Manner::Good,
            Mode::Slow => Manner::Slow(Duration::from_millis(self.slow_ms)),
            Mode::Failing => {
                let next = in_turn(&FAILURES, turn).unwrap_or(Failure::Status);
                Manner::Failing(self.failure.unwrap_or(next))
            }
            Mode::Lying => {
                let next = in_turn(lies, turn).unwrap_or(Lie::Json);
                Manner::Lying(self.lie.unwrap_or(next))
            }
        }
    }
}

fn in_turn<T: Copy>(all: &[T], turn: usize) -> Option<T> {
    all.iter().cycle().nth(turn % all.len().max(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::{Failure, Lie, Manner, Mode, Modes, Service};

    #[test]
    fn bad_manners_take_turns_unless_one_is_chosen() {
        let mut modes = Modes {
            wechat: Mode::Lying,
            sms: Mode::Failing,
            ..Modes::default()
        };
        assert_eq!(modes.manner(Service::Captcha, 0), Manner::Good);
        let met: Vec<_> = (0..3)
            .map(|turn| modes.manner(Service::Sms, turn))
            .collect();
        let (status, refused) = (
            Manner::Failing(Failure::Status),
            Manner::Failing(Failure::Refused),
        );
        assert_eq!(met, [status, refused, status]);
        assert_eq!(
            modes.manner(Service::Wechat, 5),
            Manner::Lying(Lie::SessionKey)
        );
        modes.lie = Some(Lie::Huge);
        assert_eq!(modes.manner(Service::Wechat, 5), Manner::Lying(Lie::Huge));
        assert_eq!(modes.fault(), None);
        modes.lie = Some(Lie::Openid);
        modes.captcha = Mode::Lying;
        assert!(modes.fault().is_some());
    }
}
