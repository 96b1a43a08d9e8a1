//! Settings of a line as they stand in addresses.

use std::time::Duration;

use proptest::prelude::*;
use serial::{Settings, SettingsError};

fn read(text: &str) -> Result<Settings, SettingsError> {
    text.parse()
}

#[test]
fn settings_are_read_and_written_in_one_form() {
    for (text, written) in [
        ("/dev/ttyUSB0?baud=9600", "/dev/ttyUSB0?baud=9600"),
        ("/dev/ttyUSB0?frame=200&baud=9600&rate=960", "/dev/ttyUSB0?baud=9600"),
        ("/dev/ttyUSB0?baud=115200&frame=1024", "/dev/ttyUSB0?baud=115200"),
        ("/dev/ttyUSB0?baud=115200&frame=200", "/dev/ttyUSB0?baud=115200&frame=200"),
        (
            "/dev/t?baud=9600&rate=300&airtime=1%/60m,10.0%/360s",
            "/dev/t?baud=9600&rate=300&airtime=10%/6m,1%/1h",
        ),
        ("/dev/t?baud=9600&airtime=0.1%/24h", "/dev/t?baud=9600&airtime=0.1%/1d"),
        ("/dev/t?baud=9600&airtime=2.05%/1h", "/dev/t?baud=9600&airtime=2.05%/1h"),
        (
            "/dev/serial/by-id/usb-FTDI_x-port0?baud=4000000",
            "/dev/serial/by-id/usb-FTDI_x-port0?baud=4000000",
        ),
    ] {
        let settings = read(text).unwrap();
        assert_eq!(settings.to_string(), written);
        assert_eq!(read(written).unwrap(), settings);
    }
}

#[test]
fn what_no_line_can_have_is_refused_with_what_is_allowed() {
    for (text, said) in [
        ("?baud=9600", "whole path"),
        ("ttyUSB0?baud=9600", "whole path"),
        ("/dev/\u{7}?baud=9600", "whole path"),
        ("/dev/t", "baud is a number from 300 to 4000000"),
        ("/dev/t?baud=", "baud is a number"),
        ("/dev/t?baud=+9600", "baud is a number"),
        ("/dev/t?baud=299", "baud is a number"),
        ("/dev/t?baud=4000001", "baud is a number"),
        ("/dev/t?baud=9600&baud=9600", "baud is named twice"),
        ("/dev/t?baud=9600&frame=101", "frame is a number of octets from 102 to 4118"),
        ("/dev/t?baud=9600&frame=99999999999999999999", "frame is a number"),
        ("/dev/t?baud=9600&rate=961", "from 10 to 960"),
        ("/dev/t?baud=9600&airtime=10%", "airtime is at most 3 shares"),
        ("/dev/t?baud=9600&airtime=0%/1h", "airtime is"),
        ("/dev/t?baud=9600&airtime=101%/1h", "airtime is"),
        ("/dev/t?baud=9600&airtime=1%/2d", "airtime is"),
        ("/dev/t?baud=9600&airtime=1%/1h,2%/60m", "airtime is"),
        ("/dev/t?baud=9600&airtime=1%/1h,", "airtime is"),
        ("/dev/t?baud=9600&airtime=1%/ü", "airtime is"),
        ("/dev/t?baud=300&airtime=0.1%/1m", "less than 4 frames take"),
        (
            "/dev/t?baud=9600&parity=even",
            "'parity' is no setting of a serial line; there are baud, frame, rate and airtime",
        ),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn rates_follow_from_the_settings() {
    let settings = read("/dev/t?baud=9600&rate=300&airtime=10%/6m,1%/1h").unwrap();
    assert_eq!((settings.rate(), settings.sustained_rate()), (300, 3));
    assert_eq!(settings.longest_pause(), Duration::from_secs(3_564));
    assert_eq!(settings.time_for(150), Duration::from_millis(500));
    let free = read("/dev/t?baud=300").unwrap();
    assert_eq!((free.sustained_rate(), free.longest_pause()), (30, Duration::ZERO));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_what_is_written_is_read_again(
        text in prop_oneof![
            "\\PC{0,40}",
            "/dev/t\\?baud=[0-9]{1,8}(&frame=[0-9]{1,5})?(&rate=[0-9]{1,7})?(&airtime=[0-9]{1,3}(\\.[0-9]{1,2})?%/[0-9]{1,5}[smhd])?",
        ],
    ) {
        if let Ok(settings) = read(&text) {
            prop_assert_eq!(read(&settings.to_string()), Ok(settings.clone()));
            prop_assert!(settings.sustained_rate() >= 1 && settings.sustained_rate() <= settings.rate());
        }
    }
}
