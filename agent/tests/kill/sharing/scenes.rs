//! What is drilled: from one layout of GPU 0 to the next, beside GPU 1 with a daemon and a lease.

/// A change of how GPU 0 is shared.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub name: &'static str,
    pub old: &'static str,
    pub new: &'static str,
}

/// GPU 1, which nobody names afterwards.
pub const BESIDE: &str = r#"{"rules":[{"gpus":[1],"mig":false,"sharing":{"mps":{"clients":2}}}]}"#;

const NONE: &str = r#"{"rules":[{"gpus":[0],"mig":false}]}"#;
const MPS: &str = r#"{"rules":[{"gpus":[0],"mig":false,"sharing":{"mps":{"clients":2,"threads":25,"memory":"18GiB"}}}]}"#;
const OTHER: &str =
    r#"{"rules":[{"gpus":[0],"mig":false,"sharing":{"mps":{"clients":4,"threads":10}}}]}"#;
const TURNS: &str = r#"{"rules":[{"gpus":[0],"mig":false,"sharing":{"time-slice":{"replicas":2,"interval":"long"}}}]}"#;
const SLICES: &str = r#"{"rules":[{"gpus":[0],"slices":{"3g.40gb":2},"sharing":{"mps":{"clients":2,"threads":50}}}]}"#;
const ONE: &str = r#"{"rules":[{"gpus":[0],"slices":{"3g.40gb":1,"1g.10gb":1},"sharing":{"mps":{"clients":3,"memory":"1GiB"}}}]}"#;

pub const SCENES: [Scene; 7] = [
    Scene {
        name: "off to mps",
        old: NONE,
        new: MPS,
    },
    Scene {
        name: "mps to mps with other limits",
        old: MPS,
        new: OTHER,
    },
    Scene {
        name: "mps to time slices",
        old: OTHER,
        new: TURNS,
    },
    Scene {
        name: "time slices to off",
        old: TURNS,
        new: NONE,
    },
    Scene {
        name: "off to mps of slices",
        old: NONE,
        new: SLICES,
    },
    Scene {
        name: "mps of slices to mps of others",
        old: SLICES,
        new: ONE,
    },
    Scene {
        name: "mps of slices to off",
        old: SLICES,
        new: NONE,
    },
];
