//! The settings of a line, as they stand in its address: `serial:///dev/ttyUSB0?baud=9600&frame=200&rate=300&airtime=1%/1h`.
//!
//! Settings have one written form: what is left out, or said as it is by default, is not written.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::frame::{self, PAYLOAD_MAX};

/// How fast lines are.
pub const BAUD_MIN: u32 = 300;
/// See [`BAUD_MIN`].
pub const BAUD_MAX: u32 = 4_000_000;
/// The shortest frame: the shortest segment that LTP can do with, and what is around it.
pub const FRAME_MIN: usize = frame::frame_octets(ltp::options::SEGMENT_MIN);
/// The longest: what any receiver reads.
pub const FRAME_MAX: usize = frame::frame_octets(PAYLOAD_MAX);
/// The slowest that a line may be made.
const RATE_MIN: u32 = 10;
/// Shares that may hold at once: a short one, a long one, and one for luck.
const SHARES_MAX: usize = 3;
/// What a share shall have room for in one window, or nothing would ever get through.
const SHARE_FRAMES_MIN: u64 = 4;
/// The longest path of a device.
const DEVICE_OCTETS_MAX: usize = 1_024;
/// Bits on the line for each octet: a start bit, eight of the octet, and a stop bit.
const BITS_PER_OCTET: u32 = 10;

/// A line and how it is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    device: String,
    baud: u32,
    frame: usize,
    rate: u32,
    airtime: Vec<Share>,
}

/// A share of each stretch of time in which may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    seconds: u32,
    /// In hundredths of a percent.
    share: u32,
}

/// Settings that no line can have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// No device, or not by its whole path.
    #[error("a device is named by its whole path, as in serial:///dev/serial/by-id/usb-...?baud=9600")]
    Device,
    /// Speed is missing or out of range.
    #[error("baud is a number from {BAUD_MIN} to {BAUD_MAX}, and must be named: ?baud=9600")]
    Baud,
    /// Out of range.
    #[error("frame is a number of octets from {FRAME_MIN} to {FRAME_MAX}, as in frame=200")]
    Frame,
    /// Out of range.
    #[error(
        "rate is a number of octets a second from {RATE_MIN} to {0}, which is what the baud rate carries"
    )]
    Rate(u32),
    /// Cannot be read.
    #[error(
        "airtime is at most {SHARES_MAX} shares of 0.01% to 100%, each of 10s to 1d, as in airtime=10%/6m,1%/1h"
    )]
    Airtime,
    /// No room.
    #[error(
        "airtime {0} is less than {SHARE_FRAMES_MIN} frames take: name a longer stretch or a shorter frame"
    )]
    AirtimeTooShort(Share),
    /// No setting.
    #[error("'{0}' is no setting of a serial line; there are baud, frame, rate and airtime")]
    Unknown(String),
    /// Two of them.
    #[error("{0} is named twice")]
    Twice(&'static str),
}

impl Settings {
    /// The path of the device.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Bits a second.
    pub fn baud(&self) -> u32 {
        self.baud
    }

    /// The longest frame that is sent, in octets.
    pub fn frame(&self) -> usize {
        self.frame
    }

    /// Octets a second that are sent at most.
    pub fn rate(&self) -> u64 {
        u64::from(self.rate)
    }

    /// In which shares of time may be sent.
    pub fn airtime(&self) -> &[Share] {
        &self.airtime
    }

    /// Octets a second that can be sent for ever, whatever the shares are.
    pub fn sustained_rate(&self) -> u64 {
        let shares = self.airtime.iter().map(|share| self.budget(*share) / u64::from(share.seconds));
        shares.min().unwrap_or(u64::MAX).clamp(1, self.rate())
    }

    /// Octets that may be sent in one window of a share.
    pub fn budget(&self, share: Share) -> u64 {
        self.rate() * u64::from(share.seconds) * u64::from(share.share) / 10_000
    }

    /// How long nothing may be sent after a share was used up at once.
    pub fn longest_pause(&self) -> Duration {
        let pauses =
            self.airtime.iter().map(|share| share.seconds - share.seconds * (share.share / 100) / 100);
        Duration::from_secs(pauses.max().unwrap_or(0).into())
    }

    /// How long so many octets take.
    pub fn time_for(&self, octets: u64) -> Duration {
        Duration::from_nanos(octets.saturating_mul(1_000_000_000) / self.rate())
    }

    fn line_rate(baud: u32) -> u32 {
        baud / BITS_PER_OCTET
    }

    /// A tenth of a second, so that what is urgent never waits for longer; not so short that most of it is heads.
    fn default_frame(rate: u32) -> usize {
        usize::try_from(rate / 10).unwrap_or(0).clamp(200, 1_024)
    }

