//! SIGHUP: the new configuration is taken as a whole or not at all.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Args, programs};
use crate::config::{Config, Driver};
use crate::events::Events;
use crate::host::{Command, HostHandle};
use crate::jobs::Jobs;
use crate::peers::Peers;
use crate::rpc::LoadedConfig;

/// Reads the configuration again and hands it to those who can change while they run.
pub async fn reload(
    args: &Args,
    host: &HostHandle,
    jobs: &Jobs,
    events: &Events,
    current: &watch::Sender<Arc<LoadedConfig>>,
) {
    let loaded = match args.load() {
        Ok((loaded, _)) => loaded,
        Err(error) => {
            let text = format!("not taken: {error:#}");
            tracing::error!(error = %text, "configuration reload failed, the old one stays in force");
            events.add("config", "reload", &text);
            return;
        }
    };
    let old = current.borrow().config.clone();
    let mut config = loaded.config.clone();
    let waiting = keep_fixed(&old, &mut config);
    let shared = Arc::new(config.clone());
    jobs.reconfigure(Arc::clone(&shared), programs::launch_policy(&config));
    host.tell(Command::Reconfigure { config: shared }).await;
    current.send_replace(Arc::new(LoadedConfig {
        config,
        files: loaded.files,
    }));
    let text = if waiting.is_empty() {
        "taken".to_owned()
    } else {
        format!("taken, except what needs a restart: {}", waiting.join(", "))
    };
    tracing::info!(result = %text, "configuration reloaded");
    events.add("config", "reload", &text);
}

/// Takes the keys of gossip that the file has now. One that cannot be read leaves those in force that were.
pub fn keys(peers: Option<&Peers>, events: &Events) {
    let Some(keys) = peers.and_then(Peers::keys) else {
        return;
    };
    let text = match keys.reread() {
        Ok(false) => return,
        Ok(true) => "keyring taken".to_owned(),
        Err(error) => format!("keyring not taken: {}", crate::errors::chain(&error)),
    };
    tracing::info!(result = %text, "keyring read again");
    events.add("config", "reload", &text);
}

/// Puts back what cannot change while kerfd runs, and names it.
fn keep_fixed(old: &Config, new: &mut Config) -> Vec<&'static str> {
    let mut waiting = Vec::new();
    let mut keep = |differs: bool, name: &'static str| {
        if differs {
            waiting.push(name);
        }
    };
    keep(old.host != new.host, "host");
    keep(old.paths != new.paths, "paths");
    // How often the hardware is looked at changes at once.
    let driver = Driver {
        look_interval: new.driver.look_interval,
        ..old.driver
    };
    keep(driver != new.driver, "driver");
    keep(old.metrics != new.metrics, "metrics");
    keep(old.web != new.web, "web");
    keep(old.peers != new.peers, "peers");
    keep(
        old.launch.containerd != new.launch.containerd,
        "launch.containerd",
    );
    keep(
        old.launch.namespace != new.launch.namespace,
        "launch.namespace",
    );
    keep(
        old.launch.master_ports != new.launch.master_ports,
        "launch.master_ports",
    );
    new.host = old.host.clone();
    new.paths = old.paths.clone();
    new.driver = driver;
    new.metrics = old.metrics.clone();
    new.web = old.web;
    new.peers = old.peers.clone();
    new.launch.containerd = old.launch.containerd.clone();
    new.launch.namespace = old.launch.namespace.clone();
    new.launch.master_ports = old.launch.master_ports;
    waiting
}
