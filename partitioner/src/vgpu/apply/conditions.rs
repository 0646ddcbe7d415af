//! What must be seen before a step of vGPUs is done.

use kerf_types::{PciAddress, VgpuTypeId, VgpuUuid};

use crate::systree::transaction::Condition;
use crate::systree::{SysTree, TreeError};
use crate::vgpu::observe::{folder, mdev, vfio};

/// So many virtual functions of a GPU are there.
#[derive(Debug)]
pub struct Functions {
    pub gpu: PciAddress,
    pub count: u32,
}

impl Condition for Functions {
    fn holds(&self, tree: &dyn SysTree) -> Result<bool, TreeError> {
        let names = tree.list(&folder(self.gpu))?;
        let found = names.iter().filter(|name| name.starts_with("virtfn"));
        Ok(u32::try_from(found.count()) == Ok(self.count))
    }

    fn words(&self) -> String {
        format!("{} virtual functions of GPU {}", self.count, self.gpu)
    }
}

/// A mediated device is there, of this type and on this function.
#[derive(Debug)]
pub struct Mediated {
    pub uuid: VgpuUuid,
    pub function: PciAddress,
    pub type_id: VgpuTypeId,
}

impl Condition for Mediated {
    fn holds(&self, tree: &dyn SysTree) -> Result<bool, TreeError> {
        let kind = match tree.link(&format!("{}/mdev_type", mdev(self.uuid))) {
            Err(error) if error.is_absent() => return Ok(false),
            kind => kind?,
        };
        let device = tree.link(&mdev(self.uuid))?;
        let parent = device.rsplit('/').nth(1).and_then(|name| name.parse().ok());
        let name = kind.rsplit('/').next().unwrap_or_default();
        Ok(name == format!("nvidia-{}", self.type_id) && parent == Some(self.function))
    }

    fn words(&self) -> String {
        format!(
            "vGPU {} of type {} on {}",
            self.uuid, self.type_id, self.function
        )
    }
}

/// No mediated device has this name.
#[derive(Debug)]
pub struct Removed(pub VgpuUuid);

impl Condition for Removed {
    fn holds(&self, tree: &dyn SysTree) -> Result<bool, TreeError> {
        match tree.link(&mdev(self.0)) {
            Err(error) if error.is_absent() => Ok(true),
            Err(error) => Err(error),
            Ok(_) => Ok(false),
        }
    }

    fn words(&self) -> String {
        format!("end of vGPU {}", self.0)
    }
}

/// Nothing has to be taken back.
#[derive(Debug)]
pub struct Harmless;

impl Condition for Harmless {
    fn holds(&self, _: &dyn SysTree) -> Result<bool, TreeError> {
        Ok(true)
    }

    fn words(&self) -> String {
        "nothing".to_owned()
    }
}

/// The vGPU of a function lies at this place.
#[derive(Debug)]
pub struct Placed {
    pub function: PciAddress,
    pub place: u32,
}

impl Condition for Placed {
    fn holds(&self, tree: &dyn SysTree) -> Result<bool, TreeError> {
        let bytes = tree.read(&format!("{}/placement_id", vfio(self.function)))?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.trim() == self.place.to_string())
    }

    fn words(&self) -> String {
        format!("placement {} on {}", self.place, self.function)
    }
}
