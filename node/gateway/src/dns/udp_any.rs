// SPDX-License-Identifier: Apache-2.0

//! UDP on the wildcard address of a machine that may have several: an answer leaves from the address that was asked
//! (`IP_PKTINFO`, RFC 3542), or the client takes it for somebody else's. Messages go one by one here: the system says the
//! address with each.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;

use nix::libc::{in6_addr, in6_pktinfo, in_addr, in_pktinfo};
use nix::sys::socket::{
    recvmsg, sendmsg, setsockopt, sockopt, ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage,
};

use super::context::unix_seconds;
use super::udp::{is_passing, socket_address, Client, Worker, QUERY_BYTES_MAX};

/// Has the system say at which address each message came.
pub fn prepare(socket: &UdpSocket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv4() {
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    Ok(())
}

/// Serves until told to stop.
pub fn serve(worker: &Worker) -> io::Result<()> {
    let mut message = [0; QUERY_BYTES_MAX];
    let mut out = Vec::new();
    let mut control = nix::cmsg_space!(in_pktinfo, in6_pktinfo);
    while !worker.stop.load(Ordering::Relaxed) {
        let mut place = [IoSliceMut::new(&mut message)];
        let socket = worker.socket.as_raw_fd();
        let received = recvmsg::<SockaddrStorage>(socket, &mut place, Some(&mut control), MsgFlags::empty());
        let received = received.map(|received| {
            let asked = received.cmsgs().ok().and_then(|mut messages| messages.find_map(address_asked));
            (received.bytes, received.address.as_ref().and_then(socket_address), asked)
        });
        match received {
            Ok((bytes, Some(address), asked)) => {
                let client = Client { address, asked };
                if worker.answer(unix_seconds(), &message[..bytes], client, &mut out) {
                    send(&worker.socket, &out, client);
                }
            },
            Ok(_) => {},
            Err(errno) => match io::Error::from(errno) {
                error if is_passing(error.kind()) => {},
                error => return Err(error),
            },
        }
    }
    Ok(())
}

fn address_asked(message: ControlMessageOwned) -> Option<IpAddr> {
    match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes())),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    }
}

/// Sends an answer from the address that was asked, or the one that the system chooses if that isn't known. The client
/// asks again if the answer is lost.
pub fn send(socket: &UdpSocket, out: &[u8], client: Client) {
    let (to, parts) = (SockaddrStorage::from(client.address), [IoSlice::new(out)]);
    let send = |control: &[ControlMessage<'_>]| {
        let _ = sendmsg(socket.as_raw_fd(), &parts, control, MsgFlags::empty(), Some(&to));
    };
    match client.asked {
        None => send(&[]),
        Some(IpAddr::V4(own)) => {
            let own = in_addr { s_addr: u32::from_ne_bytes(own.octets()) };
            send(&[ControlMessage::Ipv4PacketInfo(&in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: own, ipi_addr: own })]);
        },
        Some(IpAddr::V6(own)) => {
            let own = in6_addr { s6_addr: own.octets() };
            send(&[ControlMessage::Ipv6PacketInfo(&in6_pktinfo { ipi6_addr: own, ipi6_ifindex: 0 })]);
        },
    }
}
