//! Time slices of a GPU, which only `nvidia-smi` sets: NVML has no function for them.

use kerf_types::sharing::Interval;

use super::run::Call;
use super::text;
use super::{SharingError, Tools, check_device};

impl Tools {
    pub(super) fn set_interval(&self, gpu: &str, interval: Interval) -> Result<(), SharingError> {
        let number = text::interval_number(interval).to_string();
        self.policy(gpu, &["--set-timeslice", &number])?;
        let found = self.interval(gpu)?;
        if found == interval {
            return Ok(());
        }
        Err(SharingError::NotDone {
            what: "time slice",
            device: gpu.to_owned(),
            wanted: text::interval_word(interval).to_owned(),
            found: text::interval_word(found).to_owned(),
        })
    }

    pub(super) fn interval(&self, gpu: &str) -> Result<Interval, SharingError> {
        let said = self.policy(gpu, &["--list"])?;
        text::time_slice(&said).map_err(|cause| SharingError::Answer {
            program: self.smi.clone(),
            asked: format!("compute-policy -i {gpu} --list"),
            cause,
        })
    }

    fn policy(&self, gpu: &str, options: &[&str]) -> Result<String, SharingError> {
        check_device(gpu)?;
        let arguments = [&["compute-policy", "-i", gpu], options].concat();
        let call = Call {
            program: &self.smi,
            arguments: &arguments,
            env: self.env.clone(),
            input: "",
            asked: &arguments.join(" "),
            in_driver: Some(&self.stuck),
        };
        call.run(self.patience.call)
    }
}
