//! The status page's document and stream, asked for as a program would, and as somebody else's page would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use kerf_tests::{http, poll};
use serde_json::Value;

use super::client::layout;
use super::world::{LIMIT, QUICK, World};

/// Streams that kerfd gives at a time.
const STREAMS: usize = 16;

/// Least time between two documents.
const PERIOD_MS: u128 = 250;

/// Sends a request as it stands, and returns the status and everything that came.
fn raw(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).expect("kerfd listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a time-out");
    stream.write_all(request.as_bytes()).expect("it is read");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let status = text.split_whitespace().nth(1).expect("a status");
    (status.parse().expect("a number"), text.to_lowercase())
}

fn state(world: &World) -> Value {
    let answer = http::get(world.kerfd.web_address(), "/api/state", LIMIT).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

/// A reader of `/events`.
struct Events(BufReader<TcpStream>);

impl Events {
    /// Opens a stream; the status alone where it is refused.
    fn open(address: SocketAddr) -> Result<Self, u16> {
        let mut stream = TcpStream::connect_timeout(&address, LIMIT).expect("kerfd listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a time-out");
        // HTTP/1.0: no chunks, so that the lines of events are all there is.
        let request = format!("GET /events HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is read");
        let mut events = Self(BufReader::new(stream));
        let status = events.line().split_whitespace().nth(1).map(str::parse);
        let status: u16 = status.expect("a status").expect("a number");
        while !events.line().is_empty() {}
        if status == 200 {
            Ok(events)
        } else {
            Err(status)
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line in time");
        line.trim_end().to_owned()
    }

    /// The next event: its number and its document.
    fn next(&mut self) -> (u64, Value) {
        let mut number = None;
        loop {
            let line = self.line();
            if let Some(id) = line.strip_prefix("id: ") {
                number = id.parse().ok();
            } else if let Some(data) = line.strip_prefix("data: ") {
                let document = serde_json::from_str(data).expect("JSON on one line");
                return (number.expect("a number before it"), document);
            }
        }
    }
}

/// Profiles with their places on a GPU of a document.
fn slices(document: &Value, gpu: usize) -> Vec<String> {
    let slices = document["gpus"][gpu]["slices"].as_array().expect("a list");
    let one = |slice: &Value| {
        let (profile, place) = (slice["profile"].as_str(), &slice["placement"]);
        let state = slice["state"].as_str();
        let (profile, state) = profile.zip(state).expect("both are told");
        format!("{profile} {}:{} {state}", place["start"], place["size"])
    };
    slices.iter().map(one).collect()
}

#[test]
fn a_cut_is_an_event() {
    let Some(world) = World::bare("h100x8", QUICK) else {
        return;
    };
    let before = state(&world);
    assert_eq!(before["schema"], "kerf.v1.Web");
    assert_eq!(before["gpus"].as_array().map(Vec::len), Some(8));
    assert_eq!(
        before["topology"]["devices"].as_array().map(Vec::len),
        Some(16)
    );
    assert_eq!(before["peers"], Value::Null);
    assert_eq!(slices(&before, 3), Vec::<String>::new());
    let opened = Instant::now();
    let mut events = Events::open(world.kerfd.web_address()).expect("a stream");
    let (first, document) = events.next();
    assert_eq!(slices(&document, 3), Vec::<String>::new());

    let wanted = layout(&[(&["3"], &[("1g.10gb", 2), ("3g.40gb", 1)])]);
    world.client.apply(wanted).expect("it is applied");
    let cut = ["1g.10gb 0:1 free", "1g.10gb 1:1 free", "3g.40gb 4:4 free"];
    let mut last = first;
    let document = loop {
        let (number, document) = events.next();
        assert!(number > last, "{number} after {last}");
        last = number;
        if slices(&document, 3) == cut {
            break document;
        }
    };
    let most = opened.elapsed().as_millis() / PERIOD_MS + 1;
    assert!(
        u128::from(last - first) <= most,
        "{last} after {first}, {most} at most"
    );
    assert_eq!(document["gpus"][3]["mig_mode"], "enabled");
    assert_eq!(document["gpus"][3]["units"], 8);

    let lease = world.client.lease("3g.40gb", "default", "secret-project");
    let lease = lease.expect("a lease").id;
    let reserved = loop {
        let (_, document) = events.next();
        if document["leases"]
            .as_array()
            .is_some_and(|leases| !leases.is_empty())
        {
            break document;
        }
    };
    assert_eq!(slices(&reserved, 3)[2], "3g.40gb 4:4 reserved");
    assert_eq!(reserved["leases"][0]["id"], lease.as_str());
    assert_eq!(reserved["leases"][0]["holder"], "a container");
    assert!(!reserved.to_string().contains("secret-project"));
    // What the stream said last is what the document says.
    assert_eq!(state(&world)["gpus"], reserved["gpus"]);
}

#[test]
fn kerfd_ends_its_streams_when_it_ends() {
    let Some(mut world) = World::bare("h100x1", QUICK) else {
        return;
    };
    let mut events = Events::open(world.kerfd.web_address()).expect("a stream");
    events.next();
    world.kerfd.terminate().expect("it ends");
    let mut rest = String::new();
    events
        .0
        .read_to_string(&mut rest)
        .expect("the end of the stream");
}

#[test]
fn it_answers_to_this_host_and_only_reads() {
    let Some(world) = World::bare("h100x1", QUICK) else {
        return;
    };
    let at = world.kerfd.web_address();
    let check = |status: u16, request: &str| {
        let (found, text) = raw(at, &format!("{request}connection: close\r\n\r\n"));
        assert_eq!(found, status, "{request}{text}");
        text
    };
    let page = check(200, &format!("GET / HTTP/1.1\r\nhost: {at}\r\n"));
    assert!(
        page.contains("content-security-policy: default-src 'none'; script-src 'self'"),
        "{page}"
    );
    for path in ["/api/state", "/main.js", "/base.css"] {
        check(
            200,
            &format!("GET {path} HTTP/1.1\r\nhost: localhost:8080\r\n"),
        );
    }
    let head = check(200, "HEAD /api/state HTTP/1.1\r\nhost: [::1]\r\n");
    assert!(head.ends_with("\r\n\r\n"), "a body: {head}");
    for path in ["/", "/api/state", "/events", "/main.js"] {
        check(
            421,
            &format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\n"),
        );
        check(
            421,
            &format!("GET http://evil.example{path} HTTP/1.1\r\nhost: {at}\r\n"),
        );
        check(
            400,
            &format!("GET {path} HTTP/1.1\r\nhost: {at}\r\nhost: {at}\r\n"),
        );
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            check(
                405,
                &format!("{method} {path} HTTP/1.1\r\nhost: {at}\r\ncontent-length: 0\r\n"),
            );
        }
    }
    check(400, "GET / HTTP/1.0\r\n");
    let refused = check(404, "GET /nothing HTTP/1.1\r\nhost: localhost\r\n");
    assert!(
        refused.contains("x-content-type-options: nosniff"),
        "{refused}"
    );
    for site in ["cross-site", "same-site"] {
        for path in ["/api/state", "/events"] {
            check(
                403,
                &format!("GET {path} HTTP/1.1\r\nhost: {at}\r\nsec-fetch-site: {site}\r\n"),
            );
        }
        check(
            200,
            &format!("GET / HTTP/1.1\r\nhost: {at}\r\nsec-fetch-site: {site}\r\n"),
        );
    }
    let own = format!("GET /api/state HTTP/1.1\r\nhost: {at}\r\nsec-fetch-site: same-origin\r\n");
    check(200, &own);
}

#[test]
fn streams_are_few_and_leave_room_for_the_page() {
    let Some(world) = World::bare("h100x1", QUICK) else {
        return;
    };
    let at = world.kerfd.web_address();
    let streams: Vec<Events> = (0..STREAMS)
        .map(|number| Events::open(at).unwrap_or_else(|status| panic!("{number}: {status}")))
        .collect();
    assert_eq!(Events::open(at).err(), Some(503));
    assert_eq!(state(&world)["schema"], "kerf.v1.Web");
    drop(streams);
    poll::until_true("a stream once others are closed", LIMIT, || {
        Events::open(at).is_ok()
    })
    .expect("closed streams make room");
}
