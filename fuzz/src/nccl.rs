//! Machines as NCCL writes them down.

use kerf_partitioner::in_words;
use kerf_partitioner::nccl::{NcclSystem, describe};

/// Accelerators of which every pair is looked at.
const PAIRS_OF: usize = 64;

/// A text that reads has as near pairs from both ends, and interfaces with a place; one that does not says why in one
/// line, and so does one of which no machine can be made.
pub fn nccl_xml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(error) = describe(text, "m") {
        let words = in_words(&error);
        assert!(!words.contains(['\n', '\r']), "{words:?}");
    }
    let system: NcclSystem = match text.parse() {
        Ok(system) => system,
        Err(error) => {
            let words = in_words(&error);
            assert!(!words.contains(['\n', '\r']), "{words:?}");
            return;
        }
    };
    let count = system.accelerators().len();
    assert_eq!(
        (system.near(0, count), system.numa_node(count)),
        (None, None)
    );
    for a in 0..count.min(PAIRS_OF) {
        for b in 0..a {
            let near = system.near(a, b).expect("both are there");
            assert_eq!(system.near(b, a), Some(near), "{a} {b}");
        }
        for net in system.nets() {
            assert!(system.near_net(a, net).is_some(), "{a} {}", net.name);
        }
    }
}
