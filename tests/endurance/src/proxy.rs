//! A line to another server on loopback that can be cut.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// Passes connections on until it is cut, and after it is mended.
pub(crate) struct Proxy {
    address: SocketAddr,
    line: Arc<Mutex<Line>>,
}

#[derive(Default)]
struct Line {
    is_cut: bool,
    /// Both ends of every connection since it was mended.
    open: Vec<TcpStream>,
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Listens, for as long as the process lives.
    pub(crate) fn start(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let proxy = Self { address: listener.local_addr()?, line: Arc::default() };
        let line = Arc::clone(&proxy.line);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A connection that cannot be passed on is closed, which its client sees.
                let _ = pass_on(stream, to, &line);
            }
        });
        Ok(proxy)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection, and every further one at once.
    pub(crate) fn cut(&self) {
        let mut line = lock(&self.line);
        line.is_cut = true;
        for stream in line.open.drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn mend(&self) {
        lock(&self.line).is_cut = false;
    }
}

fn pass_on(stream: TcpStream, to: SocketAddr, line: &Mutex<Line>) -> io::Result<()> {
    let mut line = lock(line);
    if line.is_cut {
        return Ok(());
    }
    let other = TcpStream::connect(to)?;
    for stream in [&stream, &other] {
        stream.set_nodelay(true)?;
        line.open.push(stream.try_clone()?);
    }
    for (mut from, mut into) in [(stream.try_clone()?, other.try_clone()?), (other, stream)] {
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                if into.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            let _ = into.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
