//! Series of devices that are shared by MPS.

use crate::families::{Family, shared as families};
use crate::labels::Labels;
use crate::page::{Page, Value};
use crate::snapshot::{MpsEntry, Snapshot};

/// Writes the families of shared devices.
pub(super) fn write(snapshot: &Snapshot, page: &mut Page) {
    let mut each = |family: &'static Family, read: fn(&MpsEntry) -> Option<Value>| {
        page.family(family, |samples| {
            for device in &snapshot.mps {
                let labels = Labels::none()
                    .with("gpu_uuid", &device.gpu)
                    .with_some("mig_uuid", device.mig.as_ref());
                samples.add_some(&labels, read(device));
            }
        });
    };
    each(&families::READY, |device| Some(device.is_ready.into()));
    each(&families::CLIENTS, |device| device.clients.map(Value::from));
    each(&families::SERVER_FAULT, |device| {
        device.is_fault.map(Value::from)
    });
}
