//! Who calls: the holder of an API key, or an address. Each has a rate of its own.

use super::App;
use super::reply::Failed;
use crate::config::{ApiKey, Config};
use crate::server::Peer;
use alloy_primitives::B256;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use tkms_wire::relayer::{ApiError, Label};

/// Where the official client puts a key by default, as a header or as a cookie.
const KEY_NAME: &str = "x-api-key";
const FORWARDED_FOR: &str = "x-forwarded-for";
const BEARER: &str = "Bearer ";
/// Network part of an IPv6 address: what one customer of a provider gets.
const IPV6_PREFIX: u32 = 64;

/// Whom work is charged to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Caller {
    /// An IPv4 address, or the network of an IPv6 address.
    Address(IpAddr),
    /// The holder of the key with this digest.
    Key(B256),
}

/// Who may call, and how often.
pub(super) struct Access {
    proxies: Vec<IpAddr>,
    keys: BTreeMap<B256, NonZeroU32>,
    keys_only: bool,
    per_minute: NonZeroU32,
}

impl Access {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            proxies: config.proxies.iter().map(IpAddr::to_canonical).collect(),
            keys: config.api_key.iter().map(|ApiKey { digest, per_minute, .. }| (*digest, *per_minute)).collect(),
            keys_only: config.keys_only,
            per_minute: config.limits.caller_per_minute,
        }
    }

    /// Pieces of work a minute.
    pub(super) fn rate(&self, caller: &Caller) -> NonZeroU32 {
        match caller {
            Caller::Address(_) => self.per_minute,
            Caller::Key(digest) => self.keys.get(digest).copied().unwrap_or(self.per_minute),
        }
    }

    /// The address the request came from: the last one that no proxy of ours has.
    fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        let mut address = peer;
        if self.proxies.contains(&peer) {
            let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
            let mut hops: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
            while let Some(hop) = hops.pop() {
                // What is left of an entry that is no address was written by who knows whom
                let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
                address = hop.to_canonical();
                if !self.proxies.contains(&address) {
                    break;
                }
            }
        }
        network(address)
    }

    /// The digest of the key that comes with the request. Only digests are compared, so how long that takes tells
    /// nothing about keys.
    fn presented(headers: &HeaderMap) -> Option<B256> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix(BEARER));
        let cookies = text(header::COOKIE).unwrap_or_default().split(';');
        let cookie = cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == KEY_NAME);
        let own = headers.get(KEY_NAME).and_then(|value| value.to_str().ok());
        let key = own.or(bearer).or(cookie.map(|(_, value)| value))?;
        Some(B256::new(*blake3::hash(key.trim().as_bytes()).as_bytes()))
    }
}

/// Whoever has one address of an IPv6 network has all of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << IPV6_PREFIX)).into(),
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failed> {
        let missing = || ApiError::new(Label::InternalServerError, "the caller's address is not known");
        let app = parts.extensions.get::<Arc<App>>().ok_or_else(missing)?;
        let ConnectInfo(Peer(peer)) = parts.extensions.get::<ConnectInfo<Peer>>().ok_or_else(missing)?;
        let address = Self::Address(app.access.address(peer.ip(), &parts.headers));
        let presented = Access::presented(&parts.headers);
        if let Some(digest) = presented.filter(|digest| app.access.keys.contains_key(digest)) {
            return Ok(Self::Key(digest));
        }
        // Where no keys are given out, one that a front end sends all the same does no harm
        if !app.access.keys_only && (presented.is_none() || app.access.keys.is_empty()) {
            return Ok(address);
        }
        // Guesses are charged like work
        app.charge_caller(&address)?;
        crate::metrics::turned_away("unauthorized");
        let what = if presented.is_some() { "this API key is not known here" } else { "an API key is needed" };
        let message = format!("{what}: ask the operator for one and send it as `{KEY_NAME}`");
        Err(ApiError::new(Label::Unauthorized, message).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(proxies: &[&str]) -> Access {
        Access {
            proxies: proxies.iter().map(|proxy| proxy.parse().unwrap()).collect(),
            keys: BTreeMap::new(),
            keys_only: false,
            per_minute: NonZeroU32::MIN,
        }
    }

    fn seen(proxies: &[&str], peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        access(proxies).address(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_strangers_word_about_its_address_is_not_believed() {
        assert_eq!(seen(&[], "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(seen(&["10.0.0.1"], "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        // Invented by the caller, in front of what the proxy added
        assert_eq!(seen(&["10.0.0.1"], "10.0.0.1", &["1.1.1.1, 2.2.2.2"]), "2.2.2.2");
        assert_eq!(seen(&["10.0.0.1"], "10.0.0.1", &["1.1.1.1", "2.2.2.2"]), "2.2.2.2");
    }

    #[test]
    fn a_chain_of_our_proxies_is_followed_to_its_start() {
        let proxies = ["10.0.0.1", "10.0.0.2"];
        assert_eq!(seen(&proxies, "10.0.0.1", &["3.3.3.3, 10.0.0.2"]), "3.3.3.3");
        assert_eq!(seen(&proxies, "::ffff:10.0.0.1", &["3.3.3.3"]), "3.3.3.3");
        assert_eq!(seen(&proxies, "10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(seen(&proxies, "10.0.0.1", &["3.3.3.3, what, 10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn one_network_is_one_caller() {
        assert_eq!(seen(&[], "2001:db8:1:2:3::4", &[]), seen(&[], "2001:db8:1:2:ffff::", &[]));
        assert_ne!(seen(&[], "2001:db8:1:2::", &[]), seen(&[], "2001:db8:1:3::", &[]));
        assert_eq!(seen(&[], "::ffff:9.9.9.9", &[]), "9.9.9.9");
    }

    #[test]
    fn a_key_is_read_wherever_the_official_client_puts_it() {
        let digest = Some(B256::new(*blake3::hash(b"secret").as_bytes()));
        for (name, value) in [
            ("x-api-key", "secret"),
            ("authorization", "Bearer secret"),
            ("cookie", "x-api-key=secret;"),
            ("cookie", "theme=dark; x-api-key=secret; a=b"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(Access::presented(&headers), digest, "{name}: {value}");
        }
        for (name, value) in [("authorization", "Basic secret"), ("cookie", "x-api-keys=secret"), ("cookie", "x")] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(Access::presented(&headers), None, "{name}: {value}");
        }
    }
}
