//! The plans of the drill: 50, each from its number, and two about parts on Ampere. A plan is a host that others use
//! already, and one to three requests to its owner: layouts, modes of MIG, slices cut for a promise or a launch, and
//! their ends.

use std::fmt::Write as _;

use crate::script::Op;

/// Plans in the corpus.
pub const PLANS: u64 = DRAWN + 2;

/// Those that are drawn from their number.
const DRAWN: u64 = 50;

/// What has GPU 0 of Ampere before, in parts, and what it gets.
const PARTS_OF_AMPERE: [(&str, &str); 2] = [
    (
        r#""1c.3g.40gb":3,"1g.10gb":2"#,
        r#""1c.4g.40gb":2,"2c.4g.40gb":1,"1g.10gb":1"#,
    ),
    (
        r#""1c.2g.20gb":2,"1c.3g.40gb":2"#,
        r#""1c.2g.20gb":2,"2c.3g.40gb":1"#,
    ),
];

/// Slices of one GPU, all of which fit together.
const LAYOUTS: [&str; 13] = [
    r#""1g.10gb":7"#,
    r#""3g.40gb":2"#,
    r#""4g.40gb":1,"3g.40gb":1"#,
    r#""2g.20gb":3,"1g.10gb":1"#,
    r#""3g.40gb":1,"1g.10gb":3"#,
    r#""1g.10gb":2,"2g.20gb":1"#,
    r#""7g.80gb":1"#,
    r#""1g.20gb":2,"3g.40gb":1"#,
    r#""1g.10gb+me":1,"2g.20gb":2"#,
    r#""1g.10gb":1"#,
    r#""1c.3g.40gb":3,"1g.10gb":2"#,
    r#""1c.4g.40gb":2,"2c.4g.40gb":1"#,
    r#""1c.2g.20gb":2,"1c.3g.40gb":2"#,
];

/// Slices of several GPUs together, all of which fit on one.
const TOGETHER: [&str; 3] = [
    r#""3g.40gb":1,"1g.10gb":2"#,
    r#""2g.20gb":2,"1g.10gb":3"#,
    r#""1g.10gb":7"#,
];

/// What is asked for on demand.
const ASKS: [&str; 8] = [
    "1g.10gb",
    "2g.20gb",
    "3g.40gb",
    "1g.10gb:2",
    "1g.20gb",
    "gpu:1",
    "1c.3g.40gb",
    "1c.2g.20gb:2",
];

/// One plan.
#[derive(Debug, Clone)]
pub struct Plan {
    pub number: u64,
    pub machine: &'static str,
    pub gpus: u32,
    /// Makes the host what it is before.
    pub setup: Vec<Op>,
    /// Instances with a process on them, as many as there are.
    pub loads: usize,
    /// What is drilled.
    pub script: Vec<Op>,
}

/// A small generator: the same seed gives the same numbers (xorshift of Marsaglia).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.below(2);
        random
    }

    /// A number below the limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let count = u64::try_from(all.len()).expect("a count");
        all[usize::try_from(self.below(count)).expect("an index")]
    }
}

/// Parts on Ampere, beside a GPU in slices: another layout, a part for a promise, and MIG off.
fn parts(number: u64) -> Plan {
    let chosen = usize::try_from(number - DRAWN).expect("an index");
    let (before, after) = PARTS_OF_AMPERE[chosen];
    let apply = |rules: String| Op::Apply {
        layout: format!(r#"{{"rules":[{rules}]}}"#),
        allow_reset: true,
    };
    let slices = |gpu: u32, slices: &str| format!(r#"{{"gpus":[{gpu}],"slices":{{{slices}}}}}"#);
    let beside = slices(1, r#""1g.10gb":2"#);
    Plan {
        number,
        machine: "a100x8",
        gpus: 2,
        setup: vec![apply(format!("{},{beside}", slices(0, before)))],
        loads: 1,
        script: vec![
            apply(slices(0, after)),
            Op::Reserve {
                ask: "1c.3g.40gb".to_owned(),
                holder: "drilled-1".to_owned(),
            },
            apply(r#"{"gpus":[1],"mig":false}"#.to_owned()),
        ],
    }
}

/// The plan of a number: most on two Hopper GPUs, each tenth on eight, each tenth on two of Ampere.
pub fn plan(number: u64) -> Plan {
    if number >= DRAWN {
        return parts(number);
    }
    let mut random = Random::new(number);
    let (machine, gpus) = match number % 10 {
        0 => ("a100x8", 2),
        4 => ("h100x8", 8),
        _ => ("h100x8", 2),
    };
    let mut setup = vec![apply(&mut random, gpus, 4)];
    for holder in 0..random.below(3) {
        let ask = random.one_of(&ASKS[..3]).to_owned();
        let holder = format!("before-{holder}");
        setup.push(if random.below(2) == 0 {
            Op::Launch { ask, holder }
        } else {
            Op::Reserve { ask, holder }
        });
    }
    let loads = usize::try_from(random.below(3)).expect("a count");
    let count = 1 + random.below(3);
    let script = (0..count).map(|at| op(&mut random, gpus, at)).collect();
    Plan {
        number,
        machine,
        gpus,
        setup,
        loads,
        script,
    }
}

fn op(random: &mut Random, gpus: u32, at: u64) -> Op {
    let before = format!("before-{}", random.below(2));
    let holder = format!("drilled-{at}");
    match random.below(10) {
        0..=4 => apply(random, gpus, 2),
        5 | 6 => Op::Reserve {
            ask: random.one_of(&ASKS).to_owned(),
            holder,
        },
        7 => Op::Launch {
            ask: random.one_of(&ASKS).to_owned(),
            holder,
        },
        8 => Op::Release { holder: before },
        _ => Op::Gone { holder: before },
    }
}

/// A layout of up to `most` GPUs, in the order of their numbers. One GPU in five has MIG off; one layout in six is of
/// all of them together.
fn apply(random: &mut Random, gpus: u32, most: u64) -> Op {
    let named = 1 + random.below(most.min(u64::from(gpus)));
    let first = random.below(u64::from(gpus) - named + 1);
    let mut rules = String::new();
    if random.below(6) == 0 {
        let all: Vec<String> = (first..first + named).map(|gpu| gpu.to_string()).collect();
        let (all, slices) = (all.join(","), random.one_of(&TOGETHER));
        let rule = format!(r#"{{"gpus":[{all}],"slices":{{{slices}}},"together":true}}"#);
        return Op::Apply {
            layout: format!(r#"{{"rules":[{rule}]}}"#),
            allow_reset: true,
        };
    }
    for gpu in first..first + named {
        let separator = if rules.is_empty() { "" } else { "," };
        let wanted = if random.below(5) == 0 {
            r#""mig":false"#.to_owned()
        } else {
            format!(r#""slices":{{{}}}"#, random.one_of(&LAYOUTS))
        };
        write!(rules, r#"{separator}{{"gpus":[{gpu}],{wanted}}}"#).expect("text");
    }
    Op::Apply {
        layout: format!(r#"{{"rules":[{rules}]}}"#),
        allow_reset: true,
    }
}
