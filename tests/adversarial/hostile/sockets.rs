//! Bytes that are not even HTTP, and requests that break off.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use crate::world::world;

/// Sends bytes, ends the sending half, and returns what comes back until the server closes.
fn talk(bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(world().server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // The server may close before all is written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn what_is_not_http_is_not_answered_with_success() {
    let long =
        [b"GET /models HTTP/1.1\r\nhost: x\r\nx: ".to_vec(), vec![b'a'; 1 << 20], b"\r\n\r\n".to_vec()]
            .concat();
    let attacks: [&[u8]; 8] = [
        b"",
        b"\0\0\0\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET /models HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET /mod els HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /infer HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        &long,
    ];
    for attack in attacks {
        let answer = talk(attack);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{:?}", String::from_utf8_lossy(&answer));
    }
    world().still_serves();
}

#[test]
fn requests_that_break_off_leave_nothing_behind() {
    let body = world().inference().to_string();
    for share in [0, 1, body.len() / 2, body.len() - 1] {
        let head = format!(
            "POST /infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = talk(&[head.as_bytes(), &body.as_bytes()[..share]].concat());
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{:?}", String::from_utf8_lossy(&answer));
    }
    let chunked = b"POST /infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{";
    assert!(!talk(chunked).starts_with(b"HTTP/1.1 2"));
    world().still_serves();
}

#[test]
fn a_body_that_announces_more_than_is_accepted_is_refused_before_it_is_read() {
    let head = b"POST /infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n";
    let answer = String::from_utf8_lossy(&talk(head)).into_owned();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("PAYLOAD_TOO_LARGE"), "{answer}");
    world().still_serves();
}

#[test]
fn a_body_without_an_announced_length_is_cut_off_at_the_limit() {
    let mut stream = TcpStream::connect(world().server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(b"POST /infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    // A gigabyte, if the server took it.
    let taken = (0..16_384).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(taken < 1_000, "{taken} chunks of 64 KB were taken");
    world().still_serves();
}
