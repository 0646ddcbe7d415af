//! What a bare process finds in its environment.

use kerf_runtime::frame::{Grant, MountEntry};

use super::variables;

#[test]
fn paths_of_a_container_become_those_of_the_host() {
    let grant = Grant {
        env: [
            "NVIDIA_VISIBLE_DEVICES=MIG-1,MIG-2",
            "CUDA_MPS_PIPE_DIRECTORY=/tmp/nvidia-mps",
            "KERF_LEASE=7",
            "none",
        ]
        .map(str::to_owned)
        .to_vec(),
        mounts: vec![MountEntry {
            source: "/var/lib/kerf/mps/a".into(),
            destination: "/tmp/nvidia-mps".into(),
            options: Vec::new(),
            kind: "bind".to_owned(),
        }],
        ..Grant::default()
    };
    assert_eq!(
        variables(&grant),
        [
            "NVIDIA_VISIBLE_DEVICES=MIG-1,MIG-2",
            "CUDA_VISIBLE_DEVICES=MIG-1,MIG-2",
            "CUDA_MPS_PIPE_DIRECTORY=/var/lib/kerf/mps/a",
            "KERF_LEASE=7",
        ]
    );
}
