//! What may befall a whole driver, as `kerf sim fault --driver` spells it.

use std::str::FromStr;

use kerf_types::ParseError;
use nvidia_ml::control::FaultRequest;
use nvidia_ml::model::mischief::{Delay, Mischief};

/// A driver's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverFault(pub FaultRequest);

const HINT: &str = "hang, old-driver, slow-walk, delay=500, nvmlDeviceGetMigMode=999, \
                    nvmlGpuInstanceDestroy=19,1 or clear";

impl FromStr for DriverFault {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("a fault", text, HINT);
        let request = match text.split_once('=') {
            None => whole(text),
            Some(("delay", us)) => delay(us, None),
            Some((function, what)) if function.starts_with("nvml") => of_function(function, what),
            Some(_) => None,
        };
        request.map(Self).ok_or_else(error)
    }
}

fn whole(word: &str) -> Option<FaultRequest> {
    match word {
        "hang" => Some(FaultRequest::DriverHang),
        "old-driver" => Some(FaultRequest::OldDriver),
        "slow-walk" => Some(FaultRequest::SlowWalk),
        "clear" => Some(FaultRequest::DriverClear),
        _ => None,
    }
}

fn delay(us: &str, function: Option<&str>) -> Option<FaultRequest> {
    Some(FaultRequest::Delay {
        function: function.map(str::to_owned),
        delay: Delay {
            us: us.parse().ok()?,
            under_load: false,
        },
    })
}

/// `999`, `late:999`, `forget` or `elsewhere`, each with `,TIMES` or without, or `delay:500`.
fn of_function(function: &str, what: &str) -> Option<FaultRequest> {
    if let Some(us) = what.strip_prefix("delay:") {
        return delay(us, Some(function));
    }
    let (what, times) = match what.split_once(',') {
        Some((what, times)) => (what, Some(times.parse().ok().filter(|times| *times > 0)?)),
        None => (what, None),
    };
    let function = function.to_owned();
    let how = match (what, what.strip_prefix("late:")) {
        (_, Some(code)) => Mischief::Late(code.parse().ok()?),
        ("forget", None) => Mischief::Forget,
        ("elsewhere", None) => Mischief::Elsewhere,
        (code, None) => {
            let code = code.parse().ok()?;
            if times.is_none() {
                return Some(FaultRequest::Refuse { function, code });
            }
            Mischief::Answer(code)
        }
    };
    Some(FaultRequest::Misbehave {
        function,
        how,
        times,
    })
}
