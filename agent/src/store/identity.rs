//! Who this host is among its peers: an id that lasts as long as the store, and a count of kerfd's starts.

use kerf_types::HostId;

use super::{Doing, Store, StoreError, read_meta, write_meta};

/// Starts that fit below the epoch: one a second would last for eight million years.
const START_BITS: u32 = 48;

impl Store {
    /// The id of this host, drawn from the system's random source the first time. A store that is begun anew takes
    /// `kept`, where there is one: peers hold members for the host of that id, which would be nobody's otherwise.
    ///
    /// # Errors
    /// When the id cannot be read, drawn or written.
    pub fn host_id(&mut self, kept: Option<HostId>) -> Result<HostId, StoreError> {
        let high = read_meta(&self.connection, "host_id_high")?;
        let low = read_meta(&self.connection, "host_id_low")?;
        if let (Some(high), Some(low)) = (high, low) {
            return Ok(HostId::from_bits(u128::from(high) << 64 | u128::from(low)));
        }
        let id = match kept {
            Some(id) => id,
            None => drawn()?,
        };
        let (high, low) = halves(id);
        let transaction = self.connection.transaction().doing("write the host's id")?;
        write_meta(&transaction, "host_id_high", high)?;
        write_meta(&transaction, "host_id_low", low)?;
        transaction.commit().doing("write the host's id")?;
        Ok(id)
    }

    /// The number of this start of kerfd, larger than that of every start before it: the epoch stands in its high
    /// bits, since a store that was put back counts from an earlier number.
    ///
    /// # Errors
    /// When the count cannot be written.
    pub fn next_start(&mut self) -> Result<u64, StoreError> {
        let count = self.count("starts")?;
        Ok(u64::from(self.epoch) << START_BITS | count)
    }
}

fn drawn() -> Result<HostId, StoreError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(StoreError::Random)?;
    Ok(HostId::from_bits(u128::from_be_bytes(bytes)))
}

fn halves(id: HostId) -> (u64, u64) {
    let low = u64::try_from(id.bits() & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    let high = u64::try_from(id.bits() >> 64).unwrap_or(u64::MAX);
    (high, low)
}
