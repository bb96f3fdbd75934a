// SPDX-License-Identifier: Apache-2.0

//! UDP: a thread for each socket, several sockets for each address (SO_REUSEPORT), messages in batches.
//!
//! A socket on the wildcard address takes messages one by one: see [`super::udp_any`].

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::context::{unix_seconds, Context};
use super::metrics::Via;
use super::rate::Verdict;
use super::respond::Outcome;

/// Messages received or sent by one system call.
const BATCH: usize = 64;
/// Longest query taken; the rest of a longer one is lost, which makes it malformed.
pub const QUERY_BYTES_MAX: usize = 2048;
/// How often a thread looks whether to stop.
const STOP_CHECK: Duration = Duration::from_millis(200);
/// The system's buffer for a socket, where it allows that much.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// Opens a socket that shares its address with others of this process.
pub fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(true)?;
    // Best effort: the system may cap it.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    socket.bind(&address.into())?;
    socket.set_read_timeout(Some(STOP_CHECK))?;
    let socket = socket.into();
    #[cfg(target_os = "linux")]
    if address.ip().is_unspecified() {
        super::udp_any::prepare(&socket, address)?;
    }
    Ok(socket)
}

/// Whom to answer.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Where the message came from.
    pub address: SocketAddr,
    /// At which address of this machine it came; known where the socket is bound to all of them.
    pub asked: Option<IpAddr>,
}

/// What a UDP thread works with.
pub struct Worker {
    /// Answers.
    pub context: Arc<Context>,
    /// Its socket.
    pub socket: Arc<UdpSocket>,
    /// Set when it has to end.
    pub stop: Arc<AtomicBool>,
    /// Where questions to upstreams wait.
    pub runtime: Handle,
    /// Bounds these.
    pub waiting: Arc<Semaphore>,
}

impl Worker {
    /// Serves until told to stop.
    pub fn run(&self) {
        #[cfg(target_os = "linux")]
        let is_any = self.socket.local_addr().is_ok_and(|address| address.ip().is_unspecified());
        #[cfg(target_os = "linux")]
        let served = if is_any { super::udp_any::serve(self) } else { batches::serve(self) };
        #[cfg(not(target_os = "linux"))]
        let served = batches::serve(self);
        if let Err(error) = served {
            if !self.stop.load(Ordering::Relaxed) {
                tracing::error!(%error, "a UDP socket failed; restart the server");
            }
        }
    }

    /// Answers one message; true if `out` is to be sent now.
    pub fn answer(&self, now: u64, message: &[u8], client: Client, out: &mut Vec<u8>) -> bool {
        match self.context.admit(client.address.ip(), message) {
            Verdict::Send => {},
            Verdict::Slip => return self.context.slip(message, out),
            Verdict::Drop => return false,
        }
        let outcome = self.context.answer(&self.context.snapshots.load(), now, message, Via::Udp, out);
        match outcome {
            Outcome::Ignore => false,
            Outcome::Reply(_) => true,
            open => match Arc::clone(&self.waiting).try_acquire_owned() {
                Err(_) => {
                    self.context.metrics.forward_failed.add();
                    true
                },
                Ok(permit) => {
                    let (context, socket) = (Arc::clone(&self.context), Arc::clone(&self.socket));
                    let (message, mut out) = (message.to_vec(), out.clone());
                    self.runtime.spawn(async move {
                        context.complete(open, &message, Via::Udp, &mut out).await;
                        send(&socket, &out, client);
                        drop(permit);
                    });
                    false
                },
            },
        }
    }
}

#[cfg(target_os = "linux")]
use super::udp_any::send;

#[cfg(not(target_os = "linux"))]
fn send(socket: &UdpSocket, out: &[u8], client: Client) {
    // The client asks again if this is lost.
    let _ = socket.send_to(out, client.address);
}

/// Whether a receive came to nothing, but the next one may not.
pub fn is_passing(error: io::ErrorKind) -> bool {
    // The last two: somebody's port was closed when our answer came.
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, TimedOut, WouldBlock};
    matches!(error, WouldBlock | TimedOut | Interrupted | ConnectionRefused | ConnectionReset)
}

#[cfg(target_os = "linux")]
mod batches {
    use super::*;
    use nix::sys::socket::{recvmmsg, sendmmsg, MsgFlags, MultiHeaders, SockaddrStorage};
    use std::io::{IoSlice, IoSliceMut};
    use std::os::fd::AsRawFd;

    pub fn serve(worker: &Worker) -> io::Result<()> {
        let socket = worker.socket.as_raw_fd();
        let mut inbox = vec![[0; QUERY_BYTES_MAX]; BATCH];
        let mut outbox: Vec<Vec<u8>> = vec![Vec::new(); BATCH];
        let mut received = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let mut sent = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let mut arrived: Vec<(usize, Option<SockaddrStorage>)> = Vec::with_capacity(BATCH);
        let mut clients: Vec<Option<SockaddrStorage>> = Vec::with_capacity(BATCH);
        while !worker.stop.load(Ordering::Relaxed) {
            arrived.clear();
            let mut places: Vec<_> = inbox.iter_mut().map(|place| [IoSliceMut::new(place)]).collect();
            match recvmmsg(socket, &mut received, places.iter_mut(), MsgFlags::MSG_WAITFORONE, None) {
                Ok(messages) => arrived.extend(messages.map(|message| (message.bytes, message.address))),
                Err(errno) => match io::Error::from(errno) {
                    error if is_passing(error.kind()) => continue,
                    error => return Err(error),
                },
            }
            clients.clear();
            let now = unix_seconds();
            for (message, (bytes, client)) in inbox.iter().zip(&arrived) {
                let Some(address) = client.as_ref().and_then(socket_address) else { continue };
                let asker = Client { address, asked: None };
                if worker.answer(now, &message[..*bytes], asker, &mut outbox[clients.len()]) {
                    clients.push(*client);
                }
            }
            let mut done = 0;
            while done < clients.len() {
                let messages: Vec<_> = outbox[done..clients.len()].iter().map(|out| [IoSlice::new(out)]).collect();
                match sendmmsg(socket, &mut sent, messages.iter(), &clients[done..], [], MsgFlags::empty()) {
                    Ok(results) => done += results.count().max(1),
                    // One that can't be sent (no route, full buffer) must not hold up those after it.
                    Err(_) => done += 1,
                }
            }
        }
        Ok(())
    }
}

/// The address that the system gave.
#[cfg(target_os = "linux")]
pub fn socket_address(storage: &nix::sys::socket::SockaddrStorage) -> Option<SocketAddr> {
    use nix::sys::socket::SockaddrLike;
    debug_assert!(storage.family().is_some());
    let v4 = storage.as_sockaddr_in().map(|v4| SocketAddr::new(v4.ip().into(), v4.port()));
    // The scope tells to which link an answer to a link-local address goes.
    let v6 = |v6: &nix::sys::socket::SockaddrIn6| SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id());
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| v6(address).into()))
}

#[cfg(not(target_os = "linux"))]
mod batches {
    use super::*;

    pub fn serve(worker: &Worker) -> io::Result<()> {
        let mut message = [0; QUERY_BYTES_MAX];
        let mut out = Vec::new();
        while !worker.stop.load(Ordering::Relaxed) {
            match worker.socket.recv_from(&mut message) {
                Ok((bytes, client)) => {
                    let client = Client { address: client, asked: None };
                    if worker.answer(unix_seconds(), &message[..bytes], client, &mut out) {
                        send(&worker.socket, &out, client);
                    }
                },
                Err(error) if is_passing(error.kind()) => {},
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
