//! Nodes in temporary homes, and the program run against them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_packmule");

/// A home of its own in a temporary folder.
pub(crate) struct Node {
    folder: TempDir,
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("the program exits, and is not killed"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("stderr is text"),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("stdout is text")
    }

    /// Each line of stdout as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The last line of stderr as JSON.
    pub(crate) fn error(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_else(|| panic!("nothing on stderr: {self:?}"));
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Node {
    /// An initialised node.
    pub(crate) fn new(name: &str) -> Self {
        let node = Self::bare();
        node.ok(["init", "--name", name]);
        node
    }

    /// A folder where nothing is yet.
    pub(crate) fn bare() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A path for the test's own files, beside the home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file with these contents.
    pub(crate) fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, contents).expect("a file can be written");
        path
    }

    /// A new folder.
    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).expect("a folder can be made");
        path
    }

    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(BINARY);
        command
            .arg("--home")
            .arg(self.home())
            .args(arguments)
            .stdin(Stdio::null())
            .env_remove("PACKMULE_HOME");
        command
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::of(self.command(arguments).output().expect("the program starts"))
    }

    /// Runs with something on stdin.
    pub(crate) fn run_with<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stdin = child.stdin.take().expect("piped");
        let input = input.to_vec();
        // A program that does not read its input to the end closes the pipe.
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let ran = Ran::of(child.wait_with_output().expect("the program ends"));
        feeder.join().expect("the input was fed");
        ran
    }

    /// Runs and expects success; stdout as text.
    pub(crate) fn ok<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.text()
    }

    /// Runs with `--json` and expects success; stdout as objects.
    pub(crate) fn json<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Vec<Value> {
        let mut command = self.command(arguments);
        let ran = Ran::of(command.arg("--json").output().expect("the program starts"));
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()
    }

    /// Runs with `--json` and expects this exit code; the error object.
    pub(crate) fn fails<A: AsRef<OsStr>>(&self, code: i32, arguments: impl IntoIterator<Item = A>) -> Value {
        let mut command = self.command(arguments);
        let ran = Ran::of(command.arg("--json").output().expect("the program starts"));
        assert_eq!(ran.code, code, "{ran:?}");
        let error = ran.error();
        assert_eq!(error["code"], code);
        assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
        error
    }

    /// The line by which others get to know it.
    pub(crate) fn line(&self) -> String {
        self.ok(["id"]).trim().to_owned()
    }

    /// Both trust each other.
    pub(crate) fn befriend(&self, other: &Self) {
        self.ok(["trust", "add", &other.line()]);
        other.ok(["trust", "add", &self.line()]);
    }

    /// Sends a file and returns the bundle's id.
    pub(crate) fn send(&self, destination: &str, file: &Path) -> String {
        let id = self.ok([OsStr::new("send"), OsStr::new(destination), file.as_os_str()]);
        id.trim().to_owned()
    }

    /// Starts the agent, and waits until it listens.
    pub(crate) fn start(&self) -> Agent {
        let mut command = self.command(["run", "--listen", "tcp://127.0.0.1:0", "--no-discovery", "--json"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the agent starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the agent says where it listens");
        let Ok(started) = serde_json::from_str::<Value>(&line) else {
            let _ = child.kill();
            let output = child.wait_with_output().expect("it ended");
            panic!("no agent: '{line}', {}", String::from_utf8_lossy(&output.stderr))
        };
        // A full pipe must not stop the agent.
        let mut stderr = child.stderr.take().expect("piped");
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = std::io::Read::read_to_string(&mut stderr, &mut text);
            text
        });
        Agent { child, url: started["listening"][0].as_str().expect("a URL").to_owned(), log: Some(log) }
    }
}

/// A running agent. Ended when dropped.
pub(crate) struct Agent {
    child: Child,
    pub(crate) url: String,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Agent {
    /// Asks it to stop by a signal, and waits for its end: exit code and log.
    pub(crate) fn stop(mut self, signal: rustix::process::Signal) -> (Option<i32>, String) {
        self.signal(signal);
        let status = self.child.wait().expect("the agent ends");
        let log = self.log.take().map(|log| log.join().expect("the log was read")).unwrap_or_default();
        (status.code(), log)
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Octets that do not compress and differ with their seed.
pub(crate) fn noise(seed: u64, octets: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = Vec::with_capacity(octets + 8);
    while noise.len() < octets {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend(state.to_le_bytes());
    }
    noise.truncate(octets);
    noise
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name in UTF-8"))
        .collect();
    names.sort();
    names
}

/// Arguments of different types in one list.
#[macro_export]
macro_rules! args {
    ($($argument:expr),* $(,)?) => { [$(std::ffi::OsString::from($argument)),*] };
}
