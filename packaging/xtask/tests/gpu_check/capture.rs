//! Parts of the captures of real GPUs that lie beside the checkout.

use kerf_tests::{Capability, require, tree};

/// What `nvidia-smi` printed in a capture, by phase (`capabilities`, `idle`, `load`) and command line.
pub struct Capture(String);

impl Capture {
    /// The capture of that file name; none where the data is not there, which is said in one line.
    pub fn open(name: &str) -> Option<Self> {
        if !require(Capability::Data) {
            return None;
        }
        let path = tree::data_dir().join("nvidia-smi").join(name);
        let text = std::fs::read_to_string(&path);
        Some(Self(text.unwrap_or_else(|error| {
            panic!("{}: {error}", path.display())
        })))
    }

    /// What a command printed.
    pub fn text(&self, phase: &str, command: &str) -> String {
        let mut lines = self.0.lines();
        let head = format!("# {phase} :: ");
        let wanted = format!("# $ nvidia-smi {command}");
        while let Some(line) = lines.next() {
            if line.starts_with(&head)
                && lines
                    .next()
                    .is_some_and(|line| line.trim_end().starts_with(&wanted))
            {
                let body = lines.skip(1).take_while(|line| !line.starts_with("####"));
                let body: Vec<&str> = body.collect();
                return body.join("\n").trim_end().to_owned() + "\n";
            }
        }
        panic!("the capture has no {command:?} in {phase}");
    }
}
