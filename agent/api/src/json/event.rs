//! `kerf events`: what happened on a host.

use serde::Serialize;

use super::{schema_tag, time};
use crate::v1;

schema_tag!(EventsSchema, "kerf.v1.Events");
schema_tag!(EventSchema, "kerf.v1.Event");

/// Events, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Events {
    /// Names this document.
    pub schema: EventsSchema,
    /// The events.
    pub events: Vec<EventEntry>,
}

/// One event as a document of its own: a line of a stream that is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Names this document.
    pub schema: EventSchema,
    /// The event.
    #[serde(flatten)]
    pub event: EventEntry,
}

/// What one event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventEntry {
    /// Its number on this host; later events have larger ones.
    pub number: u64,
    /// When it happened.
    pub happened_at: String,
    /// `gpu`, `device`, `slice`, `lease`, `job`, `plan`, `health`, `maintenance`, `store`, `config` or `peer`.
    pub kind: String,
    /// What it happened to.
    pub subject: String,
    /// What happened.
    pub text: String,
}

impl From<&v1::Event> for EventEntry {
    fn from(event: &v1::Event) -> Self {
        Self {
            number: event.number,
            happened_at: time(event.time_ms),
            kind: event.kind.clone(),
            subject: event.subject.clone(),
            text: event.text.clone(),
        }
    }
}

impl From<&v1::Event> for Event {
    fn from(event: &v1::Event) -> Self {
        Self {
            schema: EventSchema::V1,
            event: event.into(),
        }
    }
}

impl<'a> FromIterator<&'a v1::Event> for Events {
    fn from_iter<I: IntoIterator<Item = &'a v1::Event>>(events: I) -> Self {
        let events = events.into_iter().map(Into::into).collect();
        Self {
            schema: EventsSchema::V1,
            events,
        }
    }
}