    fn check_shares(&self) -> Result<(), SettingsError> {
        let frames = SHARE_FRAMES_MIN * u64::try_from(self.frame).unwrap_or(u64::MAX);
        match self.airtime.iter().find(|share| self.budget(**share) < frames) {
            Some(share) => Err(SettingsError::AirtimeTooShort(*share)),
            None => Ok(()),
        }
    }
}

impl Share {
    /// The stretch of time.
    pub fn window(self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

impl FromStr for Settings {
    type Err = SettingsError;

    /// Reads what stands behind `serial://`.
    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let (device, query) = text.split_once('?').unwrap_or((text, ""));
        let is_path = device.starts_with('/') && device.len() > 1 && device.len() <= DEVICE_OCTETS_MAX;
        if !is_path || device.ends_with('/') || device.chars().any(char::is_control) {
            return Err(SettingsError::Device);
        }
        let query = Query::read(query)?;
        let baud = in_range(query.baud, BAUD_MIN, BAUD_MAX).ok_or(SettingsError::Baud)?;
        let most = Self::line_rate(baud);
        let rate = match query.rate {
            None => most,
            rate => in_range(rate, RATE_MIN, most).ok_or(SettingsError::Rate(most))?,
        };
        let frame = match query.frame {
            None => Self::default_frame(rate),
            frame => in_range(frame, FRAME_MIN, FRAME_MAX).ok_or(SettingsError::Frame)?,
        };
        let airtime = query.airtime.map_or(Ok(Vec::new()), shares)?;
        let settings = Self { device: device.to_owned(), baud, frame, rate, airtime };
        settings.check_shares()?;
        Ok(settings)
    }
}

/// The settings in an address, as text.
#[derive(Default)]
struct Query<'t> {
    baud: Option<&'t str>,
    frame: Option<&'t str>,
    rate: Option<&'t str>,
    airtime: Option<&'t str>,
}

impl<'t> Query<'t> {
    fn read(text: &'t str) -> Result<Self, SettingsError> {
        let mut query = Self::default();
        for setting in text.split('&').filter(|setting| !setting.is_empty()) {
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            let (name, place) = match key {
                "baud" => ("baud", &mut query.baud),
                "frame" => ("frame", &mut query.frame),
                "rate" => ("rate", &mut query.rate),
                "airtime" => ("airtime", &mut query.airtime),
                other => {
                    let clean = other.chars().filter(|c| !c.is_control()).take(40).collect();
                    return Err(SettingsError::Unknown(clean));
                }
            };
            if place.replace(value).is_some() {
                return Err(SettingsError::Twice(name));
            }
        }
        Ok(query)
    }
}

fn in_range<N: FromStr + PartialOrd>(text: Option<&str>, least: N, most: N) -> Option<N> {
    let digits = text.filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))?;
    digits.parse().ok().filter(|number| (least..=most).contains(number))
}

fn shares(text: &str) -> Result<Vec<Share>, SettingsError> {
    let mut shares: Vec<Share> =
        text.split(',').map(|one| share(one).ok_or(SettingsError::Airtime)).collect::<Result<_, _>>()?;
    shares.sort();
    shares.dedup_by_key(|share| share.seconds);
    if shares.len() > SHARES_MAX || shares.len() < text.split(',').count() {
        return Err(SettingsError::Airtime);
    }
    Ok(shares)
}

fn share(text: &str) -> Option<Share> {
    let (percent, time) = text.split_once("%/")?;
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
    let hundredths = match fraction.len() {
        1 => in_range::<u32>(Some(fraction), 0, 9)? * 10,
        2 => in_range(Some(fraction), 0, 99)?,
        _ => return None,
    };
    let share = in_range::<u32>(Some(whole), 0, 100)? * 100 + hundredths;
    let (count, unit) = time.split_at_checked(time.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let seconds = in_range::<u32>(Some(count), 1, 86_400)?.checked_mul(unit)?;
    ((1..=10_000).contains(&share) && (10..=86_400).contains(&seconds)).then_some(Share { seconds, share })
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}?baud={}", self.device, self.baud)?;
        if self.frame != Self::default_frame(self.rate) {
            write!(f, "&frame={}", self.frame)?;
        }
        if self.rate != Self::line_rate(self.baud) {
            write!(f, "&rate={}", self.rate)?;
        }
        for (index, share) in self.airtime.iter().enumerate() {
            write!(f, "{}{share}", if index == 0 { "&airtime=" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, hundredths) = (self.share / 100, self.share % 100);
        match (hundredths / 10, hundredths % 10) {
            (0, 0) => write!(f, "{whole}%/")?,
            (tenths, 0) => write!(f, "{whole}.{tenths}%/")?,
            _ => write!(f, "{whole}.{hundredths:02}%/")?,
        }
        let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
        let (seconds, unit) =
            units.into_iter().find(|(seconds, _)| self.seconds.is_multiple_of(*seconds)).unwrap_or((1, "s"));
        write!(f, "{}{unit}", self.seconds / seconds)
    }
}
