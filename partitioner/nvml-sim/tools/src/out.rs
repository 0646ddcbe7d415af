//! What a tool says, on its standard output.

use std::io::Write;

/// Says it. Nobody may listen any more, and there is nobody else to tell.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.ok();
}
