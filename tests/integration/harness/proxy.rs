//! A TCP proxy in front of a database, which can be cut, and can freeze.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the proxy does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Passes bytes on.
    Pass,
    /// Takes connections and swallows all bytes. A connection that was swallowed once stays so after a thaw, as after
    /// a network loss that neither end was told of.
    Freeze,
    /// Cuts them.
    Cut,
}

/// A proxy on a port of its own.
pub(crate) struct Proxy {
    address: SocketAddr,
    target: SocketAddr,
    mode: watch::Sender<Mode>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy in front of the database of a URL such as `postgres://user:password@127.0.0.1:5432/name`.
    pub(crate) async fn before(url: &str) -> Self {
        let (_, rest) = url.split_once('@').expect("a URL with a user");
        let target = rest.split('/').next().and_then(|text| text.parse().ok());
        let listener = listen("127.0.0.1:0".parse().expect("an address"));
        let mut proxy = Self {
            address: listener.local_addr().expect("its address"),
            target: target.expect("a URL with an address and a port"),
            mode: watch::Sender::new(Mode::Pass),
            accepting: None,
        };
        proxy.accept(listener);
        proxy
    }

    /// The same URL by way of this proxy.
    pub(crate) fn url(&self, url: &str) -> String {
        url.replace(&self.target.to_string(), &self.address.to_string())
    }

    /// Cuts every connection and refuses new ones, like a database that was killed.
    pub(crate) async fn down(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            // The listener is gone once the task is.
            let _ = accepting.await;
        }
        self.mode.send_replace(Mode::Cut);
    }

    /// Accepts connections again after [`Proxy::down`].
    pub(crate) fn up(&mut self) {
        self.mode.send_replace(Mode::Pass);
        let listener = listen(self.address);
        self.accept(listener);
    }

    /// Swallows all bytes from now on, on old connections and on new ones.
    pub(crate) fn freeze(&self) {
        self.mode.send_replace(Mode::Freeze);
    }

    /// Serves new connections again after [`Proxy::freeze`].
    pub(crate) fn thaw(&self) {
        self.mode.send_replace(Mode::Pass);
    }

    fn accept(&mut self, listener: TcpListener) {
        let (target, mode) = (self.target, self.mode.subscribe());
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target, mode.clone()));
            }
        }));
    }
}

async fn relay(mut client: TcpStream, target: SocketAddr, mut mode: watch::Receiver<Mode>) {
    if *mode.borrow_and_update() == Mode::Pass {
        let passed = async {
            let mut server = TcpStream::connect(target).await?;
            client.set_nodelay(true)?;
            server.set_nodelay(true)?;
            copy_bidirectional(&mut client, &mut server).await
        };
        tokio::select! {
            _ = passed => return,
            _ = mode.changed() => {}
        }
    }
    // Frozen: held open until it is cut, or until the proxy and its sender are gone.
    let _ = mode.wait_for(|mode| *mode == Mode::Cut).await;
}

/// Binds the port even while connections of an earlier listener are still fading away.
fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a socket option");
    socket.bind(address).expect("the port");
    socket.listen(256).expect("a listener")
}
