//! The methods that a runtime calls, by the names of newer versions and by the events of older ones.
//!
//! containerd up to 2.1 sends most of them as `StateChange` with the number of an event; NRI 0.12 has a method for
//! each. Numbers are those of enum `Event` in `api.proto`.

/// Full name of the service that the plugin serves.
pub(super) const PLUGIN_SERVICE: &str = "nri.pkg.api.v1alpha1.Plugin";
/// Full name of the service that the runtime serves.
pub(super) const RUNTIME_SERVICE: &str = "nri.pkg.api.v1alpha1.Runtime";

const REMOVE_POD: i32 = 3;
const CREATE: i32 = 4;
const POST_CREATE: i32 = 5;
const START: i32 = 6;
const POST_START: i32 = 7;
const STOP: i32 = 10;
const REMOVE: i32 = 11;

/// The events that are asked for: one bit each, event n being bit n - 1. A runtime waits for an answer to each, so
/// that there are no others than are of use.
pub(super) const EVENTS: i32 =
    bit(REMOVE_POD) | bit(CREATE) | bit(START) | bit(POST_START) | bit(REMOVE);

const fn bit(event: i32) -> i32 {
    1 << (event - 1)
}

/// What happens to a container that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its record is there; it has no process yet.
    Created,
    /// Its first process is there and waits to be started.
    Starting,
    /// It runs.
    Started,
    /// It is being stopped.
    Stopping,
    /// It is gone, or never came to be.
    Removed,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Configure,
    Synchronize,
    Shutdown,
    StateChange,
    Create,
    Container(Stage),
    PodRemoved,
    /// Served, for runtimes that call whatever was asked for, and of no use to us.
    Nothing,
}

impl Method {
    /// The method of that name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "Configure" => Self::Configure,
            "Synchronize" => Self::Synchronize,
            "Shutdown" => Self::Shutdown,
            "StateChange" => Self::StateChange,
            "CreateContainer" => Self::Create,
            "PostCreateContainer" => Self::Container(Stage::Created),
            "StartContainer" => Self::Container(Stage::Starting),
            "PostStartContainer" => Self::Container(Stage::Started),
            "StopContainer" => Self::Container(Stage::Stopping),
            "RemoveContainer" => Self::Container(Stage::Removed),
            "RemovePodSandbox" => Self::PodRemoved,
            "RunPodSandbox"
            | "UpdatePodSandbox"
            | "PostUpdatePodSandbox"
            | "StopPodSandbox"
            | "UpdateContainer"
            | "PostUpdateContainer" => Self::Nothing,
            // `ValidateContainerAdjustment` among them: an empty answer to it would be a yes to what others add.
            _ => return None,
        })
    }

    /// The method that an event of `StateChange` stands for.
    pub(super) fn of_event(event: i32) -> Option<Self> {
        Some(match event {
            REMOVE_POD => Self::PodRemoved,
            POST_CREATE => Self::Container(Stage::Created),
            START => Self::Container(Stage::Starting),
            POST_START => Self::Container(Stage::Started),
            STOP => Self::Container(Stage::Stopping),
            REMOVE => Self::Container(Stage::Removed),
            _ => return None,
        })
    }
}
