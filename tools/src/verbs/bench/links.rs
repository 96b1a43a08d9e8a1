//! The convergence layers on loopback, and a bare TCP connection beside them. On loopback the signatures and the disk decide; where
//! loopback has been given a rate (`docs/cli.md`), so does what each layer adds to the bundles, and how well it fills a link.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::figure::{Figure, median};
use super::pair::{Joined, Load, transfer};
use crate::failure::Failure;
use crate::output;
use crate::stop::Stop;

/// Runs of each figure.
const RUNS: usize = 3;
/// How long the bare connection is written to.
const RAW_FOR: Duration = Duration::from_secs(2);
const BLOCK_OCTETS: usize = 1 << 16;
/// What crosses a link in a few seconds of its own rate, within bounds.
const BUNDLE_OCTETS: usize = 1 << 18;
const BUNDLES_MIN: u64 = 8;
const BUNDLES_MAX: u64 = 64;
const SECONDS: f64 = 4.0;
/// Of what the link has: the rest is for headers, and for what comes back.
const TOLD_SHARE: f64 = 0.9;
/// Faster than a socket is read, datagrams are lost.
const TOLD_MAX: u64 = 12_500_000;
const LAYERS: usize = 9;
/// Of the serial line, each of whose octets has a start bit and a stop bit.
const BAUD: u32 = 4_000_000;
const BITS_PER_OCTET: f64 = 10.0;

/// A layer, and the names of its two figures: its goodput, and the same beside the bare connection.
struct Layer {
    ids: [&'static str; 2],
    what: [&'static str; 2],
    joined: Joined,
    /// What the link has, in MB a second, where that is not what the bare connection has.
    own: Option<f64>,
}

/// The layers; bare LTP, which cannot find out, is told how many octets a second the link has.
fn layers(rate: u64) -> [Layer; LAYERS] {
    let layer = |ids, what, joined| Layer { ids, what, joined, own: None };
    [
        layer(
            ["tls_rate", "tls_share"],
            ["over TCP with TLS", "over TCP with TLS, beside bare TCP"],
            Joined::OneDials("tcp://127.0.0.1:0"),
        ),
        layer(
            ["tcp_rate", "tcp_share"],
            ["over TCP without TLS", "over TCP without TLS, beside bare TCP"],
            Joined::OneDials("tcp://127.0.0.1:0?tls=off"),
        ),
        layer(
            ["udp_rate", "udp_share"],
            ["over UDP", "over UDP, beside bare TCP"],
            Joined::OneDials("udp://127.0.0.1:0"),
        ),
        layer(
            ["ltp_rate", "ltp_share"],
            ["over bare LTP, at most 100 Mbit/s", "over bare LTP, beside bare TCP"],
            Joined::Engines { rate },
        ),
        layer(
            ["stcp_rate", "stcp_share"],
            ["over STCP", "over STCP, beside bare TCP"],
            Joined::BothDial("stcp://127.0.0.1:0"),
        ),
        layer(
            ["mtcp_rate", "mtcp_share"],
            ["over MTCP", "over MTCP, beside bare TCP"],
            Joined::BothDial("mtcp://127.0.0.1:0"),
        ),
        layer(
            ["pipe_rate", "pipe_share"],
            ["over programs (cat)", "over programs, beside bare TCP"],
            Joined::Programs,
        ),
        layer(
            ["folder_rate", "folder_share"],
            ["over a folder", "over a folder, beside bare TCP"],
            Joined::Folder,
        ),
        Layer {
            ids: ["serial_rate", "serial_share"],
            what: ["over a serial line of 4 Mbaud", "over a serial line, beside its octets"],
            joined: Joined::Line { baud: BAUD },
            own: Some(f64::from(BAUD) / BITS_PER_OCTET / 1e6),
        },
    ]
}

pub(super) async fn measure(folder: &Path, stop: &Stop) -> Result<Vec<Figure>, Failure> {
    let (mut raw, mut goodput) = (Vec::new(), [const { Vec::new() }; LAYERS]);
    // In turns, so that what disturbs the machine for a while disturbs all of them.
    for run in 1..=RUNS {
        output::note(&format!("run {run} of {RUNS}: a bare TCP connection"));
        raw.push(stop.unless_asked(bare_tcp()).await?);
        let (_, rate) = plan(median(&raw));
        for (layer, rates) in layers(rate).iter().zip(&mut goodput) {
            output::note(&format!("run {run} of {RUNS}: {}", layer.what[0]));
            let (load, _) = plan(layer.own.unwrap_or(median(&raw)));
            rates.push(transfer(folder, (layer.joined, load), stop).await?.megabytes_per_second());
        }
    }
    let bare = median(&raw);
    let mut figures = vec![Figure::new("bare_rate", "a bare TCP connection on loopback", (raw, "MB/s"))];
    for (layer, rates) in layers(0).into_iter().zip(goodput) {
        let ([rate, share], [what, beside]) = (layer.ids, layer.what);
        let shares = rates.iter().map(|rate| rate / layer.own.unwrap_or(bare)).collect();
        figures.push(Figure::new(rate, what, (rates, "MB/s")));
        figures.push(Figure::new(share, beside, (shares, "times")));
    }
    Ok(figures)
}

/// What is sent over a link that carries that many MB a second, and the octets a second that are said of it where it must be told.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "bounded on both sides"
)]
fn plan(rate: f64) -> (Load, u64) {
    let bundles = (rate * 1e6 * SECONDS / BUNDLE_OCTETS as f64) as u64;
    let load = Load { bundles: bundles.clamp(BUNDLES_MIN, BUNDLES_MAX), octets: BUNDLE_OCTETS };
    (load, ((rate * 1e6 * TOLD_SHARE) as u64).min(TOLD_MAX))
}

/// What a TCP connection on loopback carries, in MB a second.
#[expect(clippy::cast_precision_loss, reason = "some gigabytes are counted exactly")]
async fn bare_tcp() -> Result<f64, Failure> {
    let fault = |error: std::io::Error| Failure::failed(format!("a TCP connection on loopback: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(fault)?;
    let at = listener.local_addr().map_err(fault)?;
    let begun = Instant::now();
    let write = async {
        let mut stream = TcpStream::connect(at).await?;
        let block = vec![0; BLOCK_OCTETS];
        while begun.elapsed() < RAW_FOR {
            stream.write_all(&block).await?;
        }
        stream.shutdown().await
    };
    let read = async {
        let (mut stream, _) = listener.accept().await?;
        let (mut block, mut octets) = (vec![0; BLOCK_OCTETS], 0);
        loop {
            match stream.read(&mut block).await? {
                0 => return Ok(octets),
                read => octets += read as u64,
            }
        }
    };
    let ((), octets) = tokio::try_join!(write, read).map_err(fault)?;
    Ok(octets as f64 / 1e6 / begun.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_link_gets_a_small_load_and_a_fast_one_no_endless_one() {
        let planned = |rate| (plan(rate).0.bundles, plan(rate).1);
        assert_eq!([0.0, 1.0, 1e9].map(planned), [(8, 0), (15, 900_000), (64, TOLD_MAX)]);
    }
}
