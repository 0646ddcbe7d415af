//! What a PCI function is: its ids and its driver.
//!
//! The kernel writes them all into `uevent` (drivers/pci/pci-driver.c, pci_uevent), so that one file is read and not
//! five. Trees that were packed by hand may lack it or what it should say: then the single files are asked.

use super::Folder;
use super::folder::hex;

const UEVENT: &str = "uevent";
/// Class codes have 24 bits.
const CLASS_LIMIT: u32 = 0xff_ffff;

/// Ids and driver of a function.
#[derive(Debug, Default)]
pub struct Identity {
    /// Base class, sub class, interface.
    pub class: Option<u32>,
    /// Vendor id.
    pub vendor: Option<u16>,
    /// Device id.
    pub device: Option<u16>,
    /// Vendor and device id of the subsystem; a bridge without one has zeros, as the kernel writes it.
    pub subsystem: Option<(u16, u16)>,
    /// Kernel driver that serves it.
    pub driver: Option<String>,
}

impl Identity {
    /// Reads the files of the function with that address.
    pub fn read(folder: &Folder<'_, '_>, address: &str) -> Self {
        let text = folder.text(UEVENT).unwrap_or_default();
        let told = Told::parse(folder, &text, address);
        let (vendor, device) = match told.ids {
            Some((vendor, device)) => (Some(vendor), Some(device)),
            None => (folder.hex("vendor"), folder.hex("device")),
        };
        let subsystem = told.subsystem.or_else(|| {
            let vendor = folder.hex("subsystem_vendor")?;
            Some((vendor, folder.hex("subsystem_device")?))
        });
        Self {
            class: told.class.or_else(|| class(folder)),
            vendor,
            device,
            subsystem,
            driver: told.driver.or_else(|| folder.link("driver")),
        }
    }
}

fn class(folder: &Folder<'_, '_>) -> Option<u32> {
    folder.parsed("class", "a class code", class_code)
}

fn class_code(text: &str) -> Option<u32> {
    hex(text).filter(|class| *class <= CLASS_LIMIT)
}

/// What `uevent` says.
#[derive(Default)]
struct Told {
    class: Option<u32>,
    ids: Option<(u16, u16)>,
    subsystem: Option<(u16, u16)>,
    driver: Option<String>,
}

impl Told {
    fn parse(folder: &Folder<'_, '_>, text: &str, address: &str) -> Self {
        let mut told = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let is_read = match key {
                "DRIVER" => {
                    told.driver = Some(value.to_owned()).filter(|driver| !driver.is_empty());
                    told.driver.is_some()
                }
                "PCI_CLASS" => {
                    told.class = class_code(value);
                    told.class.is_some()
                }
                "PCI_ID" => {
                    told.ids = pair(value);
                    told.ids.is_some()
                }
                "PCI_SUBSYS_ID" => {
                    told.subsystem = pair(value);
                    told.subsystem.is_some()
                }
                // A file that speaks of another function is not believed in the rest either.
                "PCI_SLOT_NAME" if value != address => {
                    folder.odd::<()>(UEVENT, format_args!("is that of {value:?}"));
                    return Self::default();
                }
                _ => true,
            };
            if !is_read {
                folder.unlike::<()>(UEVENT, &format!("{key}={value}"), "a function's identity");
            }
        }
        told
    }
}

/// Two ids, `8086:1D3E`.
fn pair(text: &str) -> Option<(u16, u16)> {
    let (vendor, device) = text.split_once(':')?;
    Some((hex(vendor)?, hex(device)?))
}
