//! Files of kerf's own in an engine's folder of such files: written whole, told from others by their first line.

use std::path::Path;

use super::{Action, Edit, Engine, Handlers, Outcome, SetupError, Source, Wish};

/// How the first line of each begins.
const FIRST: &str = "# Written by kerf setup";

/// A file's text below its first line.
pub fn written(engine: Engine, body: &str) -> String {
    let word = engine.as_str();
    format!("{FIRST} {word}; kerf setup {word} --undo takes it away.\n{body}")
}

/// Whether kerf wrote a text.
pub fn is_ours(text: &str) -> bool {
    text.starts_with(FIRST)
}

/// An engine's file of its own for kerf, and what it takes to write it.
pub struct Form {
    /// Whose it is.
    pub engine: Engine,
    /// The handlers in a text of that kind.
    pub handlers: fn(&Path, &str) -> Result<Handlers, SetupError>,
    /// The text for handlers, without its first line.
    pub body: fn(&Handlers) -> String,
}

impl Form {
    /// The change of kerf's file, where `now` is what stands there, and `others` are the files beside it.
    pub fn plan(
        &self,
        path: &Path,
        now: Option<&str>,
        others: &[Source],
        wish: &Wish,
    ) -> Result<Outcome, SetupError> {
        let edit = self.edit(path, now, others, wish)?;
        let is_set_up = edit.after.as_deref().is_some_and(is_ours);
        Ok(Outcome::of([edit], Vec::new()).set_up(is_set_up))
    }

    fn edit(
        &self,
        path: &Path,
        now: Option<&str>,
        others: &[Source],
        wish: &Wish,
    ) -> Result<Edit, SetupError> {
        let edit = |after: Option<String>| Edit {
            path: path.to_owned(),
            before: now.map(str::to_owned),
            after,
        };
        if now.is_some_and(|text| !is_ours(text)) {
            return match wish.action {
                Action::Add => Err(SetupError::Foreign {
                    path: path.to_owned(),
                }),
                // There is nothing of kerf's to take away.
                Action::Remove => Ok(edit(now.map(str::to_owned))),
            };
        }
        let known = now.map_or(Ok(Handlers::new()), |text| (self.handlers)(path, text))?;
        if wish.action == Action::Add {
            self.refuse_taken(others, wish)?;
        }
        let handlers = wish.applied(known);
        let text = || written(self.engine, &(self.body)(&handlers));
        Ok(edit((!handlers.is_empty()).then(text)))
    }

    /// Another file may have the name already; which of the two counts would depend on the names of the files.
    fn refuse_taken(&self, others: &[Source], wish: &Wish) -> Result<(), SetupError> {
        for Source { path, text } in others {
            let handlers = (self.handlers)(path, text)?;
            let found = handlers.get(wish.handler.as_str());
            if let Some(found) = found.filter(|found| **found != wish.program) {
                let name = wish.handler.as_str();
                let mut lines = (1..).zip(text.lines());
                let line = lines.find(|(_, line)| line.contains(name));
                return Err(SetupError::Conflict {
                    path: path.clone(),
                    line: line.map_or(1, |(number, _)| number),
                    handler: name.to_owned(),
                    found: found.clone(),
                });
            }
        }
        Ok(())
    }
}
