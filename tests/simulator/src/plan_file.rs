//! Contact plans from files, a line an event (docs/simulator.md): `TIME open A B RATE LATENCY` and `TIME close A B`.
//! Read by the program; a generated plan is written in the same words, so that it can be kept, cut down and run again.

use std::collections::BTreeMap;
use std::fmt::Write;

use thiserror::Error;

use crate::plan::{Link, Meeting, Millis, NodeIndex};

/// Most nodes in a plan: what one process has room for.
pub const NODES_MAX: usize = 20_000;
/// Latest time in a plan, in seconds: ten years.
const SECONDS_MAX: u64 = 10 * 366 * 24 * 3_600;

/// A plan that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFile {
    /// The nodes, in the order in which they first occur.
    pub names: Vec<String>,
    /// Who meets whom, in the order of time.
    pub meetings: Vec<Meeting>,
}

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub struct PlanError {
    /// Where, counted from 1.
    pub line: usize,
    /// What, and what is allowed.
    pub what: String,
}

#[derive(Debug, Default)]
struct Reading {
    numbers: BTreeMap<String, NodeIndex>,
    names: Vec<String>,
    open: BTreeMap<(NodeIndex, NodeIndex), (usize, Millis, Link)>,
    meetings: Vec<Meeting>,
    last: Millis,
}

impl PlanFile {
    /// Reads a plan.
    pub fn read(text: &str) -> Result<Self, PlanError> {
        let mut reading = Reading::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.split_once('#').map_or(line, |(before, _)| before);
            let words: Vec<&str> = line.split_whitespace().collect();
            reading.line(index + 1, &words).map_err(|what| PlanError { line: index + 1, what })?;
        }
        if let Some((line, ..)) = reading.open.values().min_by_key(|open| open.0) {
            return Err(PlanError { line: *line, what: "this contact is never closed".into() });
        }
        reading.meetings.sort_by_key(|meeting| (meeting.opens, meeting.a, meeting.b));
        Ok(Self { names: reading.names, meetings: reading.meetings })
    }

    /// Writes a plan, with names made of numbers. A meeting without a link of its own gets `Link::FAST`;
    /// meetings of the same two nodes must not overlap.
    pub fn write(meetings: &[Meeting]) -> String {
        let mut lines: Vec<(Millis, bool, String)> = Vec::new();
        for meeting in meetings {
            let Meeting { a, b, opens, closes, link } = *meeting;
            let Link { octets_per_s, latency_ms } = link.unwrap_or(Link::FAST);
            lines.push((opens, true, format!("open n{a} n{b} {octets_per_s} {latency_ms}")));
            lines.push((closes, false, format!("close n{a} n{b}")));
        }
        lines.sort();
        let mut text = String::from("# seconds, open or close, two nodes, octets per second, milliseconds\n");
        for (at, _, line) in lines {
            writeln!(text, "{}.{:03} {line}", at / 1000, at % 1000).expect("writing to a string cannot fail");
        }
        text
    }
}

impl Reading {
    fn line(&mut self, number: usize, words: &[&str]) -> Result<(), String> {
        match words {
            [] => Ok(()),
            [time, "open", a, b, rate, latency] => {
                let at = self.time(time)?;
                let link = Link {
                    octets_per_s: whole(rate, "a rate", 1, 1 << 40)?,
                    latency_ms: whole(latency, "a latency", 0, 24 * 3_600_000)?,
                };
                let pair = self.pair(a, b)?;
                match self.open.insert(pair, (number, at, link)) {
                    None => Ok(()),
                    Some((line, ..)) => Err(format!("this contact is open since line {line}")),
                }
            }
            [time, "close", a, b] => {
                let closes = self.time(time)?;
                let pair = self.pair(a, b)?;
                let (_, opens, link) = self.open.remove(&pair).ok_or("this contact is not open")?;
                if opens == closes {
                    return Err("this contact closes when it opens".into());
                }
                self.meetings.push(Meeting { a: pair.0, b: pair.1, opens, closes, link: Some(link) });
                Ok(())
            }
            _ => Err("a line is TIME open A B RATE LATENCY, or TIME close A B".into()),
        }
    }

