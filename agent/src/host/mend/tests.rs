//! What is told of a layout that was taken back.

use kerf_types::MemoryPartition;

use super::{Before, has_open_request};
use crate::host::fixture;

#[test]
fn a_request_for_a_memory_mode_stands_where_the_layout_changed_that_gpu() {
    let mut asked = fixture::amd(0);
    let before: Before = [(asked.pci, None)].into();
    assert!(!has_open_request(std::slice::from_ref(&asked), &before));
    asked.pending_memory = Some(MemoryPartition::Nps4);
    assert!(has_open_request(std::slice::from_ref(&asked), &before));
    assert!(!has_open_request(&[asked], &Before::new()));
}
