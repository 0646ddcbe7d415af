//! The moment from which this host speaks: at once where nothing is proven, else when it is a member of a cluster.

use std::sync::Arc;

use kerf_membership::{ClusterId, Payload};
use tokio::sync::{mpsc, watch};

use super::driver::{self, Command};
use super::join::{Join, Resolve};
use super::net::TcpListener;
use super::shared::Shared;
use super::sockets::{Buffer, Wire};
use super::{service, upkeep};
use crate::cluster::Member;

/// What speaking takes.
pub(super) struct Parts {
    pub listener: TcpListener,
    pub wire: Wire,
    pub shared: Arc<Shared>,
    pub commands: mpsc::Sender<Command>,
    pub asked: mpsc::Receiver<Command>,
    pub published: watch::Receiver<Option<Payload>>,
    /// Hosts that are asked for the fleet.
    pub join: Vec<String>,
    pub resolve: Resolve,
    /// Of the core's random choices.
    pub seed: u64,
}

impl Parts {
    /// Speaks from now on.
    pub fn begin(self, cluster: ClusterId) {
        let shared = self.shared;
        let core = driver::core(&shared, cluster, self.seed);
        let driver = driver::Driver::new(
            core,
            self.wire,
            Arc::clone(&shared),
            self.asked,
            self.published,
        );
        tokio::spawn(driver.run());
        let commands = self.commands;
        let served = service::serve(self.listener, Arc::clone(&shared), commands.clone());
        tokio::spawn(served);
        if !self.join.is_empty() {
            let join = Join::new(self.join, self.resolve, shared, commands);
            tokio::spawn(join.run());
        }
    }

    /// Waits until this host is a member, and answers nobody before.
    pub async fn begin_as_member(mut self, mut membership: watch::Receiver<Option<Arc<Member>>>) {
        let stop = self.shared.stop.clone();
        let member = tokio::select! {
            () = stop.cancelled() => return,
            member = joined(&mut membership) => member,
            () = self.discard() => return,
        };
        let Some(member) = member else { return };
        let shared = Arc::clone(&self.shared);
        let is_first = shared.keys.set(Arc::clone(member.keys())).is_ok()
            && shared.member.set(Arc::clone(&member)).is_ok();
        if !is_first {
            tracing::error!("this host is a member already");
            return;
        }
        tracing::info!(
            address = %shared.address,
            peer.id = %shared.me.host,
            cluster.name = %member.gate().ca().name(),
            "peers are encrypted and authenticated"
        );
        for seed in member.seeds() {
            if !self.join.contains(&seed) {
                self.join.push(seed);
            }
        }
        tokio::spawn(upkeep::run(shared, Arc::clone(&member)));
        self.begin(member.cluster());
    }

    /// Ends what is connected and drops what is sent, so that nobody waits for an answer.
    async fn discard(&mut self) {
        let mut buffer = Buffer::new();
        loop {
            tokio::select! {
                command = self.asked.recv() => match command {
                    Some(Command::Leave(said)) => drop(said.send(())),
                    // There is no fleet to answer for; whoever waits is told so by the end of its channel.
                    Some(_) => {}
                    None => return,
                },
                accepted = self.listener.accept() => drop(accepted),
                ready = self.wire.readable() => {
                    drop(ready);
                    while self.wire.receive(&mut buffer).is_ok() {}
                }
            }
            // A flood shall not keep the processor busy.
            tokio::task::yield_now().await;
        }
    }
}

async fn joined(membership: &mut watch::Receiver<Option<Arc<Member>>>) -> Option<Arc<Member>> {
    let found = membership.wait_for(Option::is_some).await;
    found.ok().and_then(|member| member.clone())
}
