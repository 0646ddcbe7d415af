//! A Chromium without a screen, led over its debugging pipe: null-terminated JSON on two file descriptors, so
//! that neither a port nor a client of WebSocket is needed.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use kerf_tests::{bins, poll};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use serde_json::{Value, json};

use super::world::LIMIT;

/// The browser reads its orders from descriptor 3 and answers on 4; the shell puts them there and is gone.
const START: &str = "log=$1; shift; exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>\"$log\"";

/// What a browser says of the page that nobody wants to hear: exceptions, refusals of the policy.
const COMPLAINTS: [&str; 2] = ["Runtime.exceptionThrown", "Log.entryAdded"];

/// A browser with one page; it ends with its owner.
pub struct Browser {
    child: Child,
    orders: ChildStdin,
    answers: ChildStdout,
    unread: Vec<u8>,
    number: u64,
    session: Option<String>,
    /// What the browser complained of.
    pub complaints: Vec<String>,
}

impl Browser {
    /// Starts a browser whose files lie in `folder`.
    pub fn start(folder: &Path) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", START, "sh"])
            .arg(folder.join("chromium.log"));
        command.arg(bins::system("chromium").expect("it is installed"));
        command.args(["--headless", "--remote-debugging-pipe", "--no-first-run"]);
        // Root has no sandbox in Chromium, and the page is our own.
        command.args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args([
            "--disable-background-networking",
            "--disable-component-update",
        ]);
        command.arg(format!(
            "--user-data-dir={}",
            folder.join("chromium").display()
        ));
        // Its settings and crash reports go to the same place.
        command.env("HOME", folder).env("XDG_CONFIG_HOME", folder);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("sh starts");
        let orders = child.stdin.take().expect("a pipe");
        let answers = child.stdout.take().expect("a pipe");
        let mut browser = Self {
            child,
            orders,
            answers,
            unread: Vec::new(),
            number: 0,
            session: None,
            complaints: Vec::new(),
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({}));
        }
        browser
    }

    /// Opens an address in a window of this size, in a theme.
    pub fn visit(&mut self, url: &str, size: (u32, u32), theme: &str) {
        self.theme(theme);
        let (width, height) = size;
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        self.call("Emulation.setScrollbarsHidden", json!({ "hidden": true }));
        let outcome = self.call("Page.navigate", json!({ "url": url }));
        assert_eq!(outcome["errorText"], Value::Null, "{url}");
    }

    /// `light` or `dark`, as if the user had chosen it.
    pub fn theme(&mut self, theme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": theme });
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [feature] }),
        );
    }

    /// The value of an expression in the page.
    pub fn eval(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", parameters);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].clone()
    }

    /// Polls until an expression in the page holds.
    pub fn until(&mut self, expression: &str) {
        let held = poll::until_true(expression, LIMIT, || {
            self.eval(expression) == Value::Bool(true)
        });
        if held.is_err() {
            let body = self.eval("document.body.innerText");
            panic!(
                "{expression} never held; complaints: {:?}\n{body}",
                self.complaints
            );
        }
    }

    /// Presses a key as the keyboard does.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" && kind == "keyDown" {
                "\r"
            } else {
                ""
            };
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// A picture of the whole page as PNG.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let parameters = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.call("Page.captureScreenshot", parameters);
        base64(answer["data"].as_str().expect("a picture"))
    }

    /// Gives an order and waits for its answer.
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut order = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        let order = format!("{order}\0");
        self.orders
            .write_all(order.as_bytes())
            .expect("it reads orders");
        let deadline = Instant::now() + LIMIT;
        loop {
            let answer = self.message(deadline);
            if answer["id"] == self.number {
                assert_eq!(answer["error"], Value::Null, "{method}");
                return answer["result"].clone();
            }
            let event = answer["method"].as_str().unwrap_or_default();
            if COMPLAINTS.contains(&event) {
                self.complaints.push(answer["params"].to_string());
            }
        }
    }

    fn message(&mut self, deadline: Instant) -> Value {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = self.unread.drain(..=end).collect();
                return serde_json::from_slice(&message[..end]).expect("JSON");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let mut watched = [PollFd::new(self.answers.as_fd(), PollFlags::POLLIN)];
            let patience = PollTimeout::try_from(left).expect("less than a day");
            let ready = nix::poll::poll(&mut watched, patience).expect("it can be watched");
            assert!(ready > 0, "the browser does not answer");
            let mut bytes = [0; 65_536];
            let count = self.answers.read(&mut bytes).expect("a pipe");
            assert!(count > 0, "the browser has ended");
            self.unread.extend_from_slice(&bytes[..count]);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends its own processes if it is asked; killed, it leaves their folders in disorder.
        drop(
            self.orders
                .write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0"),
        );
        let ended = poll::until_true("the end of the browser", Duration::from_secs(10), || {
            matches!(self.child.try_wait(), Ok(Some(_)))
        });
        if ended.is_err() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Decodes RFC 4648 base64.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = ALPHABET.iter().position(|known| *known == letter);
        let value = u32::try_from(value.expect("base64")).expect("less than 64");
        held = (held << 6) | value;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).expect("a byte"));
        }
    }
    bytes
}

#[test]
fn base64_is_read() {
    for (text, bytes) in [
        ("", ""),
        ("Zg==", "f"),
        ("Zm8=", "fo"),
        ("Zm9vYmE=", "fooba"),
        ("Zm9vYmFy", "foobar"),
    ] {
        assert_eq!(base64(text), bytes.as_bytes());
    }
}
