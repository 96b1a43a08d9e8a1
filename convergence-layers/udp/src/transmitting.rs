//! What a contact sends, and when (see [`crate::contact`]).

use std::time::{Duration, Instant};

use crate::contact::{Contact, Phase};
use crate::saying::{SEGMENTS_OVERHEAD, Saying};

/// How often a neighbor that is down is asked whether it is up again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

impl Contact {
    /// Writes the next datagram into `out`, which is cleared, and says whether there is one.
    pub fn poll_datagram(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        out.clear();
        if let Some(answer) = self.answers.pop_front() {
            *out = answer;
        } else if self.is_over()
            || !(self.ask(now, out) || self.tell_account(now, out) || self.send(now, out))
        {
            return false;
        }
        self.said = now;
        true
    }

    fn tell_account(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let (Some(to), Some(due)) = (self.them, self.account.due()) else { return false };
        if due > now {
            return false;
        }
        let Some((highest, octets, delay)) = self.account.tell(now) else { return false };
        let delay_us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        Saying::Account { to, highest, octets, delay_us }.say(self.terms.options.private_id, out);
        true
    }

    fn send(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        if matches!(self.phase, Phase::Asking(_)) {
            return false;
        }
        if !self.is_down && self.pace.may_send(now).is_ok() {
            if self.send_bundle(now, out) || self.send_bare(now, out) || self.send_segments(now, out) {
                return true;
            }
            self.pace.idle();
        }
        if self.reminder().is_none_or(|at| now < at) {
            return false;
        }
        match self.them {
            Some(to) => self.say_segments(now, to, &[], out),
            None => self.remind(out),
        }
        true
    }

    fn send_bundle(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let Some((transfer, datagram)) = self.sending.pop_datagram() else { return false };
        self.pace.unnumbered(now, datagram.len() as u64);
        *out = datagram;
        self.left(transfer);
        self.end_if_done(now);
        true
    }

    fn send_segments(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let (Some(to), Some(engine)) = (self.them, &mut self.engine) else { return false };
        let room = self.terms.link.mtu - SEGMENTS_OVERHEAD;
        let mut segments = std::mem::take(&mut self.waiting);
        let mut next = Vec::new();
        while segments.len() < room && engine.poll_transmit(now, &mut next) {
            if segments.len() + next.len() > room {
                // Counts as transmitted, and goes first in the next datagram.
                self.waiting = next;
                break;
            }
            segments.extend_from_slice(&next);
        }
        if segments.is_empty() {
            return false;
        }
        self.say_segments(now, to, &segments, out);
        true
    }

    /// Segments without anything around them; one in a datagram, as all stacks take them.
    fn send_bare(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let (Some(_), Some(engine)) = (self.terms.link.engines, &mut self.engine) else { return false };
        if self.waiting.is_empty() && !engine.poll_transmit(now, &mut self.waiting) {
            return false;
        }
        if self.is_held_back() {
            return false;
        }
        std::mem::swap(out, &mut self.waiting);
        let cost = out.len() + self.headers();
        self.allowance = self.allowance.map(|allowance| allowance.saturating_sub(cost));
        self.pace.unnumbered(now, out.len() as u64);
        true
    }

    fn say_segments(&mut self, now: Instant, to: u64, segments: &[u8], out: &mut Vec<u8>) {
        let number = self.pace.next_number();
        self.pace.sent(now, segments.len());
        Saying::Segments { to, number, segments }.say(self.terms.options.private_id, out);
    }

    fn has_data(&self) -> bool {
        self.sending.has_datagram()
            || !self.waiting.is_empty()
            || self.engine.as_ref().is_some_and(|engine| engine.has_segment())
    }

    /// When something is said for the sake of saying something.
    fn reminder(&self) -> Option<Instant> {
        let pause = if self.is_down { ASK_AGAIN } else { self.terms.options.keepalive };
        // Bare LTP has no word for it.
        self.terms.link.engines.is_none().then(|| self.said + pause)
    }

    /// Whether the neighbor has to be heard from time to time.
    fn is_listened_to(&self) -> bool {
        match self.terms.link.engines {
            Some(_) => self.is_strangers,
            None => !self.terms.link.is_plain || self.them.is_some(),
        }
    }

    /// Whether silence means that nothing arrives there: bare LTP has no word for asking, so that nobody who was there is taken for gone.
    fn may_be_down(&self) -> bool {
        self.is_listened_to() && (self.terms.link.engines.is_none() || self.allowance.is_some())
    }

    /// When to call [`Contact::handle_timeout`] and [`Contact::poll_datagram`]; early or repeated calls are harmless.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let options = &self.terms.options;
        match &self.phase {
            Phase::Over => None,
            Phase::Asking(asking) => Some(asking.again_at.min(asking.until)),
            Phase::Open | Phase::Ending(_) => {
                let mut next = self.reminder();
                let mut at = |instant: Option<Instant>| next = next.into_iter().chain(instant).min();
                if self.is_listened_to() {
                    let patience = if self.is_down || !self.may_be_down() {
                        options.over_after
                    } else {
                        options.down_after
                    };
                    at(self.heard.checked_add(patience));
                }
                if let Phase::Ending(until) = self.phase {
                    at(Some(until));
                }
                if !self.is_down && self.has_data() && !self.is_held_back() {
                    at(self.pace.may_send(self.said).err().flatten());
                }
                at(self.engine.as_ref().and_then(|engine| engine.poll_timeout()));
                at(self.account.due());
                at(self.pace.deadline());
                at(self.plain_deadline());
                next
            }
        }
    }

    /// The time that [`Contact::poll_timeout`] told may have come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Phase::Asking(asking) = &self.phase {
            if asking.until <= now {
                self.end("the neighbor does not answer".to_owned());
            }
            return;
        }
        self.expire_plain(now);
        self.pace.handle_timeout(now);
        if let Some(engine) = &mut self.engine {
            engine.handle_timeout(now);
        }
        let silence = now.saturating_duration_since(self.heard);
        if self.is_listened_to() && silence >= self.terms.options.over_after {
            self.end("nothing was heard from the neighbor for too long".to_owned());
        } else if self.may_be_down() && silence >= self.terms.options.down_after && !self.is_down {
            self.is_down = true;
            if let Some(engine) = &mut self.engine {
                engine.suspend(now);
            }
        }
        self.end_if_done(now);
    }
}
