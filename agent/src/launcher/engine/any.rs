//! The typed payloads of containerd's requests that no generated code covers.

use std::path::Path;

use prost::Message;
use prost_types::Any;
use serde_json::Value;

/// The name under which containerd's Go code knows an OCI runtime spec in JSON.
const SPEC_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

/// The name of [`RuncOptions`].
const OPTIONS_TYPE: &str = "containerd.runc.v1.Options";

/// Three fields of `containerd.runc.v1.Options` (containerd, `api/types/runc/options/oci.proto`);
/// containerd-client does not generate that file.
#[derive(Clone, PartialEq, Message)]
struct RuncOptions {
    /// The OCI runtime that the shim calls.
    #[prost(string, tag = "6")]
    binary_name: String,
    /// Where it keeps its state; the shim appends the namespace.
    #[prost(string, tag = "7")]
    root: String,
    /// Whether systemd makes the cgroups.
    #[prost(bool, tag = "9")]
    systemd_cgroup: bool,
}

/// The options of the runc shim that make it call `binary`. Cgroups are made by the runtime itself:
/// the launcher gives paths, which systemd's driver does not take.
pub(in crate::launcher) fn runtime_options(binary: &Path, root: Option<&Path>) -> Any {
    let options = RuncOptions {
        binary_name: binary.display().to_string(),
        root: root
            .map(|root| root.display().to_string())
            .unwrap_or_default(),
        systemd_cgroup: false,
    };
    Any {
        type_url: OPTIONS_TYPE.to_owned(),
        value: options.encode_to_vec(),
    }
}

/// An OCI runtime spec as containerd wants it.
pub(in crate::launcher) fn runtime_spec(spec: &Value) -> Any {
    Any {
        type_url: SPEC_TYPE.to_owned(),
        value: spec.to_string().into_bytes(),
    }
}
