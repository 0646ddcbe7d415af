//! Values that vary with time: pure in (state, now), continuous across changes of load, and near
//! the captures where these have a figure.

use super::*;
use crate::model::load::Process;

fn load(machine: &mut Machine, gi: Option<u32>, sm_percent: u32, now_us: u64) {
    let process = Process {
        pid: 1,
        started: None,
        pid_namespace: None,
        gi,
        ci: None,
        sm_percent,
        memory_bytes: 0,
        mps: None,
    };
    machine.set_load(0, process, now_us).expect("it fits");
}

#[test]
fn an_idle_and_a_loaded_h100_are_near_the_captures() {
    let mut machine = machine("h100x1");
    let product = machine.product().expect("a product");
    let gpu = &machine.gpus[0];
    assert_eq!(gpu.sm_percent(product), 0);
    assert_eq!(gpu.sm_clock_mhz(product), 345);
    assert_eq!(gpu.mean_power_mw(product), 69_700);
    assert_eq!(
        gpu.temperature_mc(product, START_US + 3_600 * SECOND_US),
        41_000
    );
    load(&mut machine, None, 100, START_US);
    let gpu = &machine.gpus[0];
    assert_eq!(gpu.sm_clock_mhz(product), 1_980);
    assert!((629_000..=636_000).contains(&gpu.mean_power_mw(product)));
    assert_eq!(
        gpu.temperature_mc(product, START_US),
        41_000,
        "heat takes time"
    );
    let warm = gpu.temperature_mc(product, START_US + 300 * SECOND_US);
    assert!((65_000..=67_000).contains(&warm), "{warm}");
}

#[test]
fn a_busy_slice_draws_more_than_its_share() {
    let mut machine = mig_machine("h100x1");
    create_full(&mut machine, 9, None);
    load(&mut machine, Some(2), 100, START_US);
    let product = machine.product().expect("a product");
    let drawn = machine.gpus[0].mean_power_mw(product);
    assert!((425_000..=445_000).contains(&drawn), "{drawn}");
    assert_eq!(machine.gpus[0].sm_percent(product), 42);
}

#[test]
fn energy_is_the_integral_of_power_whenever_it_is_settled() {
    let product = machine("h100x1").product().expect("a product");
    let mut often = machine("h100x1");
    load(&mut often, None, 50, START_US);
    let once = often.clone();
    for second in 1..10 {
        often
            .settle(0, START_US + second * SECOND_US)
            .expect("a GPU");
    }
    let end = START_US + 10 * SECOND_US;
    let energy = once.gpus[0].energy_mj(product, end);
    assert_eq!(energy, often.gpus[0].energy_mj(product, end));
    assert_eq!(energy, u64::from(once.gpus[0].mean_power_mw(product)) * 10);
    assert_eq!(
        once.gpus[0].meter.busy_us(50, end),
        often.gpus[0].meter.busy_us(50, end),
        "activity"
    );
}

#[test]
fn two_clients_see_one_value_and_a_later_one_another() {
    let mut machine = machine("h100x1");
    load(&mut machine, None, 60, START_US);
    let product = machine.product().expect("a product");
    let gpu = &machine.gpus[0];
    let at = |seconds: u64| gpu.power_mw(product, START_US + seconds * SECOND_US);
    assert_eq!(at(3), at(3));
    let seen: std::collections::BTreeSet<u32> = (0..50).map(at).collect();
    assert!(seen.len() > 10, "the sensor jitters");
    let mean = gpu.mean_power_mw(product);
    assert!(
        seen.iter()
            .all(|power| power.abs_diff(mean) <= mean / 100 + 10)
    );
    let sampled = |seconds: u64| gpu.sampled_percent(product, START_US + seconds * SECOND_US);
    assert!(
        (0..50)
            .map(sampled)
            .all(|percent| percent.abs_diff(60) <= 2)
    );
}

#[test]
fn a_power_limit_caps_and_counts() {
    let mut machine = machine("h100x1");
    let product = machine.product().expect("a product");
    machine.gpus[0].settings.power_limit_mw = 300_000;
    load(&mut machine, None, 100, START_US);
    let gpu = &machine.gpus[0];
    let later = START_US + 5 * SECOND_US;
    assert!(gpu.power_capped(product));
    assert!((0..50).all(|second| gpu.power_mw(product, START_US + second * SECOND_US) <= 300_000));
    assert_eq!(gpu.capped_us(product, later), 5 * SECOND_US);
}

#[test]
fn time_that_runs_backwards_does_no_harm() {
    let mut machine = machine("h100x1");
    let product = machine.product().expect("a product");
    load(&mut machine, None, 100, START_US + SECOND_US);
    let before = machine.gpus[0].energy_mj(product, START_US);
    machine.settle(0, START_US).expect("a GPU");
    assert!(machine.gpus[0].energy_mj(product, START_US + SECOND_US) >= before);
    assert_eq!(machine.gpus[0].meter.since_us, START_US + SECOND_US);
}