    /// Seconds with at most three decimals, never before those of the line before.
    fn time(&mut self, word: &str) -> Result<Millis, String> {
        let (seconds, decimals) = word.split_once('.').unwrap_or((word, "0"));
        if decimals.is_empty() || decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit())
        {
            return Err(format!("{word} is no time: seconds, with at most three decimals"));
        }
        let seconds = whole(seconds, "a time", 0, SECONDS_MAX)?;
        let at = seconds * 1000 + whole(&format!("{decimals:0<3}"), "a time", 0, 999)?;
        if at < self.last {
            return Err("this line is earlier than the one before it".into());
        }
        self.last = at;
        Ok(at)
    }

    fn pair(&mut self, a: &str, b: &str) -> Result<(NodeIndex, NodeIndex), String> {
        let (a, b) = (self.node(a)?, self.node(b)?);
        if a == b { Err("a node does not meet itself".into()) } else { Ok((a.min(b), a.max(b))) }
    }

    fn node(&mut self, name: &str) -> Result<NodeIndex, String> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = self.names.len();
        if number >= NODES_MAX {
            return Err(format!("more than {NODES_MAX} nodes"));
        }
        self.numbers.insert(name.into(), number);
        self.names.push(name.into());
        Ok(number)
    }
}

fn whole(word: &str, what: &str, least: u64, most: u64) -> Result<u64, String> {
    let is_number = !word.is_empty() && word.bytes().all(|digit| digit.is_ascii_digit());
    let number = is_number.then(|| word.parse().ok()).flatten();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("{word} is not {what}: a whole number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_with_its_comments_names_rates_and_latencies() {
        let text = "# a morning\n\n0 open school bus 250000 20 # by wifi\n1.5 open bus clinic 9600 700\n90 close bus school\n\
             91.25 close clinic bus\n";
        let plan = PlanFile::read(text).unwrap();
        assert_eq!(plan.names, ["school", "bus", "clinic"]);
        let link = |octets_per_s, latency_ms| Some(Link { octets_per_s, latency_ms });
        assert_eq!(
            plan.meetings,
            [
                Meeting { a: 0, b: 1, opens: 0, closes: 90_000, link: link(250_000, 20) },
                Meeting { a: 1, b: 2, opens: 1_500, closes: 91_250, link: link(9_600, 700) },
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, part) in [
            ("0 open a b 1", 1, "a line is"),
            ("\nx open a b 1 1", 2, "x is not a time"),
            ("0.1234 open a b 1 1", 1, "three decimals"),
            ("+1 open a b 1 1", 1, "not a time"),
            ("0 open a b 0 1", 1, "not a rate"),
            ("0 open a b 99999999999999999999999 1", 1, "not a rate"),
            ("0 open a b 1 -1", 1, "not a latency"),
            ("0 open a a 1 1", 1, "meet itself"),
            ("0 open a b 1 1\n1 open b a 1 1", 2, "open since line 1"),
            ("0 close a b", 1, "not open"),
            ("0 open a b 1 1\n0 close a b", 2, "closes when it opens"),
            ("5 open a b 1 1\n4 close a b", 2, "earlier"),
            ("5 open a b 1 1\n6 open a c 1 1\n7 close a b", 2, "never closed"),
        ] {
            let error = PlanFile::read(text).unwrap_err();
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.what.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_written_plan_is_read_again() {
        let link = Some(Link { octets_per_s: 1_000, latency_ms: 3 });
        let plan = [
            Meeting { a: 0, b: 1, opens: 5, closes: 1_000, link },
            Meeting { a: 0, b: 1, opens: 1_000, closes: 2_000, link },
        ];
        assert_eq!(PlanFile::read(&PlanFile::write(&plan)).unwrap().meetings, plan);
    }
}
