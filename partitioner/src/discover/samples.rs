//! What the sensors of a host's GPUs read, without a daemon.
//!
//! Every GPU is read twice by one worker, since SM activity is a difference of two readings; the second
//! reading is the answer.

use std::time::Duration;

use kerf_api::json::{GpuSample, Samples};

use super::{DiscoverError, STUCK_LIMIT, Search};
use crate::client::{Client, ClientError, WorkerCommand};
use crate::in_words;

/// Time between the two readings: more than the 100 ms that NVML wants between two GPM samples.
const GAP: Duration = Duration::from_millis(150);

/// Reads every GPU; `deadline` is for each question. One that does not answer becomes a problem.
pub fn samples(command: &WorkerCommand, deadline: Duration) -> Result<Samples, DiscoverError> {
    let mut search = Search::new(command, deadline);
    let mut samples = Vec::new();
    let opened = search.ask(|client| client.open(deadline));
    match opened {
        Ok(opened) => {
            for index in 0..opened.gpu_count {
                samples.extend(read(&mut search, index));
            }
        }
        Err(cause @ ClientError::Spawn { .. }) => return Err(DiscoverError::Worker(cause)),
        Err(error) => search
            .problems
            .push(format!("driver: {}", in_words(&error))),
    }
    Ok(Samples {
        schema: Default::default(),
        samples,
        problems: std::mem::take(&mut search.problems),
    })
}

fn read(search: &mut Search<'_>, index: u32) -> Option<GpuSample> {
    let deadline = search.deadline;
    if search.stuck.len() >= STUCK_LIMIT {
        let why = format!("GPU {index}: not asked, {STUCK_LIMIT} workers hang");
        search.problems.push(why);
        return None;
    }
    let twice = |client: &mut Client| {
        client.open(deadline)?;
        client.sample(index, deadline)?;
        std::thread::sleep(GAP);
        client.sample(index, deadline)
    };
    match search.ask(twice) {
        Ok(sample) => Some(GpuSample::new(index, &sample)),
        Err(error) => {
            let why = format!("GPU {index}: {}", in_words(&error));
            search.problems.push(why);
            None
        }
    }
}
