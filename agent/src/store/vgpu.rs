//! vGPUs that kerf makes. A function is used again and says nothing of its owner, so this record alone tells what is
//! ours: it is written before the first write into the function, and goes after the vGPU.

use serde::{Deserialize, Serialize};

use super::{Doing, Store, StoreError};

/// How far a vGPU is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VgpuState {
    /// It is about to be made: after a crash, what the function shows decides.
    Making,
    /// It was seen.
    Made,
    /// It is about to be taken away: after a crash that is done again.
    Unmaking,
}

impl VgpuState {
    /// Its word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Made => "made",
            Self::Unmaking => "unmaking",
        }
    }
}

/// One vGPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VgpuRow {
    /// Its number, from the same counter as the fences of leases.
    pub fence: u64,
    /// How far it is.
    pub state: VgpuState,
    /// Address of the GPU.
    pub gpu: String,
    /// Address of the function.
    pub function: String,
    /// Its UUID, for a mediated device.
    pub uuid: Option<String>,
    /// Number of its type.
    pub type_id: u32,
    /// Name of its type.
    pub type_name: String,
    /// The GPU instance that was seen to carry it.
    pub gpu_instance: Option<u32>,
    /// Where it was seen to lie.
    pub placement: Option<u32>,
    /// For whom it was made.
    pub uid: u32,
    /// Whether it is leased to containers that ask; none that was made before kerf did so is.
    #[serde(default)]
    pub for_containers: bool,
    /// The boot of the machine, which no vGPU outlives.
    pub boot_id: String,
    /// When.
    pub created_ms: u64,
}

impl Store {
    /// Writes a record, in place of an earlier one of its number.
    pub fn put_vgpu(&mut self, row: &VgpuRow) -> Result<(), StoreError> {
        let document = serde_json::to_string(row).map_err(|error| StoreError::Row {
            what: "vGPU",
            why: error.to_string(),
        })?;
        self.connection
            .execute(
                "INSERT INTO vgpus (fence, document) VALUES (?1, ?2) \
                 ON CONFLICT (fence) DO UPDATE SET document = excluded.document",
                (row.fence.cast_signed(), document),
            )
            .doing("write a vGPU")?;
        Ok(())
    }

    /// Forgets a record.
    pub fn delete_vgpu(&mut self, fence: u64) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM vgpus WHERE fence = ?1", [fence.cast_signed()])
            .doing("forget a vGPU")?;
        Ok(())
    }

    /// Every record, oldest first, and in words those that cannot be read: their vGPUs are nobody's that we know.
    pub fn vgpus(&self) -> Result<(Vec<VgpuRow>, Vec<String>), StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT fence, document FROM vgpus ORDER BY fence")
            .doing("read vGPUs")?;
        let rows = statement
            .query_map([], |row| {
                let fence: i64 = row.get(0)?;
                Ok((fence, row.get::<_, String>(1)?))
            })
            .doing("read vGPUs")?;
        let (mut found, mut damaged) = (Vec::new(), Vec::new());
        for row in rows {
            let (fence, document) = row.doing("read vGPUs")?;
            match serde_json::from_str(&document) {
                Ok(row) => found.push(row),
                Err(error) => {
                    let fence = fence.cast_unsigned();
                    damaged.push(format!("record {fence} cannot be read ({error})"));
                }
            }
        }
        Ok((found, damaged))
    }
}
