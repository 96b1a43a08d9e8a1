//! How a program uses a node, whether its agent runs or not.
//!
//! [`Client::open`] talks to the running agent through its socket. Where none runs it takes the home's lock, opens the
//! store in this process and talks to that, by the same protocol over a pair of sockets: one face, one code.

mod body;
mod error;

use std::io;
use std::path::Path;
use std::time::Duration;

use agent_core::request::{CustodyTransfer, Order};
use bundle_format::{BundleId, Eid};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use self::body::Body;
pub use self::error::ClientError;
use crate::engine::Engine;
use crate::home::{Home, HomeError, SocketPath};
use crate::local_api::{
    Call, DATA_OCTETS, Delivery, FrameStream, Greeting, IDS_MAX, Imported, Part, Reply, Sent, Session, Until,
    VERSION, WireOrder, Wish, Word,
};
use crate::summary::priority_word;

/// How long to wait for a home that somebody else is using: another verb is done soon, an agent listens soon.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to look meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A connection to a node.
#[derive(Debug)]
pub struct Client {
    frames: FrameStream,
    node: Eid,
    /// A body was not read to its end: what is left of it comes before the next answer.
    unread_body: bool,
    embedded: Option<Embedded>,
}

/// The node itself, where no agent runs.
#[derive(Debug)]
struct Embedded {
    session: JoinHandle<()>,
    engine: Engine,
}

