//! How a contact opens and ends: questions, cookies, answers (`docs/udp.md`).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::contact::{Contact, Phase};
use crate::cookies::Cookies;
use crate::message::{Confirmation, Message, Probe};
use crate::options::Options;
use crate::packet::{KEEPALIVE, Packet};
use crate::saying::{COOKIE_LENGTH, Saying};
use crate::spans::Spans;

/// The pause before a question is asked again; it doubles.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// The longest such pause.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(5);

/// What we ask with.
#[derive(Debug)]
pub(crate) struct Asking {
    cookie: Option<[u8; COOKIE_LENGTH]>,
    pause: Duration,
    pub(crate) again_at: Instant,
    pub(crate) until: Instant,
    times: u64,
}

impl Asking {
    pub(crate) fn new(now: Instant, options: &Options) -> Self {
        Self { cookie: None, pause: AGAIN_AFTER, again_at: now, until: now + options.opening, times: 0 }
    }
}

impl Contact {
    /// The question, if it is time to ask.
    pub(crate) fn ask(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let Phase::Asking(asking) = &mut self.phase else { return false };
        if asking.again_at > now {
            return false;
        }
        asking.again_at = now + asking.pause;
        asking.pause = (asking.pause * 2).min(AGAIN_AFTER_MAX);
        // Who speaks the draft and not our extension answers this.
        let probe = Probe { nonce: self.terms.token >> 32, sequence: asking.times, delay_ms: 0 };
        asking.times += 1;
        let cookie = asking.cookie;
        let saying = Saying::Ask {
            from: self.terms.token,
            cookie: cookie.as_ref().map_or(&[], |cookie| cookie.as_slice()),
            mru: self.terms.options.transfer_mru,
        };
        let options = &self.terms.options;
        let others = Message { probe: Some(probe), ..advertisement(options) };
        saying.say_with(options.private_id, others, out);
        true
    }

    /// Something that only packmule nodes say.
    pub(crate) fn handle_saying(&mut self, now: Instant, saying: &Saying<'_>, node_id: Option<&str>) {
        let us = self.terms.token;
        match *saying {
            Saying::Ask { from, cookie, mru } => self.asked(now, (from, cookie, mru), node_id),
            Saying::Cookie { to, cookie } if to == us => {
                if let (Phase::Asking(asking), Ok(cookie)) = (&mut self.phase, cookie.try_into())
                    && asking.cookie != Some(cookie)
                {
                    (asking.cookie, asking.again_at) = (Some(cookie), now);
                }
            }
            Saying::Answer { to, from, mru } if to == us => {
                if matches!(self.phase, Phase::Asking(_)) {
                    self.open_to(from, mru, node_id);
                }
                if self.them == Some(from) {
                    self.heard(now);
                }
            }
            Saying::Segments { to, number, segments } if to == us && self.them.is_some() => {
                self.heard(now);
                self.handle_segments(now, number, segments);
            }
            Saying::Segments { to, .. } if to != us => {
                let mut unknown = Vec::new();
                Saying::Unknown { token: to }.say(self.terms.options.private_id, &mut unknown);
                self.answer(unknown);
            }
            Saying::Account { to, highest, octets, delay_us } if to == us && self.them.is_some() => {
                self.heard(now);
                self.pace.account(now, highest, octets, Duration::from_micros(delay_us));
            }
            Saying::Bye { to } if to == us && self.them.is_some() => {
                self.end("the neighbor closed the contact".to_owned());
            }
            Saying::Unknown { token } if self.them == Some(token) => {
                self.end("the neighbor does not know the contact any more".to_owned());
            }
            _ => {}
        }
    }

    fn asked(&mut self, now: Instant, (from, cookie, mru): (u64, &[u8], u64), node_id: Option<&str>) {
        if self.them == Some(from) {
            // Our answer was lost.
            return self.say_answer();
        }
        if !self.terms.cookies.is_ours(now, self.terms.address, from, cookie) {
            let cookie = self.terms.cookies.bake(now, self.terms.address, from);
            let mut out = Vec::new();
            Saying::Cookie { to: from, cookie: &cookie }.say(self.terms.options.private_id, &mut out);
            return self.answer(out);
        }
        if matches!(self.phase, Phase::Asking(_)) {
            self.open_to(from, mru, node_id);
            self.heard(now);
            self.say_answer();
        } else {
            self.end("the neighbor began anew".to_owned());
        }
    }

