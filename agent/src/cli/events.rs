//! `kerf events`: what has happened on the host, oldest first.

use kerf_api::json::{Event, EventEntry, Events};
use kerf_api::v1;

use super::fail::Failure;
use super::style::{Ink, Style};
use super::{Context, Exit};

/// `kerf events`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on with those that come
    #[arg(short, long)]
    follow: bool,
    /// Only events after this number
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    after: u64,
}

/// Prints events.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    const WHAT: &str = "read the events";
    let mut client = context.connect().await?;
    let request = v1::WatchEventsRequest {
        after: args.after,
        follow: args.follow,
    };
    let events = client
        .watch_events(request)
        .await
        .map_err(Failure::call(WHAT))?;
    let mut events = events.into_inner();
    let mut all = Vec::new();
    while let Some(event) = events.message().await.map_err(Failure::call(WHAT))? {
        if args.follow {
            let line = |event: &Event, style: Style| line(&event.event, style);
            context.print.next_document(&Event::from(&event), line)?;
        } else {
            all.push(event);
        }
    }
    if !args.follow {
        context.print.document(&Events::from_iter(&all), render)?;
    }
    Ok(Exit::Done)
}

/// A line an event.
pub fn render(events: &Events, style: Style) -> String {
    events
        .events
        .iter()
        .map(|event| line(event, style))
        .collect()
}

/// Columns of fixed width, since those that come are not known yet.
fn line(event: &EventEntry, style: Style) -> String {
    let number = style.paint(Ink::Dim, format!("{:>5}", event.number));
    let kind = style.paint(Ink::Bold, format!("{:<6}", event.kind));
    format!(
        "{number}  {}  {kind}  {}: {}\n",
        event.happened_at, event.subject, event.text
    )
}
