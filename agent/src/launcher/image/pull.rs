//! Images from a registry, by containerd's transfer service (1.7 and later).

use std::time::Duration;

use containerd_client::services::v1::{TransferOptions, TransferRequest};
use containerd_client::to_any;
use containerd_client::types::Platform as WirePlatform;
use containerd_client::types::transfer::{ImageStore, OciRegistry, UnpackConfiguration};
use tonic::Code;

use super::super::config::LauncherConfig;
use super::super::engine::{Engine, QUICK};
use super::super::error::LauncherError;
use super::super::policy::check_image;
use super::documents::Platform;
use super::{name, snapshotter};

/// Time for a whole image: 30 GiB at 100 Mbit/s.
const PULL: Duration = Duration::from_secs(3600);

/// Pulls and unpacks an image; gives its full name. An older containerd gets a clear error.
pub(in crate::launcher) async fn pull(
    engine: &Engine,
    config: &LauncherConfig,
    wanted: &str,
) -> Result<String, LauncherError> {
    name::check(wanted)?;
    let full = name::full(wanted);
    check_image(&config.policy, &full)?;
    let host = Platform::host();
    let platform = WirePlatform {
        os: host.os,
        architecture: host.architecture,
        ..WirePlatform::default()
    };
    let source = OciRegistry {
        reference: full.clone(),
        resolver: None,
    };
    let destination = ImageStore {
        name: full.clone(),
        platforms: vec![platform.clone()],
        unpacks: vec![UnpackConfiguration {
            platform: Some(platform),
            snapshotter: snapshotter(engine, config).await?,
        }],
        ..ImageStore::default()
    };
    let request = TransferRequest {
        source: Some(to_any(&source)),
        destination: Some(to_any(&destination)),
        options: Some(TransferOptions::default()),
    };
    let mut transfer = engine.transfer();
    let done = engine.ask("pull the image", PULL, transfer.transfer(request));
    match done.await {
        Ok(()) => Ok(full),
        Err(error) if error.has_code(Code::Unimplemented) => {
            let mut client = engine.version();
            let version = engine.ask("tell its version", QUICK, client.version(()));
            Err(LauncherError::NoTransfer {
                version: version.await?.version,
                image: full,
            })
        }
        Err(error) => Err(error),
    }
}
