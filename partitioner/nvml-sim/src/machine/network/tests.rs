//! The words of rates.

use super::rate;

#[test]
fn a_rate_names_the_generation_that_carries_it() {
    let told = [
        (800_000, "800 Gb/sec (4X XDR)"),
        (400_000, "400 Gb/sec (4X NDR)"),
        (200_000, "200 Gb/sec (4X HDR)"),
        (100_000, "100 Gb/sec (4X EDR)"),
        (56_000, "56 Gb/sec (4X FDR)"),
        (40_000, "40 Gb/sec (4X QDR)"),
        (20_000, "20 Gb/sec (4X DDR)"),
        (10_000, "10 Gb/sec (4X SDR)"),
        (2_500, "2.5 Gb/sec (1X SDR)"),
    ];
    for (megabits, words) in told {
        assert_eq!(rate(megabits), words);
    }
}
