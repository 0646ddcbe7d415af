//! Families about leases and jobs. Names of jobs, images and tenants appear only where the operator
//! allows them, since everybody who can scrape can read them.

use super::families;

families! {
    LEASES: Gauge "kerf_leases" - ["state"]
        "Leases by state; every state has a series.";
    LEASE_INFO: Info "kerf_lease_info" - ["lease_id", "gpu_uuid", "mig_uuid"]
        + ["container_id", "job_id", "image", "tenant"]
        "A lease and a device that it is about; mig_uuid is absent for a whole GPU.";
    LEASE_CREATED: Gauge "kerf_lease_created_timestamp_seconds" "seconds" ["lease_id"]
        "When the lease was made, since 1970.";
    JOBS: Gauge "kerf_jobs" - ["state"]
        "Jobs that this host knows of, by state; every state has a series.";
    TENANT_JOBS: Gauge "kerf_tenant_jobs" - ["state"] + ["tenant"]
        "Jobs by tenant and state; only where names are allowed.";
    PENDING_JOBS: Gauge "kerf_scheduler_pending_jobs" - []
        "Jobs that wait for a slice.";
    OLDEST_PENDING: Gauge "kerf_scheduler_oldest_pending_seconds" "seconds" []
        "How long the oldest waiting job has waited; absent if none waits.";
}
