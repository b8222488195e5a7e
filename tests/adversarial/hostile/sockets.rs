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

/// As [`talk`], for requests that ask the server to close: this side does not, which a server may take for a client
/// who has gone.
fn ask(bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(world().server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
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

/// The status lines of what comes back.
fn statuses(answer: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answer);
    text.lines().filter(|line| line.starts_with("HTTP/1.1 ")).map(|line| line[9..12].to_owned()).collect()
}

#[test]
fn pipelined_requests_are_answered_in_order_or_not_at_all() {
    let mut requests = Vec::new();
    for i in 0..50 {
        let path = if i % 2 == 0 { "/health" } else { "/nothing" };
        let connection = if i == 49 { "close" } else { "keep-alive" };
        requests.extend(
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: {connection}\r\n\r\n").into_bytes(),
        );
    }
    let found = statuses(&ask(&requests));
    assert!(!found.is_empty());
    for (i, status) in found.iter().enumerate() {
        assert_eq!(status, if i % 2 == 0 { "200" } else { "404" }, "{found:?}");
    }
    world().still_serves();
}

#[test]
fn requests_that_can_be_read_two_ways_are_refused() {
    let smuggled = "0\r\n\r\nGET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    for head in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5, 6",
        "content-length: +5",
        "content-length: 0x5",
        "content-length: 18446744073709551616",
        "transfer-encoding: gzip, chunked, identity",
        "transfer-encoding: xchunked",
        " content-length: 5",
        "content-length : 5",
    ] {
        let request = format!(
            "POST /infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{head}\r\n\r\n{smuggled}"
        );
        let found = statuses(&talk(request.as_bytes()));
        assert!(found.iter().all(|status| status != "200" && status != "202"), "{head}: {found:?}");
    }
    world().still_serves();
}

#[test]
fn floods_of_headers_and_endless_lines_are_cut_off() {
    let many: String = (0..5000).map(|i| format!("x-{i}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(1 << 20));
    let lines = [many, long];
    for headers in lines {
        let answer = talk(format!("GET /health HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes());
        assert!(statuses(&answer).iter().all(|status| status != "200"), "{:?}", statuses(&answer));
    }
    let path = talk(format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(1 << 20)).as_bytes());
    assert!(statuses(&path).iter().all(|status| status != "200"));
    world().still_serves();
}

#[test]
fn tricks_with_paths_reach_nothing() {
    for path in [
        "/../../etc/passwd",
        "/schemas/../../Cargo.toml",
        "/schemas/..%2f..%2fCargo.toml",
        "/schemas/%2e%2e/openapi.yaml",
        "/schemas/%00job.schema.json",
        "/schemas/job.schema.json%00",
        "/schemas\\job.schema.json",
        "/keys/..;/models",
        "/./models",
        "/models%20",
        "/models;x=1",
        "/%2fmodels",
        "//models",
        "*",
        "models",
    ] {
        let found = statuses(&talk(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()));
        assert!(found.iter().all(|status| status.starts_with('4')), "{path}: {found:?}");
    }
    // Query and fragment are no part of the path, and an absolute target names the same server.
    for path in ["/health?x=../../etc/passwd", "/health#x", "http://elsewhere.example/health"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert_eq!(statuses(&ask(request.as_bytes())), ["200"], "{path}");
    }
    world().still_serves();
}

#[test]
fn slow_and_silent_clients_do_not_keep_others_out() {
    let head =
        "POST /infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    let mut slow: Vec<TcpStream> = (0..200)
        .map(|i| {
            let mut stream = TcpStream::connect(world().server.address()).unwrap();
            let part = if i % 2 == 0 { head } else { &head[..20] };
            stream.write_all(part.as_bytes()).unwrap();
            stream
        })
        .collect();
    for _ in 0..3 {
        world().still_serves();
        // One byte more from each that is still there.
        slow.iter_mut().for_each(|stream| drop(stream.write_all(b" ")));
    }
}
