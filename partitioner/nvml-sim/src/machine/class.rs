//! A device of a class: its folder below the device that it belongs to, or below `virtual`, and the links that lead
//! there and back. Owns that form, which is the same for every class.

use super::CreateError;
use super::tree::Tree;

/// A device of a class.
pub struct Device<'a> {
    /// The class, such as `net`.
    pub class: &'a str,
    /// Its name there.
    pub name: &'a str,
    /// Folder of the device that it belongs to; a device that belongs to none is a virtual one.
    pub parent: Option<&'a str>,
    /// Major and minor of its node and the node's path below `/dev`, if it has one.
    pub node: Option<(u32, u32, String)>,
}

impl Device<'_> {
    /// Its folder.
    pub fn folder(&self) -> String {
        let (class, name) = (self.class, self.name);
        match self.parent {
            Some(parent) => format!("{parent}/{class}/{name}"),
            None => format!("sys/devices/virtual/{class}/{name}"),
        }
    }

    /// Writes it with these attributes.
    pub fn write(&self, tree: &Tree, attributes: &[(&str, String)]) -> Result<(), CreateError> {
        let (class, name, folder) = (self.class, self.name, self.folder());
        tree.attributes(&folder, attributes)?;
        if let Some((major, minor, path)) = &self.node {
            let uevent = format!("MAJOR={major}\nMINOR={minor}\nDEVNAME={path}\n");
            tree.text(format!("{folder}/dev"), format!("{major}:{minor}"))?;
            tree.text(format!("{folder}/uevent"), uevent)?;
        }
        if let Some(parent) = self.parent {
            tree.link(format!("{folder}/device"), parent)?;
        }
        let class = format!("sys/class/{class}");
        tree.folder(&class)?;
        tree.link(format!("{folder}/subsystem"), &class)?;
        tree.link(format!("{class}/{name}"), &folder)
    }
}
