//! A release server and a client for benches.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// One connection that is kept open.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn expect_status(&self, status: u16) {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a socket option");
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn ask(&mut self, request: &[u8]) -> Answer {
        self.stream
            .get_mut()
            .write_all(request)
            .expect("a request is written");
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a status line");
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("a header line");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
        Answer { status, body }
    }
}

/// A release server with a data folder.
pub(crate) struct Server {
    process: Child,
    pub(crate) public: SocketAddr,
    pub(crate) operators: SocketAddr,
    pub(crate) ready_after: Duration,
    pub(crate) settings: PathBuf,
}

impl Server {
    pub(crate) fn start(settings: &Path) -> Self {
        Self::start_with(settings, &[])
    }

    /// Starts the server with the portable hash engine.
    pub(crate) fn start_with_reference_engine(settings: &Path) -> Self {
        Self::start_with(settings, &[("ENROLL__HASHING__ENGINE", "reference")])
    }

    /// Starts the server with one hash thread and a hash that takes no memory to speak of.
    pub(crate) fn start_without_hash_memory(settings: &Path) -> Self {
        let small = [
            ("ENROLL__HASHING__THREADS", "1"),
            ("ENROLL__HASHING__MEMORY_KIB", "8"),
            ("ENROLL__HASHING__ALLOW_WEAK", "true"),
        ];
        Self::start_with(settings, &small)
    }

    fn start_with(settings: &Path, environment: &[(&str, &str)]) -> Self {
        let begun = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_enroll"));
        command
            .arg("--config")
            .arg(settings)
            .arg("serve")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped());
        let mut process = command.spawn().expect("the server starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("its first line");
        let event: Value = serde_json::from_str(&line).expect("its addresses");
        let address = |name: &str| {
            event[name]
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("an address")
        };
        let (public, operators) = (address("public"), address("admin"));
        while Client::new(operators)
            .ask(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .status
            != 200
        {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "the server does not get ready"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        let settings = settings.to_owned();
        Self {
            process,
            public,
            operators,
            ready_after: begun.elapsed(),
            settings,
        }
    }

    /// The most memory that the process ever held, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))
            .expect("its status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("its peak");
        line.trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        let _ = self.process.wait();
    }
}

/// The settings of a server with its data in `folder`.
pub(crate) fn settings_text(folder: &Path) -> String {
    format!(
        "[server]\npublic_listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
         [data]\ndir = {:?}\n[hashing]\nwait_ms = 5000\n[telemetry]\nlog_level = \"warn\"\n",
        folder.join("data")
    )
}

/// Runs a command of the program; gives what it prints.
pub(crate) fn run(settings: &Path, arguments: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_enroll"))
        .arg("--config")
        .arg(settings)
        .args(arguments)
        .output()
        .expect("the command runs");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).expect("text")
}
