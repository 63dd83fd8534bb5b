//! Addresses of networks (`network_recv`, `macaddr_recv`).

use std::net::IpAddr;

/// The families as Postgres numbers them in the binary form (`utils/inet.h`).
const INET: u8 = 2;
const INET6: u8 = 3;

pub(super) fn write_inet(text: &str, out: &mut Vec<u8>) -> bool {
    write_network(text, false, out)
}

/// No bit may be set beyond the mask.
pub(super) fn write_cidr(text: &str, out: &mut Vec<u8>) -> bool {
    write_network(text, true, out)
}

fn write_network(text: &str, is_cidr: bool, out: &mut Vec<u8>) -> bool {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let (family, most) = if address.is_ipv4() { (INET, 32) } else { (INET6, 128) };
    // The parser would take a sign, and zeros in front.
    let is_plain =
        |bits: &str| bits == "0" || !bits.starts_with('0') && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = match bits {
        None => Some(most),
        Some(bits) if is_plain(bits) => bits.parse::<u8>().ok().filter(|bits| *bits <= most),
        Some(_) => None,
    };
    let Some(bits) = bits else { return false };
    let beyond = match address {
        IpAddr::V4(address) => u128::from(u32::from(address).checked_shl(bits.into()).unwrap_or(0)),
        IpAddr::V6(address) => u128::from(address).checked_shl(bits.into()).unwrap_or(0),
    };
    if is_cidr && beyond != 0 {
        return false;
    }
    out.extend_from_slice(&[family, bits, u8::from(is_cidr), most / 8]);
    match address {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
    }
    true
}

/// Six pairs of digits with colons between them.
pub(super) fn write_macaddr(text: &str, out: &mut Vec<u8>) -> bool {
    let mut pairs = text.split(':');
    (0..6).all(|_| {
        pairs.next().is_some_and(|pair| pair.len() == 2 && super::write_hexadecimal(pair.as_bytes(), out))
    }) && pairs.next().is_none()
}
