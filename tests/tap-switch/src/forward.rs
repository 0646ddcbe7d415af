//! The loop: frames from the ports into the fabric, and out of it when they are due; commands between them.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::command;
use crate::fabric::Fabric;
use crate::port::Port;
use crate::say;

/// Longest frame: what a TAP device without a larger MTU hands out, with its header.
const FRAME: usize = 2_048;

/// Frames of one port that are taken in one turn, so that none holds up the others.
const TURN: usize = 256;

/// Longest command.
const LINE: usize = 4_096;

/// Forwards until standard input ends.
pub fn run(ports: &[Port], mut fabric: Fabric) -> Result<()> {
    let begun = Instant::now();
    let stdin = io::stdin();
    let mut lines = Lines::default();
    loop {
        let ready = {
            let mut waiting: Vec<PollFd<'_>> = ports
                .iter()
                .map(|port| PollFd::new(port.as_fd(), PollFlags::POLLIN))
                .collect();
            waiting.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
            let timeout = wait(fabric.next(), begun.elapsed());
            match poll(&mut waiting, timeout) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error).context("cannot wait for frames"),
            }
            let is_ready = |one: &PollFd<'_>| one.any().unwrap_or(true);
            waiting.iter().map(is_ready).collect::<Vec<bool>>()
        };
        for (port, _) in ports.iter().zip(&ready).filter(|(_, ready)| **ready) {
            take(port, &mut fabric, begun)?;
        }
        deliver(ports, &mut fabric, begun);
        if ready.last() == Some(&true) && !lines.read(&mut fabric)? {
            return Ok(());
        }
    }
}

/// Until the next frame is due. Rounded up: a frame is late by less than a millisecond rather than asked for in vain.
fn wait(next: Option<Duration>, now: Duration) -> PollTimeout {
    let Some(next) = next else {
        return PollTimeout::NONE;
    };
    let ms = next.saturating_sub(now).as_micros().div_ceil(1_000);
    PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)
}

fn take(port: &Port, fabric: &mut Fabric, begun: Instant) -> Result<()> {
    let mut buffer = [0; FRAME];
    for _ in 0..TURN {
        let frame = port.receive(&mut buffer);
        let frame = frame.with_context(|| format!("port {} cannot be read", port.number()))?;
        let Some(frame) = frame else {
            break;
        };
        fabric.take(begun.elapsed(), port.number(), frame);
    }
    Ok(())
}

fn deliver(ports: &[Port], fabric: &mut Fabric, begun: Instant) {
    let now = begun.elapsed();
    while let Some((to, frame)) = fabric.arrived(now) {
        if let Some(port) = ports.iter().find(|port| port.number() == to) {
            // A namespace whose interface is down takes nothing: that is what a test has set it down for.
            let _taken = port.send(&frame);
        }
    }
}

/// Bytes of commands that no line feed has ended yet.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// Carries out what has come; false once the input has ended.
    fn read(&mut self, fabric: &mut Fabric) -> Result<bool> {
        let mut buffer = [0; LINE];
        // Not through the buffer of the library: poll would not see what lies there.
        let count = nix::unistd::read(io::stdin(), &mut buffer).context("no commands")?;
        if count == 0 {
            return Ok(false);
        }
        self.0.extend(buffer.get(..count).unwrap_or_default());
        anyhow::ensure!(
            self.0.len() <= LINE * 4,
            "a command of more than {LINE} bytes"
        );
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.0.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            say(&command::answer(fabric, line.trim_end()))?;
        }
        Ok(true)
    }
}
