//! The keys of a fleet that is sealed for real: a keyring for each host, a CA, and a signer for each life.

use std::collections::BTreeMap;

use kerf_membership::{ClusterId, Config, Security, Vouching};
use kerf_seal::{AeadSealer, Authority, Key, Keyring, KeyringHandle, Signer, Trust, WallClock};
use kerf_types::HostId;

use crate::world::HostIndex;

/// The keys. They are the same in every run: what is random in a run never depends on them.
#[derive(Debug)]
pub struct Keys {
    cluster: ClusterId,
    authority: Authority,
    trust: Trust,
    keyrings: BTreeMap<HostIndex, KeyringHandle>,
}

impl Keys {
    /// Keys of a fleet.
    pub fn new(cluster: ClusterId) -> Self {
        let authority = Authority::from_seed(cluster, &[0xca; 32]).expect("32 bytes");
        Self {
            cluster,
            trust: Trust::new(cluster, vec![authority.public_key()]),
            authority,
            keyrings: BTreeMap::new(),
        }
    }

    /// The first key of the fleet.
    pub fn first() -> Key {
        Key::new([1; 32])
    }

    /// A host's keyring, which outlives its daemon as a file does.
    pub fn keyring(&mut self, host: HostIndex) -> &KeyringHandle {
        let first = || KeyringHandle::new(Keyring::new(Self::first()));
        self.keyrings.entry(host).or_insert_with(first)
    }

    /// What a host's daemon starts with.
    pub fn config(&mut self, host: HostIndex, id: HostId) -> Config {
        let sealer = AeadSealer::new(self.keyring(host).clone());
        let mut seed = [0x51; 32];
        for (byte, from) in seed.iter_mut().zip(id.bits().to_be_bytes()) {
            *byte = from;
        }
        let state = |key| self.authority.issue(id, key, u64::MAX);
        let signer = Signer::from_seed(&seed, self.trust.clone(), WallClock::default(), state);
        let mut config = Config::new(self.cluster, Security::Sealed(Box::new(sealer)));
        config.vouching = Vouching::Signed(Box::new(signer.expect("32 bytes")));
        config
    }
}
