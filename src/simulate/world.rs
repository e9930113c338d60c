//! What the vendors remember: people, codes, messages, calls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::bounded::Bounded;
use super::modes::{Manner, Modes, Service};
use super::wire::hex;
use crate::clock::{Clock, Entropy, NoEntropy, Timestamp};

/// How many messages are kept; the newest stay.
const MOST_MESSAGES: usize = 10_000;
/// How many people are kept.
const MOST_USERS: usize = 100_000;
/// How many codes, access tokens, tickets and nonces are kept, of each kind.
const MOST_CODES: usize = 100_000;

/// The longest code that a message is read for, in bytes.
const MOST_CODE_BYTES: usize = 32;

/// How long a WeChat code lives.
pub(super) const CODE_LIFE: Duration = Duration::from_secs(300);

pub(super) struct World {
    pub(super) clock: Clock,
    entropy: Entropy,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) modes: Modes,
    /// Calls that were failed or lied to, so that failures and lies take turns.
    turn: usize,
    pub(super) calls: BTreeMap<&'static str, u64>,
    /// WeChat people by name.
    pub(super) users: Bounded<User>,
    /// Who agrees at once when an authorization page is opened.
    pub(super) default_user: Option<String>,
    pub(super) codes: Bounded<Code>,
    pub(super) js_codes: Bounded<JsCode>,
    pub(super) access_tokens: Bounded<Grant>,
    /// The newest first.
    pub(super) messages: VecDeque<Message>,
    /// Captcha tickets that have passed.
    pub(super) tickets: Bounded<()>,
    /// Aliyun's nonces that were used.
    pub(super) nonces: Bounded<()>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) nickname: String,
    /// Whether WeChat tells this person's union id.
    pub(super) unionid: bool,
}

/// Who agreed to what app.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) app_id: String,
    pub(super) user: String,
    pub(super) expires_at: Timestamp,
}

/// A code of the web flow.
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) is_used: bool,
    pub(super) scope: String,
}

/// A code of a mini program, and the key that its data is sealed with.
pub(super) struct JsCode {
    pub(super) grant: Grant,
    pub(super) is_used: bool,
    pub(super) session_key: [u8; 16],
}

/// A text message that was sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Message {
    pub(super) phone: String,
    pub(super) code: Option<String>,
    pub(super) provider: &'static str,
    pub(super) template: Option<String>,
    pub(super) sent_at: String,
}

impl World {
    pub(super) fn new(clock: Clock, entropy: Entropy) -> Self {
        Self {
            clock,
            entropy,
            state: Mutex::new(State {
                modes: Modes::default(),
                turn: 0,
                calls: BTreeMap::new(),
                users: Bounded::new(MOST_USERS),
                default_user: None,
                codes: Bounded::new(MOST_CODES),
                js_codes: Bounded::new(MOST_CODES),
                access_tokens: Bounded::new(MOST_CODES),
                messages: VecDeque::new(),
                tickets: Bounded::new(MOST_CODES),
                nonces: Bounded::new(MOST_CODES),
            }),
        }
    }

    /// The state; never held across an await. Each change is whole, so a panic elsewhere spoils nothing.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and tells how it is met.
    pub(super) fn meet(&self, service: Service, endpoint: &'static str) -> Manner {
        let mut state = self.state();
        *state.calls.entry(endpoint).or_default() += 1;
        let manner = state.modes.manner(service, state.turn);
        if matches!(manner, Manner::Failing(_) | Manner::Lying(_)) {
            state.turn = state.turn.wrapping_add(1);
        }
        manner
    }

    pub(super) fn random<const N: usize>(&self) -> Result<[u8; N], NoEntropy> {
        self.entropy.bytes::<N>()
    }

    /// A new request id, as a UUID looks.
    pub(super) fn request_id(&self) -> Result<String, NoEntropy> {
        let parts = [
            hex(&self.random::<4>()?),
            hex(&self.random::<2>()?),
            hex(&self.random::<2>()?),
            hex(&self.random::<2>()?),
            hex(&self.random::<6>()?),
        ];
        Ok(parts.join("-"))
    }

    /// A grant that begins now.
    pub(super) fn grant(&self, app_id: &str, user: &str, life: Duration) -> Grant {
        Grant {
            app_id: app_id.to_owned(),
            user: user.to_owned(),
            expires_at: self.clock.now().plus(life),
        }
    }

    /// Keeps a message that was sent.
    pub(super) fn deliver(
        &self,
        provider: &'static str,
        phone: String,
        code: Option<String>,
        template: Option<String>,
    ) {
        let message = Message {
            phone,
            code: code.filter(|code| code.len() <= MOST_CODE_BYTES),
            provider,
            template,
            sent_at: self.clock.now().to_rfc3339(0),
        };
        let mut state = self.state();
        state.messages.push_front(message);
        state.messages.truncate(MOST_MESSAGES);
    }
}

impl State {
    /// The person of this name, made on first use.
    pub(super) fn user(&mut self, name: &str) -> User {
        if let Some(user) = self.users.get(name) {
            return user.clone();
        }
        let user = User {
            name: name.to_owned(),
            nickname: name.to_owned(),
            unionid: false,
        };
        self.users.insert(name.to_owned(), user.clone());
        user
    }
}

/// Whether a person may have this name; what is kept must be short.
pub(super) fn may_be_name(text: &str) -> bool {
    (1..=64).contains(&text.chars().count())
}

/// The openid of a person at an app: the same in every run, another at every app, 28 characters as WeChat's are.
pub(super) fn open_id(app_id: &str, user: &str) -> String {
    wechat_id(&format!("openid\n{app_id}\n{user}"))
}

impl User {
    /// The union id, if WeChat tells it. All simulated apps belong to one open platform account.
    pub(super) fn union_id(&self) -> Option<String> {
        self.unionid
            .then(|| wechat_id(&format!("unionid\n{}", self.name)))
    }

    pub(super) fn avatar_url(&self) -> String {
        let id = wechat_id(&format!("avatar\n{}", self.name));
        format!("https://thirdwx.qlogo.cn/mmopen/vi_32/{id}/132")
    }
}

fn wechat_id(of: &str) -> String {
    let tag = sign(&Key::new(HMAC_SHA256, b"simulated people"), of.as_bytes());
    let text = URL_SAFE_NO_PAD.encode(tag);
    std::iter::once('o').chain(text.chars().take(27)).collect()
}

#[cfg(test)]
mod tests {
    use super::{MOST_MESSAGES, World, open_id};
    use crate::clock::{Clock, Entropy};

    #[test]
    fn the_newest_messages_stay() {
        let world = World::new(Clock::system(), Entropy);
        for number in 0..=MOST_MESSAGES {
            world.deliver("gateway", number.to_string(), None, None);
        }
        let state = world.state();
        assert_eq!(state.messages.len(), MOST_MESSAGES);
        assert_eq!(state.messages[0].phone, MOST_MESSAGES.to_string());
        assert_eq!(state.messages[MOST_MESSAGES - 1].phone, "1");
    }

    #[test]
    fn an_openid_belongs_to_one_app_and_one_person() {
        let ada = open_id("wx1", "ada");
        assert_eq!((ada.len(), ada.chars().next()), (28, Some('o')));
        assert_eq!(ada, open_id("wx1", "ada"));
        assert_ne!(ada, open_id("wx2", "ada"));
        assert_ne!(ada, open_id("wx1", "bob"));
    }
}
