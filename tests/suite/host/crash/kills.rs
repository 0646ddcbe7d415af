//! Kills of kerfd, and what the driver and the store hold after them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use kerf_api::v1::Layout;
use kerf_api::v1::apply_progress::Event;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;

use super::super::client::{Client, layout};
use super::super::world::World;

/// Profiles on the GPUs that a layout names, each with its number.
pub type Shape = BTreeMap<String, usize>;

/// The driver's own view of GPU 0 and 1, and nothing half: each GPU instance has one compute instance.
pub fn shape(world: &World) -> Shape {
    let mut shape = Shape::new();
    for line in world.instances() {
        assert_eq!(line.matches(" ci ").count(), 1, "{line} is an orphan");
        let words: Vec<&str> = line.split_whitespace().collect();
        if ["0:", "1:"].contains(&words[1]) {
            *shape
                .entry(format!("{} {}", words[1], words[4]))
                .or_default() += 1;
        }
    }
    shape
}

/// Pieces of work that the store holds as begun.
pub fn open_work(world: &World) -> i64 {
    let store = Connection::open(world.kerfd.state().join("state.db")).expect("the store");
    store
        .busy_timeout(Duration::from_secs(5))
        .expect("a timeout");
    let count = store.query_row("SELECT count(*) FROM work", [], |row| row.get(0));
    count.expect("a count")
}

/// A small generator: the same seed gives the same kills.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

/// Where an apply is cut short.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    AfterEvent(usize),
    After(Duration),
}

/// Applies a layout and kills kerfd in the middle of it, or right after it.
pub fn kill_during(world: &mut World, wanted: &Layout, cut: Cut) {
    let pid = i32::try_from(world.kerfd.pid()).expect("a pid");
    let die = || kill(Pid::from_raw(pid), Signal::SIGKILL).expect("kerfd runs");
    match cut {
        Cut::AfterEvent(last) => {
            let mut seen = 0;
            let ended = world.client.apply_until(wanted.clone(), |event| {
                seen += 1;
                if seen > last || matches!(event, Event::Done(_)) {
                    die();
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            ended.expect("it was told to end");
        }
        Cut::After(delay) => std::thread::scope(|scope| {
            let (socket, wanted) = (world.kerfd.socket(), wanted.clone());
            let apply = scope.spawn(move || Client::new(socket).apply(wanted));
            std::thread::sleep(delay);
            die();
            // It may have been done before, or been cut off.
            drop(apply.join().expect("no panic"));
        }),
    }
    world.kerfd.kill9().expect("it is gone");
}

/// Starts kerfd again and waits until it has looked: on a busy machine it serves what it knows before that, and the
/// driver call of a worker before it comes first.
pub fn come_back(world: &mut World) {
    world.kerfd.restart().expect("kerfd comes back");
    world.until("a host that is well", || world.client.degraded().is_empty());
}

/// Two layouts of GPUs 0 and 1 that share little.
pub fn there_and_back() -> [kerf_api::v1::Layout; 2] {
    [
        layout(&[
            (&["0"], &[("1g.10gb", 1), ("3g.40gb", 1)]),
            (&["1"], &[("1g.10gb", 7)]),
        ]),
        layout(&[
            (&["0"], &[("1g.10gb", 3), ("2g.20gb", 1)]),
            (&["1"], &[("3g.40gb", 2)]),
        ]),
    ]
}

/// The lines of GPU 2 and of the slice with this UUID.
pub fn kept(world: &World, uuid: &str) -> Vec<String> {
    let mut lines = world.instances();
    lines.retain(|line| line.starts_with("gpu 2:") || line.ends_with(uuid));
    lines
}

/// Applies a layout; how many events that has, and how long it takes.
pub fn once_there(world: &World, layout: &kerf_api::v1::Layout) -> (usize, Duration) {
    let begin = Instant::now();
    let mut events = 0;
    let count = |_| {
        events += 1;
        ControlFlow::Continue(())
    };
    world
        .client
        .apply_until(layout.clone(), count)
        .expect("it is applied");
    (events, begin.elapsed())
}