    pub(crate) fn say_answer(&mut self) {
        let Some(to) = self.them else { return };
        let options = &self.terms.options;
        let saying = Saying::Answer { to, from: self.terms.token, mru: options.transfer_mru };
        let mut out = Vec::new();
        saying.say_with(options.private_id, advertisement(options), &mut out);
        self.answer(out);
    }

    /// What keeps a contact with other makes: a question where an answer is hoped for, else what need not be answered.
    pub(crate) fn remind(&mut self, out: &mut Vec<u8>) {
        if self.terms.link.is_plain {
            out.extend_from_slice(&KEEPALIVE);
        } else {
            let probe = Some(Probe { nonce: self.terms.token >> 32, sequence: 0, delay_ms: 0 });
            Message { probe, ..advertisement(&self.terms.options) }.encode(out);
        }
    }
}

fn advertisement(options: &Options) -> Message<'_> {
    let listen_ms = u64::try_from(options.keepalive.as_millis()).ok();
    let node_id = Some(options.node_id.as_str()).filter(|node_id| !node_id.is_empty());
    Message { listen_ms, node_id, ..Message::default() }
}

/// The answer to a probe (§3.5.6), given at once so that nothing has to be remembered, and never longer than the question.
pub(crate) fn confirmation(message: &Message<'_>, question: usize) -> Option<Vec<u8>> {
    let probe = message.probe?;
    let sequence = i64::try_from(probe.sequence).ok()?;
    let confirmation = Some(Confirmation { nonce: probe.nonce, seen: Spans::of(sequence, sequence) });
    let mut out = Vec::new();
    Message { confirmation, ..Message::default() }.encode(&mut out);
    (out.len() <= question).then_some(out)
}

/// What a stranger wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// A contact, and it has shown that it receives what is sent to its address.
    Contact {
        /// Its token.
        them: u64,
        /// The largest bundle that it takes.
        mru: u64,
        /// Who it says it is.
        node_id: Option<String>,
    },
    /// An answer that takes no memory.
    Answer(Vec<u8>),
    /// To leave bundles.
    Bundles,
    /// Nothing that we give: why, in words, where that is worth telling.
    Nothing(Option<&'static str>),
}

/// What a datagram of a stranger wants. Nothing is remembered, and no answer is longer than what it answers.
pub fn wish(now: Instant, from: SocketAddr, octets: &[u8], cookies: &Cookies, private_id: i16) -> Wish {
    let messages = match Packet::of(octets) {
        Packet::Bundle(_) => return Wish::Bundles,
        Packet::Messages(messages) => messages,
        Packet::Dtls => return Wish::Nothing(Some("somebody wants DTLS, which is not spoken here")),
        Packet::OldBundle => return Wish::Nothing(Some("somebody sent a bundle of version 6")),
        _ => return Wish::Nothing(None),
    };
    for message in messages.flatten() {
        if message.starts_dtls {
            return Wish::Nothing(Some("somebody wants DTLS, which is not spoken here"));
        }
        if message.transfer.is_some() {
            return Wish::Bundles;
        }
        let mut answer = Vec::new();
        match Saying::of(&message, private_id) {
            Some(Saying::Ask { from: them, cookie, mru }) => {
                if cookies.is_ours(now, from, them, cookie) {
                    return Wish::Contact { them, mru, node_id: message.node_id.map(str::to_owned) };
                }
                let cookie = cookies.bake(now, from, them);
                Saying::Cookie { to: them, cookie: &cookie }.say(private_id, &mut answer);
            }
            Some(Saying::Segments { to, .. }) => Saying::Unknown { token: to }.say(private_id, &mut answer),
            Some(_) => continue,
            None => answer = confirmation(&message, octets.len()).unwrap_or_default(),
        }
        if !answer.is_empty() && answer.len() <= octets.len() {
            return Wish::Answer(answer);
        }
    }
    Wish::Nothing(None)
}
