// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Looks whether the ports and folders that a node needs are free, before it takes them.
//!
//! The SDK opens its peer-to-peer port with `SO_REUSEPORT`: two nodes then share it, and each gets half of the other's
//! connections. And its errors name neither a port nor a path.

use sc_network::multiaddr::{Multiaddr, Protocol};
use sc_service::Configuration;
use std::{
    fs,
    net::{IpAddr, SocketAddr, TcpListener},
    path::Path,
};

/// Looks at all of them.
///
/// # Errors
/// What is not free, and which option chooses another.
pub fn check(config: &Configuration) -> Result<(), String> {
    check_folder(config.base_path.path())?;
    for address in config.network.listen_addresses.iter().filter_map(tcp_address) {
        check_port(address, "peers", "--port")?;
    }
    if let Some(prometheus) = &config.prometheus_config {
        check_port(prometheus.port, "metrics", "--prometheus-port")?;
    }
    Ok(())
}

fn check_folder(folder: &Path) -> Result<(), String> {
    let name = folder.display();
    fs::create_dir_all(folder)
        .map_err(|error| format!("the folder {name} can't be made: {error}; --base-path chooses another"))?;
    let probe = folder.join(".writable");
    fs::write(&probe, [])
        .and_then(|()| fs::remove_file(&probe))
        .map_err(|error| format!("the folder {name} can't be written to: {error}; --base-path chooses another"))
}

fn check_port(address: SocketAddr, what: &str, option: &str) -> Result<(), String> {
    // A listener that does not share its port is refused one that is in use, also by one that does.
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        // This machine doesn't have such an address, which is for the part that needs it to say.
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => Ok(()),
        Err(error) => Err(format!(
            "TCP port {} of {} can't be listened on for {what}: {error}. Another node perhaps: {option} chooses another port",
            address.port(),
            address.ip()
        )),
    }
}

/// The address of a TCP listener; nothing for those that the system gives a port, and for other transports.
fn tcp_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) if port > 0 => Some((ip, port).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_the_option_for_another() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = check_port(address, "peers", "--port").unwrap_err();
        assert!(error.contains(&address.port().to_string()) && error.contains("--port"), "{error}");
        drop(taken);
        check_port(address, "peers", "--port").unwrap();
    }

    #[test]
    fn only_tcp_ports_that_were_chosen_are_looked_at() {
        let of = |text: &str| tcp_address(&text.parse().unwrap()).map(|address| address.to_string());
        assert_eq!(of("/ip4/0.0.0.0/tcp/30333").as_deref(), Some("0.0.0.0:30333"));
        assert_eq!(of("/ip6/::/tcp/30333/ws").as_deref(), Some("[::]:30333"));
        assert_eq!(of("/ip4/127.0.0.1/tcp/0"), None);
        assert_eq!(of("/ip4/127.0.0.1/udp/30333/quic-v1"), None);
        assert_eq!(of("/dns/example.org/tcp/30333"), None);
    }

    #[test]
    fn a_folder_that_is_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = check_folder(&file.join("node")).unwrap_err();
        assert!(error.contains("file") && error.contains("--base-path"), "{error}");
        check_folder(&folder.path().join("new").join("deep")).unwrap();
    }
}
