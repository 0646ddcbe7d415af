//! Families about devices that are shared by MPS: one series a device, a whole GPU without `mig_uuid`.

use super::families;

families! {
    READY: Gauge "kerf_mps_ready" - ["gpu_uuid", "mig_uuid"]
        "1 while places on the device are given: its daemon runs and answers, and its server is not in FAULT.";
    CLIENTS: Gauge "kerf_mps_clients" - ["gpu_uuid", "mig_uuid"]
        "Clients of the device, as its daemon has said last; absent where it does not say.";
    SERVER_FAULT: Gauge "kerf_mps_server_fault" - ["gpu_uuid", "mig_uuid"]
        "1 while the server of the device is in FAULT, which ends all its clients; absent where its daemon does not say.";
}