impl Client {
    /// Connects to the home's agent, or works on its store where none runs. Waits a few seconds where another verb does.
    pub async fn open(home: &Home) -> Result<Self, ClientError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(stream) = connect(&SocketPath::of(home)).await? {
                return Self::greet(stream, None).await;
            }
            match home.lock() {
                Ok(lock) => {
                    return Self::embed(Engine::start(home, lock, home.config().core(home.key()))?).await;
                }
                Err(HomeError::Locked { pid, .. }) if Instant::now() >= deadline => {
                    return Err(ClientError::Busy { folder: home.folder().to_owned(), pid });
                }
                Err(HomeError::Locked { .. }) => tokio::time::sleep(LOOK_EVERY).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Connects to the home's agent; an error where none runs.
    pub async fn open_agent(home: &Home) -> Result<Self, ClientError> {
        match connect(&SocketPath::of(home)).await? {
            Some(stream) => Self::greet(stream, None).await,
            None => Err(ClientError::NoAgent { folder: home.folder().to_owned() }),
        }
    }

    async fn embed(engine: Engine) -> Result<Self, ClientError> {
        let (ours, theirs) = UnixStream::pair()?;
        let session = tokio::spawn(Session::new(engine.node.clone(), theirs).run());
        Self::greet(ours, Some(Embedded { session, engine })).await
    }

    async fn greet(stream: UnixStream, embedded: Option<Embedded>) -> Result<Self, ClientError> {
        let mut frames = FrameStream::new(stream);
        let greeting: Greeting = frames.message().await?.ok_or(ClientError::Gone)?;
        if greeting.packmule != VERSION {
            return Err(ClientError::Version { theirs: greeting.packmule, ours: VERSION });
        }
        Ok(Self { frames, node: greeting.node, unread_body: false, embedded })
    }

    /// Whether an agent answered; else the store is open in this process.
    pub fn is_agent(&self) -> bool {
        self.embedded.is_none()
    }

    /// The node's ID.
    pub fn node(&self) -> &Eid {
        &self.node
    }

    /// Asks for something small. Long lists of ids are asked for in parts.
    pub async fn call(&mut self, call: Call) -> Result<Reply, ClientError> {
        match call {
            Call::Lacking { ids } if ids.len() > IDS_MAX => {
                let mut lacking = Vec::new();
                for part in ids.chunks(IDS_MAX) {
                    if let Reply::Ids(ids) = self.call_once(Call::Lacking { ids: part.to_vec() }).await? {
                        lacking.extend(ids);
                    }
                }
                Ok(Reply::Ids(lacking))
            }
            Call::NoteHeld { holder, ids } if ids.len() > IDS_MAX => {
                let mut reply = Reply::Done { changed: false };
                for part in ids.chunks(IDS_MAX) {
                    reply =
                        self.call_once(Call::NoteHeld { holder: holder.clone(), ids: part.to_vec() }).await?;
                }
                Ok(reply)
            }
            Call::HandToVolume { volume, ids } if ids.len() > IDS_MAX => {
                let mut reply = Reply::Done { changed: false };
                for part in ids.chunks(IDS_MAX) {
                    let call = Call::HandToVolume { volume: volume.clone(), ids: part.to_vec() };
                    reply = self.call_once(call).await?;
                }
                Ok(reply)
            }
            call => self.call_once(call).await,
        }
    }

    async fn call_once(&mut self, call: Call) -> Result<Reply, ClientError> {
        match self.ask(&Wish::Call(call)).await? {
            Word::Reply(reply) => Ok(reply),
            _ => Err(ClientError::Protocol),
        }
    }

    /// Transmits `body`; returns once the bundle is durable. `progress` hears how many octets of the body were taken.
    pub async fn send(
        &mut self,
        order: &Order,
        body: impl AsyncRead + Unpin,
        length: Option<u64>,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Sent, ClientError> {
        let order = WireOrder {
            destination: order.destination.clone(),
            source_demux: order.source_demux.clone(),
            lifetime_ms: order.lifetime_ms,
            file_name: order.metadata.file_name.clone(),
            media_type: order.metadata.media_type.clone(),
            priority: priority_word(order.metadata.priority).to_owned(),
            report: order.report.into(),
            custody: order.custody == CustodyTransfer::Wanted,
        };
        match self.upload(&Wish::Send { order, length }, body, progress).await? {
            Word::Sent(sent) => Ok(sent),
            _ => Err(ClientError::Protocol),
        }
    }

    /// Takes in a bundle's octets, from a file or a drive. `from` is the node that wrote it there, which therefore has it;
    /// `dormant_ms` how long it lay there, 0 where that is unknown; `way` what the file or drive is called, for people. Where `body` fails with `UnexpectedEof`, what it gave
    /// is right, and more of it may come another time: the beginning of a large bundle is kept.
    pub async fn import(
        &mut self,
        body: impl AsyncRead + Unpin,
        from: Option<Eid>,
        (dormant_ms, way): (u64, &str),
    ) -> Result<Imported, ClientError> {
        let way = way.to_owned();
        match self.upload(&Wish::Import { from, dormant_ms, way }, body, &mut |_| {}).await? {
            Word::Imported(imported) => Ok(imported),
            _ => Err(ClientError::Protocol),
        }
    }

    /// A bundle's octets, piece by piece. Each was checked against its record; one that is wrong is an error.
    pub async fn read(&mut self, id: BundleId, part: Part) -> Result<Body<'_>, ClientError> {
        self.download(&Wish::Read { id, part, onto: None }).await
    }

    /// The octets of a bundle that goes onto a volume: they ask for custody where `Call::HandToVolume` gave it a number.
    pub async fn read_onto(&mut self, id: BundleId, volume: &Eid) -> Result<Body<'_>, ClientError> {
        self.download(&Wish::Read { id, part: Part::Bundle, onto: Some(volume.clone()) }).await
    }

