//! What people are told of asks that they mistyped, and that nothing which is sent makes it fail.

use proptest::prelude::*;

use super::distance;
use crate::Ask;

fn told(text: &str) -> String {
    match text.parse::<Ask>() {
        Ok(ask) => format!("reads as {ask}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_term_at_fault_is_named_with_what_may_have_been_meant() {
    for (text, term, hint) in [
        ("gpo", "\"gpo\"", "did you mean gpu, or gpu:2 for several?"),
        ("GPU:2", "\"GPU:2\"", "did you mean gpu"),
        ("gpu,msp", "\"msp\"", "did you mean mps"),
        (
            "gpu:4,smae=numa",
            "\"smae=numa\"",
            "did you mean same=numa or same=switch?",
        ),
        ("gpu:4,same=nuna", "\"nuna\"", "write numa or switch"),
        ("gpu:4,nic=pox", "\"pox\"", "write pix, pxb, phb or node"),
        ("gpu:2,include=x", "\"x\"", "name it by index"),
        ("gpu,timeslice", "\"timeslice\"", "did you mean time-slice"),
        ("gpu:0", "\"gpu:0\"", "no host has more than 112"),
        ("nvlink:113,fp8", "\"nvlink:113\"", "a number from 1 to 112"),
        ("gpu=2", "\"gpu=2\"", "write gpu:2 for two"),
        (
            "memory>20GiB",
            "\"memory>20GiB\"",
            "at least so much is all that can be asked",
        ),
        (
            "memory>=20GX,fp8",
            "\"memory>=20GX\"",
            "write it with its unit",
        ),
        ("1G.10GB", "\"1G.10GB\"", "write it in small letters"),
        ("1g.10gb:x", "\"1g.10gb:x\"", "a number from 1 to 112"),
        ("fp8,", "\"\"", "take the comma away"),
        ("gpu, mps", "\" mps\"", "write it in one word"),
        ("fp8,fp8", "\"fp8\"", "take one of the two away"),
        (
            "1g.10gb,avoid=0",
            "\"avoid=0\"",
            "it goes with whole GPUs of one's own",
        ),
        (
            "gpu,mps,same=numa",
            "\"same=numa\"",
            "it goes with whole GPUs of one's own",
        ),
        ("", "\"\"", "write what is wanted"),
    ] {
        let told = told(text);
        assert!(
            told.contains(term) && told.contains(hint),
            "{text:?}: {told}"
        );
    }
    // Nothing is near to these: the whole grammar is shown.
    for text in ["banana", "gpu,fp8"] {
        assert!(
            told(text).contains("write 1g.10gb, 1g.10gb:2, gpu:2"),
            "{}",
            told(text)
        );
    }
}

#[test]
fn letters_that_differ_are_counted() {
    for (a, b, expected) in [
        ("", "", 0),
        ("mps", "mps", 0),
        ("msp", "mps", 1),
        ("", "gpu", 3),
        ("nvlnik", "nvlink", 1),
        ("kitten", "sitting", 3),
        ("é", "e", 1),
    ] {
        assert_eq!(
            (distance(a, b), distance(b, a)),
            (expected, expected),
            "{a} {b}"
        );
    }
}

proptest! {
    /// Whatever comes, what is said of it is short, and one typing slip never turns a right ask into a silent other.
    #[test]
    fn anything_is_read_or_told_in_a_few_words(text in any::<String>(), many in 0_usize..2_000) {
        for text in [text.clone(), text.repeat(many), format!("gpu:{text}"), format!("{text},mps")] {
            match text.parse::<Ask>() {
                Ok(ask) => prop_assert_eq!(ask.to_string().parse::<Ask>().map_err(|e| e.to_string()), Ok(ask)),
                Err(error) => prop_assert!(error.to_string().len() < 4_096),
            }
        }
    }
}