    /// A signed bundle that lists everything held here.
    pub async fn inventory(&mut self) -> Result<Body<'_>, ClientError> {
        self.download(&Wish::Inventory).await
    }

    /// The next bundle that waits at a local endpoint, leased to this client until it is consumed or the client is
    /// dropped. `None` when the time is up; without a timeout it waits for as long as it takes.
    pub async fn next(
        &mut self,
        endpoint: &Eid,
        timeout: Option<Duration>,
    ) -> Result<Option<Delivery>, ClientError> {
        let wish = Wish::Next { endpoint: endpoint.clone(), timeout_ms: timeout.map(milliseconds) };
        match self.ask(&wish).await {
            Ok(Word::Delivery(delivery)) => Ok(Some(*delivery)),
            Ok(_) => Err(ClientError::Protocol),
            Err(ClientError::TimedOut) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The application has this bundle for good: it does not come again.
    pub async fn consume(&mut self, delivery: &Delivery) -> Result<(), ClientError> {
        let wish = Wish::Consume { endpoint: delivery.endpoint.clone(), number: delivery.bundle.number };
        self.ask(&wish).await.map(drop)
    }

    /// Waits until a bundle has been carried on or delivered, and says by whom; `None` when the time is up.
    pub async fn wait(
        &mut self,
        id: BundleId,
        until: Until,
        timeout: Option<Duration>,
    ) -> Result<Option<WaitOutcome>, ClientError> {
        match self.ask(&Wish::Wait { id, until, timeout_ms: timeout.map(milliseconds) }).await {
            Ok(Word::Became { by }) => Ok(Some(WaitOutcome { by })),
            Ok(_) => Err(ClientError::Protocol),
            Err(ClientError::TimedOut) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends the connection; where the store is open in this process, waits until it is closed and the home is free.
    pub async fn close(self) -> Result<(), ClientError> {
        let Self { frames, embedded, .. } = self;
        drop(frames);
        if let Some(Embedded { session, engine }) = embedded {
            // It ends with the connection; a panic in it was reported there.
            let _ = session.await;
            engine.stop().await?;
        }
        Ok(())
    }

    async fn ask(&mut self, wish: &Wish) -> Result<Word, ClientError> {
        self.skip_body().await?;
        self.frames.send_message(wish).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Word, ClientError> {
        match self.frames.message().await?.ok_or(ClientError::Gone)? {
            Word::Failed(failure) => Err(failure.into()),
            word => Ok(word),
        }
    }

    async fn download(&mut self, wish: &Wish) -> Result<Body<'_>, ClientError> {
        match self.ask(wish).await? {
            Word::Body { octets } => {
                self.unread_body = true;
                Ok(Body::new(self, octets))
            }
            _ => Err(ClientError::Protocol),
        }
    }

    /// Sends a wish with a body. The agent may answer before the body's end, with a refusal; the rest is then kept back.
    async fn upload(
        &mut self,
        wish: &Wish,
        mut body: impl AsyncRead + Unpin,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Word, ClientError> {
        self.skip_body().await?;
        self.frames.send_message(wish).await?;
        let mut piece = bytes::BytesMut::with_capacity(DATA_OCTETS);
        let mut taken = 0;
        loop {
            piece.clear();
            piece.reserve(DATA_OCTETS);
            let read = match body.read_buf(&mut piece).await {
                Ok(read) => read,
                Err(error) => return self.give_up(error).await,
            };
            if read == 0 {
                self.frames.send_end().await?;
                return self.answer().await;
            }
            self.frames.send_data(&piece).await?;
            taken += read as u64;
            progress(taken);
        }
    }

    /// The body cannot be read to its end: nothing of it is to be kept, unless all that there is of it was read.
    async fn give_up(&mut self, error: io::Error) -> Result<Word, ClientError> {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            self.frames.send_break(&error.to_string()).await?;
        } else {
            self.frames.send_abort(&error.to_string()).await?;
        }
        match self.answer().await {
            Ok(_) | Err(ClientError::Aborted(_)) => Err(ClientError::Body(error)),
            Err(other) => Err(other),
        }
    }

    async fn skip_body(&mut self) -> Result<(), ClientError> {
        while self.unread_body {
            // Whatever it is, nobody asked for it any more.
            let _ = self.body_piece().await;
        }
        Ok(())
    }
}

/// What became of a bundle that was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitOutcome {
    /// Who has it now, or who reported it; absent where the neighbor never said who it is.
    pub by: Option<Eid>,
}

/// Connects to a socket; `None` where no agent listens.
async fn connect(socket: &Path) -> Result<Option<UnixStream>, ClientError> {
    match UnixStream::connect(socket).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
            _ => Err(ClientError::Socket { socket: socket.to_owned(), error }),
        },
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
